"""DKIM: what verifies, what does not, and why; RFC 8463's own example; dkimpy signs, we verify."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable

import dkim  # type: ignore[import-untyped]
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from posthouse.backends.memory.resolver import MemoryResolver
from posthouse.mailauth.dkim.verify import MAX_SIGNATURES, verify_all
from posthouse.model.mail_authentication import DkimResult
from support.signing import NOW, keypair, signed, with_signature

MESSAGE = (
    b"From: Jane <jane@example.org>\r\nTo: omar@example.net\r\nSubject: Hello   there\r\n\tand more\r\n"
    b"Date: Mon, 1 Jan 2024 00:00:00 +0000\r\nMessage-ID: <1@example.org>\r\n\r\n"
    b"Hi there  \r\n\tindented\t text\r\n\r\nBye\r\n\r\n\r\n"
)

RFC_8463 = """\
DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=brisbane; t=1528637909; h=from : to :
 subject : date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus
 Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==
DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=test; t=1528637909; h=from : to : subject :
 date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3
 DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz
 dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=
From: Joe SixPack <joe@football.example.com>
To: Suzie Q <suzie@shopping.example.net>
Subject: Is dinner ready?
Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)
Message-ID: <20030712040037.46341.5F8J@football.example.com>

Hi.

We lost the game.  Are you hungry yet?

Joe.
""".replace("\n", "\r\n").encode()

RFC_8463_KEYS = MemoryResolver(
    {
        ("brisbane._domainkey.football.example.com", "TXT"): [
            "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
        ],
        ("test._domainkey.football.example.com", "TXT"): [
            "v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J1"
            "6JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB"
        ],
    }
)


def resolver(record: str, name: str = "s1._domainkey.example.org") -> MemoryResolver:
    return MemoryResolver({(name, "TXT"): [record]})


async def verified(content: bytes, record: str, now: float = NOW) -> DkimResult:
    [found] = await verify_all(signed(content), resolver(record), now)
    return found


def changed_tag(content: bytes, name: str, value: str | None) -> bytes:
    """The message with one tag of its signature replaced (None: taken out); the signature then no longer fits."""
    pattern = rf"([:;] {name}=)[^;\r]*(; )?".encode()
    replacement = (lambda match: b"; ") if value is None else (lambda match: match[1] + value.encode() + (match[2] or b""))
    found, count = re.subn(pattern, replacement, content, count=1)
    assert count == 1
    return found


async def test_the_example_of_rfc_8463_verifies_with_both_keys() -> None:
    found = await verify_all(signed(RFC_8463), RFC_8463_KEYS, NOW)
    assert [(entry.result, entry.algorithm, entry.key_bits) for entry in found] == [
        ("pass", "ed25519-sha256", 256),
        ("pass", "rsa-sha256", 1024),
    ]


@pytest.mark.parametrize("kind", ["rsa", "ed25519"])
@pytest.mark.parametrize("header", [b"simple", b"relaxed"])
@pytest.mark.parametrize("body", [b"simple", b"relaxed"])
async def test_what_dkimpy_signs_verifies(kind: str, header: bytes, body: bytes) -> None:
    key = keypair(kind)
    algorithm = f"{kind}-sha256".encode()
    field = dkim.sign(MESSAGE, b"s1", b"example.org", key.dkimpy, canonicalize=(header, body), signature_algorithm=algorithm)
    found = await verified(field + MESSAGE, key.record, 4e9)
    assert (found.result, found.domain, found.selector) == ("pass", "example.org", "s1")


CHANGES: list[tuple[str, Callable[[bytes], bytes], str, str]] = [
    ("body", lambda m: m.replace(b"Bye", b"Buy"), "fail", "body was changed"),
    ("subject", lambda m: m.replace(b"Hello", b"Hallo"), "fail", "header was changed"),
    ("second From on top", lambda m: b"From: evil@example.com\r\n" + m, "fail", "header was changed"),
    ("second Subject below", lambda m: m.replace(b"Date:", b"Subject: x\r\nDate:"), "fail", "header was changed"),
    ("Content-Type added", lambda m: m.replace(b"Date:", b"Content-Type: text/html\r\nDate:"), "fail", "header was changed"),
    ("d=", lambda m: changed_tag(m, "d", "example.com"), "permerror", "no key is published"),
    ("b= empty", lambda m: changed_tag(m, "b", ""), "neutral", "tag b is missing"),
    ("b= rubbish", lambda m: changed_tag(m, "b", "***"), "neutral", "invalid base64"),
    ("v=2", lambda m: changed_tag(m, "v", "2"), "neutral", "not version 1"),
    ("unknown algorithm", lambda m: changed_tag(m, "a", "rsa-md5"), "neutral", "unknown algorithm"),
    ("rsa-sha1", lambda m: changed_tag(m, "a", "rsa-sha1"), "permerror", "RFC 8301"),
    ("the other algorithm", lambda m: changed_tag(m, "a", "ed25519-sha256"), "permerror", "the key is rsa"),
    ("From not signed", lambda m: changed_tag(m, "h", "to:subject"), "permerror", "From is not signed"),
    ("h= missing", lambda m: changed_tag(m, "h", None), "neutral", "tag h is missing"),
    ("canonical form", lambda m: changed_tag(m, "c", "strict"), "neutral", "canonical form"),
    ("t= is no number", lambda m: changed_tag(m, "t", "soon"), "neutral", "t= is no number"),
    ("from the future", lambda m: changed_tag(m, "t", str(int(NOW) + 9999)), "permerror", "from the future"),
    ("expired", lambda m: m.replace(b"; t=", b"; x=1790000001; t=", 1), "permerror", "expired"),
    ("x= before t=", lambda m: m.replace(b"; t=", b"; x=1; t=", 1), "neutral", "x= is before t="),
    ("i= elsewhere", lambda m: m.replace(b"; t=", b"; i=@example.com; t=", 1), "permerror", "i= is not within d="),
    ("i= a look-alike", lambda m: m.replace(b"; t=", b"; i=@anexample.org; t=", 1), "permerror", "i= is not within d="),
    ("q= unknown", lambda m: m.replace(b"; t=", b"; q=carrier/pigeon; t=", 1), "neutral", "not in DNS"),
    ("l= too long", lambda m: m.replace(b"; t=", b"; l=99999; t=", 1), "fail", "shorter than what was signed"),
    ("l= is no number", lambda m: m.replace(b"; t=", b"; l=-1; t=", 1), "neutral", "l= is no number"),
    ("a tag twice", lambda m: m.replace(b"; t=", b"; d=example.org; t=", 1), "neutral", "stands twice"),
    ("no tag", lambda m: m.replace(b"; t=", b"; rubbish; t=", 1), "neutral", "is no tag"),
    ("d= is no domain", lambda m: changed_tag(m, "d", "exa mple"), "neutral", "no domain name"),
]


@pytest.mark.parametrize(("change", "result", "why"), [row[1:] for row in CHANGES], ids=[row[0] for row in CHANGES])
async def test_a_changed_message_or_signature_does_not_verify(change: Callable[[bytes], bytes], result: str, why: str) -> None:
    key = keypair("rsa")
    good = with_signature(MESSAGE, key.signer())
    assert (await verified(good, key.record)).result == "pass"
    found = await verified(change(good), key.record, NOW + 10)
    assert (found.result, why in found.detail) == (result, True), found.detail


@pytest.mark.parametrize(
    ("record", "result", "why"),
    [
        ("{p}", "pass", ""),
        ("k=rsa; p={p}", "pass", ""),
        ("v=DKIM1; h=sha1:sha256; s=email; t=y; n=a note; p={p}", "pass", ""),
        ("v=DKIM1; s=*; p={p}", "pass", ""),
        ("v=DKIM1; t=s; p={p}", "pass", ""),
        ("v=DKIM1; p=", "permerror", "revoked"),
        ("v=DKIM1; k=rsa", "permerror", "has no key"),
        ("v=DKIM2; p={p}", "permerror", "another version"),
        ("p={p}; v=DKIM1", "permerror", "another version"),
        ("v=DKIM1; h=sha1; p={p}", "permerror", "not for SHA-256"),
        ("v=DKIM1; s=tlsrpt; p={p}", "permerror", "not for mail"),
        ("v=DKIM1; k=dsa; p={p}", "permerror", "unknown kind"),
        ("v=DKIM1; k=ed25519; p={p}", "permerror", "32 octets"),
        ("v=DKIM1; p=***", "permerror", "not base64"),
        ("v=DKIM1; p=AAAA", "permerror", "no RSA key"),
        ("v=DKIM1; p={p}; p={p}", "permerror", "invalid key record"),
        ("v=DKIM1; p={p};" + " " * 9000, "permerror", "too long"),
    ],
)
async def test_key_records(record: str, result: str, why: str) -> None:
    key = keypair("rsa")
    public = key.record.partition("p=")[2]
    text = f"p={public}" if record == "{p}" else record.replace("{p}", public)
    found = await verified(with_signature(MESSAGE, key.signer()), text)
    assert (found.result, why in found.detail) == (result, True), found.detail
    assert found.testing == ("t=y" in record)


async def test_a_strict_key_is_for_its_own_domain_only() -> None:
    key = keypair("rsa")
    field = dkim.sign(MESSAGE, b"s1", b"example.org", key.dkimpy, identity=b"jane@mail.example.org")
    assert (await verified(field + MESSAGE, key.record, 4e9)).result == "pass"
    found = await verified(field + MESSAGE, key.record.replace("k=rsa", "k=rsa; t=s"), 4e9)
    assert (found.result, found.detail) == ("permerror", "the key is for its own domain only")


async def test_a_short_rsa_key_is_not_accepted() -> None:
    short = RSAPublicNumbers(65537, (1 << 767) + 9).public_key()
    octets = short.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    record = f"v=DKIM1; p={base64.b64encode(octets).decode()}"
    found = await verified(with_signature(MESSAGE, keypair("rsa").signer()), record)
    assert (found.result, found.detail) == ("permerror", "an RSA key of 768 bits is not accepted")


async def test_what_follows_a_signed_length_is_told_of() -> None:
    key = keypair("rsa")
    field = dkim.sign(MESSAGE, b"s1", b"example.org", key.dkimpy, length=True)
    found = await verified(field + MESSAGE + b"Buy now!\r\n", key.record, 4e9)
    assert found.result == "pass"
    assert found.signed_length is not None
    assert "octets at the end of the body are not signed" in found.detail


async def test_the_first_usable_record_of_several_counts() -> None:
    key = keypair("rsa")
    records = MemoryResolver({("s1._domainkey.example.org", "TXT"): ["unrelated text", key.record]})
    [found] = await verify_all(signed(with_signature(MESSAGE, key.signer())), records, NOW)
    assert found.result == "pass"


async def test_dns_that_fails_is_a_temporary_error() -> None:
    failing = MemoryResolver({("s1._domainkey.example.org", "FAIL"): []})
    [found] = await verify_all(signed(with_signature(MESSAGE, keypair("rsa").signer())), failing, NOW)
    assert found.result == "temperror"


async def test_signatures_beyond_ten_are_not_looked_at() -> None:
    key = keypair("ed25519")
    content = with_signature(MESSAGE, key.signer())
    field = content[: content.index(b"From:")]
    found = await verify_all(signed(field * 30 + MESSAGE), resolver(key.record), NOW)
    assert len(found) == MAX_SIGNATURES


async def test_a_message_without_a_signature_has_no_result() -> None:
    assert await verify_all(signed(MESSAGE), MemoryResolver(), NOW) == ()
