"""Headers of any kind on the way through the stages antispam and junk: the message arrives somewhere, and nothing breaks."""

from __future__ import annotations

import email
import fnmatch

from hypothesis import given, settings
from hypothesis import strategies as st

from posthouse.base.errors import BadValue
from posthouse.model.address import Address
from posthouse.model.junk import JunkTerms, TermsOwner
from posthouse.model.senders import ListOwner, SenderEntry, has_wildcard, matches, normal_pattern
from posthouse.model.spam import RuleHit
from support.house import House
from support.scorers import SaidScorer

JANE = "jane@example.test"
FRIEND = b"friend@good.test"
PIECES = st.sampled_from(
    [FRIEND, b"<", b">", b",", b'"', b"=?utf-8?q?", b"=40", b"?=", b"@", b"(", b")", b";", b":", b"\r\n ", b"a@b.test", b" ",
     b"\r\nFrom: ", b"\r\nSubject: ", b"\r\nX-Spam-Flag: NO", b"\xff", b"\x00", "ü".encode(), b"\\"]
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.lists(PIECES, max_size=12), st.lists(PIECES, max_size=8), st.sampled_from(["move", "tag", "quarantine", "reject"]))
async def test_any_header_arrives_somewhere(author: list[bytes], subject: list[bytes], action: str) -> None:
    house = House()
    house.engines = [SaidScorer(rules=(RuleHit("SAID", 73.0, b"".join(author).decode("latin-1")),))]
    jane = await house.add_user(JANE)
    await house.senders.add([SenderEntry(ListOwner("user", JANE), "sender", FRIEND.decode())])
    await house.junk_book.put_terms(TermsOwner("user", JANE), JunkTerms(action=action))  # type: ignore[arg-type]
    content = b"From: " + b"".join(author) + b"\r\nSubject: " + b"".join(subject) + b"\r\n\r\nHi.\r\n"
    reply = await house.deliver(JANE, sender="x@other.test", content=content)
    assert reply.code in (250, 550, 554)
    for name in ("INBOX", "Junk Mail"):
        for stored in await house.inbox(jane, name):
            parsed = email.message_from_bytes(stored)
            assert parsed.get_all("X-Spam-Flag") == ["YES"]
            assert len(parsed.get_all("X-Junkmail-Status", [])) == 1


LETTERS = st.text("ab.*?", min_size=1, max_size=10)


@given(LETTERS, LETTERS, st.text("ab", min_size=1, max_size=6), st.text("ab", min_size=1, max_size=6))
def test_a_quick_look_at_a_pattern_decides_as_a_long_one(local: str, domain: str, name: str, host: str) -> None:
    pattern, address = f"{local}@{domain}", Address(name, f"{host}.test")
    if has_wildcard(pattern):
        assert matches(pattern, address) is fnmatch.fnmatchcase(address.key, pattern)


@given(st.text(max_size=40))
def test_a_pattern_that_is_kept_matches_without_breaking(text: str) -> None:
    try:
        pattern = normal_pattern(text)
    except BadValue:
        return
    matches(pattern, Address.parse("friend@good.test"))
