"""Verifying a chain of ARC seals (RFC 8617 §5.2): what hosts on the way say that they saw, and whether that is unbroken.

Failing: no answer from DNS makes the chain ``temperror`` here, which callers treat like a chain that is not there.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from posthouse.base.errors import Temporary
from posthouse.formats.headers import unfold
from posthouse.interfaces.resolver import Resolver
from posthouse.mailauth.dkim import keys, signature, tags
from posthouse.mailauth.dkim.keys import KeyProblem
from posthouse.mailauth.dkim.signature import ALGORITHMS, SignatureProblem
from posthouse.mailauth.dkim.signed_header import Fields, without_signature
from posthouse.mailauth.dkim.verify import Signed, body_problem, fetch_key
from posthouse.model.address import normal_domain
from posthouse.model.mail_authentication import ArcResult
from posthouse.model.summary import HeaderField

MAX_INSTANCES = 50
RESULTS, MESSAGE_SIGNATURE, SEAL = "arc-authentication-results", "arc-message-signature", "arc-seal"
MAX_RESULTS = 4096

_INSTANCE = re.compile(r"\s*i\s*=\s*(\d{1,3})\s*(?:;|\Z)")


class ArcProblem(Exception):
    """The chain is broken; the text says where."""


@dataclass(frozen=True, slots=True)
class ArcSet:
    """The three fields of one instance, and the seal's tags."""

    results: HeaderField
    message_signature: HeaderField
    seal: HeaderField
    seal_tags: dict[str, str]

    @property
    def fields(self) -> tuple[HeaderField, HeaderField, HeaderField]:
        """In the order in which they are sealed (RFC 8617 §5.1.1)."""
        return self.results, self.message_signature, self.seal


async def verify_chain(signed: Signed, resolver: Resolver, now: float) -> ArcResult:
    """The state of the chain; ``none`` for a message without ARC fields."""
    try:
        sets = collect(signed.fields)
    except ArcProblem as error:
        return ArcResult("fail", detail=str(error))
    if not sets:
        return ArcResult("none")
    try:
        _check_states(sets)
        await _check_message(sets[-1], signed, resolver, now)
        await _check_seals(sets, signed.fields, resolver)
    except (ArcProblem, SignatureProblem, KeyProblem) as error:
        return ArcResult("fail", sealers(sets), detail=str(error))
    except Temporary as error:
        return ArcResult("temperror", sealers(sets), detail=f"no key from DNS: {error.cause or error.public}")
    message = signed.fields.message
    results = tuple(unfold(message.value(entry.results))[:MAX_RESULTS] for entry in sets)
    return ArcResult("pass", sealers(sets), results, f"{len(sets)} seal{'s' if len(sets) > 1 else ''}")


def sealers(sets: Sequence[ArcSet]) -> tuple[str, ...]:
    """The d= of each seal, oldest first."""
    return tuple(entry.seal_tags.get("d", "").lower()[:255] for entry in sets)


def collect(fields: Fields) -> list[ArcSet]:
    """The sets in order of instance. Raises ArcProblem if one is not whole, or the row has gaps (RFC 8617 §5.2 step 3)."""
    message = fields.message
    found: dict[str, dict[int, HeaderField]] = {RESULTS: {}, MESSAGE_SIGNATURE: {}, SEAL: {}}
    for field in message.fields:
        if field.name not in found:
            continue
        number = _instance(unfold(message.value(field)))
        if number in found[field.name]:
            raise ArcProblem(f"two {field.name} of instance {number}")
        found[field.name][number] = field
    count = max(map(len, found.values()))
    wanted = set(range(1, count + 1))
    if any(set(entries) != wanted for entries in found.values()):
        raise ArcProblem("a set of the chain is not whole")
    return [_set(fields, number, found) for number in range(1, count + 1)]


def _instance(value: str) -> int:
    """The i= of a field of any of the three kinds."""
    match = _INSTANCE.match(value)
    number = int(match[1]) if match else 0
    if match is None:
        try:
            text = tags.parse(value).get("i", "")
        except tags.TagError as error:
            raise ArcProblem(f"malformed field: {error}") from None
        number = int(text) if text.isascii() and text.isdigit() and len(text) < 4 else 0
    if not 1 <= number <= MAX_INSTANCES:
        raise ArcProblem("an instance is not within 1 to 50")
    return number


def _set(fields: Fields, number: int, found: dict[str, dict[int, HeaderField]]) -> ArcSet:
    seal = found[SEAL][number]
    try:
        read = tags.parse(unfold(fields.message.value(seal)))
    except tags.TagError as error:
        raise ArcProblem(f"malformed seal {number}: {error}") from None
    return ArcSet(found[RESULTS][number], found[MESSAGE_SIGNATURE][number], seal, read)


def _check_states(sets: Sequence[ArcSet]) -> None:
    """cv= of each seal (RFC 8617 §5.2 steps 2 and 3)."""
    for number, entry in enumerate(sets, 1):
        state = entry.seal_tags.get("cv", "").lower()
        if state == "fail":
            raise ArcProblem(f"the chain was broken already when {entry.seal_tags.get('d', '')[:100]} sealed it")
        if state != ("none" if number == 1 else "pass"):
            raise ArcProblem(f"seal {number} has cv={state[:20]}")
        if "h" in entry.seal_tags:
            raise ArcProblem(f"seal {number} has h=")


async def _check_message(newest: ArcSet, signed: Signed, resolver: Resolver, now: float) -> None:
    """The newest message signature (step 4). Older ones are broken by every honest change on the way."""
    message = signed.fields.message
    field = newest.message_signature
    raw, value_start = message.raw(field), field.value_start - field.start
    try:
        found = tags.parse(unfold(raw[value_start:]))
    except tags.TagError as error:
        raise ArcProblem(f"malformed message signature: {error}") from None
    read = signature.read(found, arc=True)
    read.check_times(now)
    if problem := body_problem(read, signed.bodies):
        raise ArcProblem(problem)
    key = await fetch_key(read, resolver)
    if not key.fits(signed.fields.digest(read.fields, read.header_form, raw, value_start), read.value):
        raise ArcProblem("the header was changed after the last seal")


async def _check_seals(sets: Sequence[ArcSet], fields: Fields, resolver: Resolver) -> None:
    """All seals (step 5): each is over all sets up to its own; the common beginning is hashed once."""
    records = await asyncio.gather(*(_seal_texts(entry, resolver) for entry in sets))
    hasher = hashlib.sha256()
    for number, (entry, texts) in enumerate(zip(sets, records, strict=True), 1):
        for field in entry.fields[:2]:
            hasher.update(fields.canonical(field, "relaxed"))
        own = hasher.copy()
        seal = entry.seal
        own.update(without_signature(fields.message.raw(seal), seal.value_start - seal.start, "relaxed"))
        key = keys.choose(texts)
        try:
            fits = key.fits(own.digest(), tags.octets(entry.seal_tags.get("b", "")))
        except tags.TagError:
            fits = False
        if not fits or not entry.seal_tags["a"].lower().startswith(key.kind + "-"):
            raise ArcProblem(f"seal {number} is not by {entry.seal_tags.get('d', '')[:100]}, or was changed")
        hasher.update(fields.canonical(seal, "relaxed"))


async def _seal_texts(entry: ArcSet, resolver: Resolver) -> list[str]:
    """Raises ArcProblem for a seal without usable names, Temporary."""
    found = entry.seal_tags
    if found.get("a", "").lower() not in ALGORITHMS:
        raise ArcProblem("a seal has an unknown algorithm")
    try:
        name = f"{normal_domain(found.get('s', ''))}._domainkey.{normal_domain(found.get('d', ''))}"
    except ValueError:
        raise ArcProblem("a seal names no domain") from None
    return list(await resolver.txt(name))
