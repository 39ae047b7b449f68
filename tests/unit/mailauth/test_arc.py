"""ARC: chains that dkimpy and we make verify on both sides; broken ones do not, with the reason."""

from __future__ import annotations

from collections.abc import Callable

import dkim  # type: ignore[import-untyped]
import pytest

from posthouse.backends.memory.resolver import MemoryResolver
from posthouse.formats.folding import fold
from posthouse.mailauth.arc import verify_chain
from posthouse.mailauth.arc_seal import seal
from posthouse.model.mail_authentication import ArcResult
from support.signing import NOW, keypair, signed

MESSAGE = (
    b"From: jane@example.org\r\nTo: list@example.net\r\nSubject: Hello\r\nDate: Mon, 1 Jan 2024 00:00:00 +0000\r\n"
    b"Message-ID: <1@example.org>\r\n\r\nHi  there\r\n"
)
KEY = keypair("rsa")
RECORDS = {(f"s1._domainkey.{name}", "TXT"): [KEY.record] for name in ("a.test", "b.test", "c.test")}
RESOLVER = MemoryResolver(RECORDS)
SEEN = "spf=pass smtp.mailfrom=jane@example.org; dkim=pass header.d=example.org; dmarc=pass header.from=example.org"


async def chain(content: bytes, resolver: MemoryResolver = RESOLVER) -> ArcResult:
    return await verify_chain(signed(content), resolver, NOW)


async def sealed(content: bytes, *domains: str) -> bytes:
    """The message after each of these hosts has passed it on."""
    for domain in domains:
        fields = seal(signed(content), KEY.signer(domain), await chain(content), f"mx.{domain}; {SEEN}", NOW)
        content = b"".join(fold(name, value) for name, value in fields) + content
    return content


def by_dkimpy(content: bytes) -> bytes:
    verdict, _, _ = dkim.arc_verify(content, dnsfunc=lambda *_, **__: KEY.record.encode())
    assert isinstance(verdict, bytes)
    return verdict


def sealed_by_dkimpy(content: bytes, domain: str) -> bytes:
    results = f"Authentication-Results: mx.{domain}; arc=none; {SEEN}\r\n".encode()
    if b"ARC-Seal" in content:
        results = f"Authentication-Results: mx.{domain}; arc=pass; {SEEN}\r\n".encode()
    lines = dkim.arc_sign(
        results + content, b"s1", domain.encode(), KEY.dkimpy, f"mx.{domain}".encode(), timestamp="1790000000"
    )
    return b"".join(lines) + results + content


async def test_a_message_without_seals_has_no_chain() -> None:
    assert await chain(MESSAGE) == ArcResult("none")


@pytest.mark.parametrize("hosts", [("a.test",), ("a.test", "b.test"), ("a.test", "b.test", "c.test")])
async def test_our_seals_verify_here_and_at_dkimpy(hosts: tuple[str, ...]) -> None:
    content = await sealed(MESSAGE, *hosts)
    found = await chain(content)
    assert (found.result, found.sealers) == ("pass", hosts)
    assert found.results[0].startswith("i=1; mx.a.test; spf=pass")
    assert by_dkimpy(content) == b"pass"


async def test_dkimpys_seals_verify_here_alone_and_under_ours() -> None:
    once = sealed_by_dkimpy(MESSAGE, "a.test")
    assert (await chain(once)).result == "pass"
    twice = sealed_by_dkimpy(once, "b.test")
    assert (await chain(twice)).result == "pass"
    thrice = await sealed(twice, "c.test")
    assert (await chain(thrice)).sealers == ("a.test", "b.test", "c.test")
    assert by_dkimpy(thrice) == b"pass"


async def test_a_list_may_change_the_message_before_it_seals() -> None:
    content = (await sealed(MESSAGE, "a.test")).replace(b"Subject: Hello", b"Subject: [list] Hello")
    fields = seal(signed(content), KEY.signer("b.test"), ArcResult("pass"), f"mx.b.test; {SEEN}", NOW)
    content = b"".join(fold(name, value) for name, value in fields) + content
    assert (await chain(content)).result == "pass"


CHANGES: list[tuple[str, Callable[[bytes], bytes], str]] = [
    ("body", lambda m: m.replace(b"Hi  there", b"Hi, buy"), "body was changed"),
    ("subject", lambda m: m.replace(b"Subject: Hello", b"Subject: Hallo"), "header was changed after the last seal"),
    ("results of the first host", lambda m: m.replace(b"i=1; mx.a.test", b"i=1; mx.x.test"), "seal 1 is not by a.test"),
    ("a set twice", lambda m: m.replace(b"i=2", b"i=1"), "two arc-"),
    ("a gap", lambda m: m.replace(b"i=1;", b"i=3;"), "not whole"),
    ("too many", lambda m: m.replace(b"i=2;", b"i=51;"), "not within 1 to 50"),
    ("cv=fail", lambda m: m.replace(b"cv=pass", b"cv=fail"), "was broken already"),
    ("cv=none in the middle", lambda m: m.replace(b"cv=pass", b"cv=none"), "seal 2 has cv=none"),
    ("cv=pass at the start", lambda m: m.replace(b"cv=none", b"cv=pass"), "seal 1 has cv=pass"),
    ("h= in a seal", lambda m: m.replace(b"cv=pass;", b"cv=pass; h=from;"), "seal 2 has h="),
    ("no results", lambda m: m.replace(b"ARC-Authentication-Results: i=1", b"X-Nothing: i=1"), "not whole"),
    ("no instance", lambda m: m.replace(b"ARC-Seal: i=2;", b"ARC-Seal:"), "not within 1 to 50"),
    ("unknown algorithm", lambda m: m.replace(b"a=rsa-sha256; cv", b"a=rsa-sha1; cv"), "unknown algorithm"),
    ("no domain", lambda m: m.replace(b"d=b.test; s=s1; t=1790000000;\r\n b=", b"d=..; s=s1; t=1790000000;\r\n b="), "domain"),
    ("another's seal", lambda m: m.replace(b"cv=pass; d=b.test", b"cv=pass; d=c.test"), "seal 2 is not by c.test"),
    ("no such key", lambda m: m.replace(b"cv=pass; d=b.test", b"cv=pass; d=x.test"), "no key is published"),
]


@pytest.mark.parametrize(("change", "why"), [row[1:] for row in CHANGES], ids=[row[0] for row in CHANGES])
async def test_a_broken_chain_fails_with_its_reason(change: Callable[[bytes], bytes], why: str) -> None:
    content = await sealed(MESSAGE, "a.test", "b.test")
    changed = change(content)
    assert changed != content
    found = await chain(changed)
    assert (found.result, why in found.detail) == ("fail", True), found.detail


async def test_dns_that_fails_is_a_temporary_error() -> None:
    content = await sealed(MESSAGE, "a.test")
    found = await chain(content, MemoryResolver({("s1._domainkey.a.test", "FAIL"): []}))
    assert found.result == "temperror"


async def test_a_chain_that_broke_is_sealed_as_broken_once() -> None:
    content = (await sealed(MESSAGE, "a.test")).replace(b"Hi  there", b"Hi, buy")
    content = await sealed(content, "b.test")
    assert b"cv=fail" in content
    assert (await chain(content)).detail.startswith("the chain was broken already when b.test sealed it")
    assert await sealed(content, "c.test") == content


async def test_a_full_chain_is_not_sealed_further() -> None:
    content = await sealed(MESSAGE, *(["a.test"] * 50))
    assert (await chain(content)).result == "pass"
    assert await sealed(content, "b.test") == content
