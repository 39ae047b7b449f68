"""Whatever strangers publish or send, authentication of mail gives a result: no exception, no long wait."""

from __future__ import annotations

import asyncio
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posthouse.backends.memory.resolver import MemoryResolver
from posthouse.base.clock import ManualClock
from posthouse.formats.mime import summarise
from posthouse.mailauth import results
from posthouse.mailauth.arc import verify_chain
from posthouse.mailauth.dkim.verify import verify_all
from posthouse.mailauth.dmarc_record import choose
from posthouse.mailauth.message import Message
from posthouse.mailauth.spf.check import Client, check_mail_from
from posthouse.mailauth.verify import Verifier, Wanted, author_of
from posthouse.model.mail_authentication import AuthReport
from support.signing import NOW, keypair, signed

WORDS = ("none", "pass", "fail", "softfail", "neutral", "policy", "temperror", "permerror")
SPF_TEXT = st.text(alphabet="v=spf1 all include:a.b/%{}dirp-+~?0123456789\x00\xe9", max_size=120).map(
    lambda text: "v=spf1 " + text
)
TAGS = st.text(alphabet="abcdehilpqstvx=;: \r\n\t0123456789/+@.rsaunoe-", max_size=200)
NAMES = st.sampled_from(
    ["DKIM-Signature", "ARC-Seal", "ARC-Message-Signature", "ARC-Authentication-Results", "Authentication-Results", "From", "X"]
)
FIELDS = st.lists(st.tuples(NAMES, st.one_of(TAGS, st.text(max_size=60))), max_size=12)
KEY = keypair("ed25519")


def message_of(fields: list[tuple[str, str]]) -> bytes:
    lines = [f"{name}: {value}\r\n".encode("utf-8", "replace") for name, value in fields]
    return b"".join(lines) + b"\r\nbody\r\n"


@given(SPF_TEXT, SPF_TEXT, st.text(max_size=40), st.text(max_size=40))
@settings(max_examples=300, deadline=None)
def test_spf(record: str, other: str, helo: str, local: str) -> None:
    zone = {("a.b", "TXT"): [record], ("b.test", "TXT"): [other]}
    found = asyncio.run(check_mail_from(MemoryResolver(zone), Client("192.0.2.1", helo), f"{local}@a.b"))
    assert found.result in WORDS


@given(st.lists(TAGS, max_size=4))
@settings(max_examples=200, deadline=None)
def test_dmarc_records(texts: list[str]) -> None:
    choose(["v=DMARC1;" + text for text in texts])


@given(FIELDS, TAGS)
@settings(max_examples=300, deadline=None)
def test_signatures_and_seals(fields: list[tuple[str, str]], record: str) -> None:
    class Always(MemoryResolver):
        async def txt(self, name: str) -> list[str]:
            return [record, KEY.record]

    parts = signed(message_of(fields))
    for entry in asyncio.run(verify_all(parts, Always(), NOW)):
        assert entry.result in WORDS
    assert asyncio.run(verify_chain(parts, Always(), NOW)).result in ("none", "fail")


@given(FIELDS)
@settings(max_examples=200, deadline=None)
def test_whole_reports_and_their_field(fields: list[tuple[str, str]]) -> None:
    async def report() -> AuthReport:
        verifier = Verifier(MemoryResolver(), ManualClock())
        content = message_of(fields)
        message = Message.of(content, summarise(content))
        results.forged(message, ("mx.test",))
        spf = asyncio.create_task(verifier.spf(Client("192.0.2.1", "x.test"), "a@b.test", 5.0))
        return await verifier.verify(message, author_of(message), spf, Wanted(5.0, trusted_sealers=("a.test",)))

    value = results.compose("mx.test", asyncio.run(report()))
    assert value.isascii()
    assert value.isprintable()


@pytest.mark.parametrize(
    "fields",
    [
        [("DKIM-Signature", "v=1; " * 5000)] * 20,
        [("DKIM-Signature", "v=1; h=" + ":".join(["from"] * 900) + "; d=a.test; s=s; a=rsa-sha256; b=AA; bh=AA")] * 20,
        [("ARC-Seal", f"i={number}; cv=none" + " " * 5000) for number in range(1, 51)],
        [("ARC-Authentication-Results", f"i={number};" + "(" * 5000) for number in range(1, 51)],
        [("Authentication-Results", "(" * 900)] * 500,
        [("Authentication-Results", '"' + '\\"' * 900)] * 500,
        [("From", "<" * 20_000)],
    ],
    ids=["tags", "names", "seals", "comments in seals", "comments", "quotes", "from"],
)
def test_big_messages_take_little_time(fields: list[tuple[str, str]]) -> None:
    content = message_of(fields)
    parts = signed(content)
    started = time.process_time()
    asyncio.run(verify_all(parts, MemoryResolver(), NOW))
    asyncio.run(verify_chain(parts, MemoryResolver(), NOW))
    results.forged(parts.fields.message, ("mx.test",))
    author_of(parts.fields.message)
    assert time.process_time() - started < 0.5
