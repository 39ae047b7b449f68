"""Signing: dkimpy verifies what we sign, and nothing that matters can be added or changed afterwards."""

from __future__ import annotations

import dkim  # type: ignore[import-untyped]
import pytest

from posthouse.formats.folding import fold
from posthouse.mailauth.dkim.generate import generate
from posthouse.mailauth.dkim.sign import OVERSIGNED, Signer, signature_value, signed_names
from support.signing import NOW, keypair, signed, with_signature

MESSAGE = (
    b"From: Jane <jane@example.org>\r\nTo: omar@example.net\r\nSubject: Hello   there\r\n\tand more\r\n"
    b"Date: Mon, 1 Jan 2024 00:00:00 +0000\r\nMessage-ID: <1@example.org>\r\nList-Id: <l.example.org>\r\n"
    b"Content-Type: text/plain\r\n\r\nHi there  \r\n\tindented\t text\r\n\r\nBye\r\n\r\n\r\n"
)


def dkimpy_accepts(content: bytes, record: str) -> bool:
    return bool(dkim.verify(content, dnsfunc=lambda *_, **__: record.encode()))


@pytest.mark.parametrize(("kind", "bits"), [("rsa", 2048), ("rsa", 1024), ("ed25519", 0)])
@pytest.mark.parametrize("body", [b"", b"x", b"\r\n\r\n", b"a \t b  \r\n\r\n\r\n", b"\xc3\xa4\r\n" * 2000])
def test_dkimpy_verifies_what_we_sign(kind: str, bits: int, body: bytes) -> None:
    key = keypair(kind, bits)
    content = MESSAGE.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" + body
    assert dkimpy_accepts(with_signature(content, key.signer()), key.record)


def test_a_folded_signature_still_verifies() -> None:
    key = keypair("rsa")
    parts = signed(MESSAGE)
    field = fold("DKIM-Signature", signature_value(key.signer(), parts.fields, parts.bodies, NOW))
    assert all(len(line) <= 78 for line in field.split(b"\r\n"))
    assert dkimpy_accepts(field + MESSAGE, key.record)


@pytest.mark.parametrize("name", OVERSIGNED)
def test_a_field_that_matters_cannot_be_added_later(name: str) -> None:
    key = keypair("ed25519")
    content = with_signature(MESSAGE, key.signer())
    assert dkimpy_accepts(content, key.record)
    assert not dkimpy_accepts(f"{name}: added\r\n".encode() + content, key.record)


def test_every_instance_is_signed_and_trace_fields_are_not() -> None:
    content = b"Received: by x\r\nReply-To: a@example.org\r\nReply-To: b@example.org\r\n" + MESSAGE
    names = signed_names(signed(content).fields)
    assert names.count("reply-to") == 3
    assert names.count("list-id") == 1
    assert "received" not in names


@pytest.mark.parametrize(("algorithm", "bits"), [("rsa-sha256", 2048), ("ed25519-sha256", 0)])
def test_a_generated_pair_fits_together(algorithm: str, bits: int) -> None:
    private, public = generate("rsa-sha256" if algorithm == "rsa-sha256" else "ed25519-sha256", bits)
    signer = Signer("example.org", "s1", private)
    kind = "rsa" if bits else "ed25519"
    assert signer.algorithm == algorithm
    assert dkimpy_accepts(with_signature(MESSAGE, signer), f"v=DKIM1; k={kind}; p={public}")
