"""A signature field, read and checked as far as that goes without DNS (RFC 6376 §3.5, §6.1.1; RFC 8301).

Serves DKIM-Signature and ARC-Message-Signature alike: they differ in ``v=`` and ``i=``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from posthouse.mailauth.dkim import tags
from posthouse.mailauth.dkim.canonical import Form
from posthouse.model.address import normal_domain

ALGORITHMS = ("rsa-sha256", "ed25519-sha256")
MAX_SIGNED_FIELDS = 1000
MAX_SKEW_S = 3600.0
"""How far a signer's clock may be ahead of ours."""


class SignatureProblem(Exception):
    """Not verifiable. ``permanent``: the RFCs say so; else the field is malformed, and the signature counts as neutral."""

    def __init__(self, text: str, *, permanent: bool) -> None:
        super().__init__(text)
        self.permanent = permanent


@dataclass(frozen=True, slots=True)
class Signature:
    """What its tags say. ``fields`` are names in lower case, in their order; ``value`` and ``body_hash`` are octets."""

    domain: str
    selector: str
    identity: str
    algorithm: str
    header_form: Form
    body_form: Form
    fields: tuple[str, ...]
    length: int | None
    signed_at: int | None
    expires_at: int | None
    value: bytes
    body_hash: bytes

    @property
    def query(self) -> str:
        """Where its key is published."""
        return f"{self.selector}._domainkey.{self.domain}"

    def check_times(self, now: float) -> None:
        """Raises SignatureProblem for one that has expired, or comes from the future."""
        if self.expires_at is not None and self.expires_at < now:
            raise SignatureProblem("the signature has expired", permanent=True)
        if self.signed_at is not None and self.signed_at > now + MAX_SKEW_S:
            raise SignatureProblem("the signature is from the future", permanent=True)


def read(found: dict[str, str], *, arc: bool = False) -> Signature:
    """A signature of the tags of a field; the AMS has no v=, and its i= is a number (``arc``). Raises SignatureProblem."""
    _demand(found, arc=arc)
    algorithm = found["a"].lower()
    if algorithm == "rsa-sha1":
        raise SignatureProblem("rsa-sha1 is not accepted (RFC 8301)", permanent=True)
    if algorithm not in ALGORITHMS:
        raise _malformed(f"unknown algorithm {algorithm[:40]!r}")
    domain, selector = _domain(found["d"]), _domain(found["s"])
    names = tuple(tags.words(found["h"]))
    if len(names) > MAX_SIGNED_FIELDS:
        raise _malformed("too many signed fields")
    if "from" not in names:
        raise SignatureProblem("From is not signed", permanent=True)
    if arc and "arc-seal" in names:
        raise _malformed("a message signature must not sign seals")
    if "dns/txt" not in tags.words(found.get("q", "dns/txt")):
        raise _malformed("the key is not in DNS")
    header_form, body_form = _forms(found.get("c", "simple/simple"))
    signed_at, expires_at = _number(found, "t", 12), _number(found, "x", 12)
    if signed_at is not None and expires_at is not None and expires_at < signed_at:
        raise _malformed("x= is before t=")
    try:
        value, body_hash = tags.octets(found["b"]), tags.octets(found["bh"])
    except tags.TagError as error:
        raise _malformed(str(error)) from None
    return Signature(
        domain=domain,
        selector=selector,
        identity="" if arc else _identity(found, domain),
        algorithm=algorithm,
        header_form=header_form,
        body_form=body_form,
        fields=names,
        length=_number(found, "l", 76),
        signed_at=signed_at,
        expires_at=expires_at,
        value=value,
        body_hash=body_hash,
    )


def _malformed(text: str) -> SignatureProblem:
    return SignatureProblem(text, permanent=False)


def _demand(found: dict[str, str], *, arc: bool) -> None:
    for name in ("a", "b", "bh", "d", "h", "s"):
        if not found.get(name):
            raise _malformed(f"the tag {name} is missing")
    if not arc and found.get("v") != "1":
        raise _malformed("not version 1")


def _domain(text: str) -> str:
    try:
        return normal_domain(text.rstrip("."))
    except ValueError:
        raise _malformed(f"{text[:80]!r} is no domain name") from None


def _identity(found: dict[str, str], domain: str) -> str:
    identity = found.get("i", f"@{domain}")
    _, at, host = identity.rpartition("@")
    try:
        name = normal_domain(host)
    except ValueError:
        name = ""
    if not at or (name != domain and not name.endswith("." + domain)):
        raise SignatureProblem("i= is not within d=", permanent=True)
    return identity


def _forms(text: str) -> tuple[Form, Form]:
    header, slash, body = text.lower().partition("/")
    body = body if slash else "simple"
    if header not in ("simple", "relaxed") or body not in ("simple", "relaxed"):
        raise _malformed(f"unknown canonical form {text[:40]!r}")
    return cast(Form, header), cast(Form, body)


def _number(found: dict[str, str], name: str, digits: int) -> int | None:
    text = found.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= digits):
        raise _malformed(f"{name}= is no number")
    return int(text)
