"""Verifying all DKIM signatures of a message (RFC 6376 §6). Signatures beyond ``MAX_SIGNATURES`` are not looked at.

Failing: a key that DNS does not give just now is ``temperror``. Everything else that is wrong is the signature's own fault.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

from posthouse.base.errors import Temporary
from posthouse.formats.headers import unfold
from posthouse.interfaces.resolver import Resolver
from posthouse.mailauth.dkim import keys, signature, tags
from posthouse.mailauth.dkim.canonical import Bodies
from posthouse.mailauth.dkim.keys import Key, KeyProblem
from posthouse.mailauth.dkim.signature import Signature, SignatureProblem
from posthouse.mailauth.dkim.signed_header import Fields
from posthouse.model.mail_authentication import DkimResult
from posthouse.model.summary import HeaderField

MAX_SIGNATURES = 10
FIELD = "dkim-signature"
SHOWN = 200


@dataclass(frozen=True, slots=True)
class Signed:
    """What signatures are over; the two share their work among all signatures."""

    fields: Fields
    bodies: Bodies


async def verify_all(signed: Signed, resolver: Resolver, now: float) -> tuple[DkimResult, ...]:
    """One result for each signature, from the top; none for a message without any."""
    found = signed.fields.message.named(FIELD)[:MAX_SIGNATURES]
    if len(found) == 1:
        return (await verify_one(signed, found[0], resolver, now),)
    return tuple(await asyncio.gather(*(verify_one(signed, field, resolver, now) for field in found)))


async def verify_one(signed: Signed, field: HeaderField, resolver: Resolver, now: float) -> DkimResult:
    """One signature."""
    raw = signed.fields.message.raw(field)
    value_start = field.value_start - field.start
    try:
        found = tags.parse(unfold(raw[value_start:]))
    except tags.TagError as error:
        return DkimResult("neutral", "", "", detail=f"malformed signature: {error}")
    shown = _shown(found)
    try:
        read = signature.read(found)
        read.check_times(now)
        shown = replace(shown, domain=read.domain, selector=read.selector, identity=read.identity, signed_length=read.length)
        problem = body_problem(read, signed.bodies)
        if problem:
            return replace(shown, result="fail", detail=problem)
        key = await fetch_key(read, resolver)
    except SignatureProblem as error:
        return replace(shown, result="permerror" if error.permanent else "neutral", detail=str(error))
    except KeyProblem as error:
        return replace(shown, result="permerror", detail=str(error))
    except Temporary as error:
        return replace(shown, result="temperror", detail=f"no key from DNS: {error.cause or error.public}")
    shown = replace(shown, key_bits=key.bits, testing=key.testing)
    if key.strict and read.identity.rpartition("@")[2].lower() != read.domain:
        return replace(shown, result="permerror", detail="the key is for its own domain only")
    digest = signed.fields.digest(read.fields, read.header_form, raw, value_start)
    if not key.fits(digest, read.value):
        return replace(shown, result="fail", detail="the header was changed, or the signature is not by this key")
    return replace(shown, result="pass", detail=_good(read, key, signed.bodies))


async def fetch_key(read: Signature, resolver: Resolver) -> Key:
    """Raises KeyProblem, Temporary."""
    key = keys.choose(list(await resolver.txt(read.query)))
    if not read.algorithm.startswith(key.kind + "-"):
        raise KeyProblem(f"the key is {key.kind}, the signature {read.algorithm}")
    return key


BODY_CHANGED = "the body was changed"


def body_problem(read: Signature, bodies: Bodies) -> str:
    """What is wrong with the body, "" if it is as it was signed."""
    if read.length is not None and read.length > bodies.length(read.body_form):
        return "the body is shorter than what was signed"
    return "" if bodies.sha256(read.body_form, read.length) == read.body_hash else BODY_CHANGED


def _shown(found: dict[str, str]) -> DkimResult:
    """What a result tells of a signature, however broken."""
    return DkimResult(
        "neutral",
        found.get("d", "")[:SHOWN].lower(),
        found.get("s", "")[:SHOWN].lower(),
        identity=found.get("i", "")[:SHOWN],
        algorithm=found.get("a", "")[:SHOWN].lower(),
        signature=tags.folded(found.get("b", ""))[:8],
    )


def _good(read: Signature, key: Key, bodies: Bodies) -> str:
    words = f"{key.bits}-bit {key.kind} key" if key.kind == "rsa" else "ed25519 key"
    if read.length is not None and (rest := bodies.length(read.body_form) - read.length):
        words += f", but {rest} octets at the end of the body are not signed"
    return words
