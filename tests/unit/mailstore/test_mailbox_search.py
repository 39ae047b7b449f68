"""Search finds what a naive reading of every message finds, and opens no more messages than it must."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, date, datetime
from email import message_from_bytes, policy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posthouse.backends.memory.mailstore import MemoryMailStore
from posthouse.base.clock import ManualClock
from posthouse.mailstore.search import Scope, search
from posthouse.mailstore.view import MailboxView
from posthouse.model.flags import flag_names
from posthouse.model.mailbox import MessageFacts, NewMessage
from posthouse.protocols.imap import search_keys as k
from posthouse.protocols.imap.search_keys import SearchKey
from posthouse.protocols.imap.sequence import SAVED, SequenceSet

NOW = 1_790_000_000.0
DAY = 86_400


def content(subject: str, sender: str, body: str, sent: str) -> bytes:
    return f"From: {sender}\r\nTo: x@example.com\r\nDate: {sent}\r\nSubject: {subject}\r\n\r\n{body}\r\n".encode()


MESSAGES = [
    NewMessage(content("Budget", "Ann <ann@a.example>", "numbers", "Tue, 24 Nov 2026 23:30:00 -0800"), ("\\Seen",), NOW - DAY),
    NewMessage(content("re: budget", "bob@b.example", "more BUDGET\r\nnumbers", "1 Jan 2020 00:00 +0000"), (), NOW - 9 * DAY),
    NewMessage(content("=?utf-8?q?caf=C3=A9?=", "Bob <bob@b.example>", "straße", "nonsense"), ("\\Flagged", "Work"), NOW),
    NewMessage(b"\r\nno header at all", ("\\Deleted", "\\Seen"), NOW - 400 * DAY),
    NewMessage(content("lunch", "ann@a.example", "x" * 3000, "Wed, 25 Nov 2026 01:00:00 +0000"), ("work",), NOW - 30 * DAY),
]


class CountingStore(MemoryMailStore):
    """Counts the messages that were opened."""

    opened = 0

    async def content(self, body_id: int) -> bytes:
        self.opened += 1
        return await super().content(body_id)


async def scope_of(messages: Sequence[NewMessage] = MESSAGES) -> tuple[Scope, CountingStore]:
    store = CountingStore(clock=ManualClock(NOW))
    box = await store.create(1, "box")
    await store.append(box.mailbox_id, messages)
    info, rows = await store.rows(box.mailbox_id)
    view = MailboxView.of(rows, info.mod_seq, info.uid_next)
    return Scope(store, box.mailbox_id, view, info.keywords, NOW, frozenset({2, 3, 99})), store


class Naive:
    """One message, read whole."""

    def __init__(self, scope: Scope, at: int, facts: MessageFacts, octets: bytes) -> None:
        view = scope.view
        self.at, self.uid, self.mod_seq = at, view.uids[at], view.mod_seqs[at]
        self.count, self.last_uid = len(view), view.uids[-1]
        self.flags = {name.lower() for name in flag_names(view.flags[at], scope.keywords)}
        self.saved = scope.saved
        self.facts = facts
        self.octets = octets
        self.parsed = message_from_bytes(octets, policy=policy.default)

    def fits(self, key: SearchKey) -> bool:
        match key:
            case k.All():
                return True
            case k.And():
                return all(self.fits(one) for one in key.keys)
            case k.Or():
                return self.fits(key.left) or self.fits(key.right)
            case k.Not():
                return not self.fits(key.key)
            case k.FlagKey():
                return (key.flag.lower() in self.flags) is key.present
            case k.SequenceKey() | k.UidKey():
                if key.sequence.saved:
                    return self.uid in self.saved
                mine, last = (self.at + 1, self.count) if isinstance(key, k.SequenceKey) else (self.uid, self.last_uid)
                return any(min(a or last, b or last) <= mine <= max(a or last, b or last) for a, b in key.sequence.ranges)
            case k.ModSeqKey():
                return self.mod_seq >= key.mod_seq
            case k.SizeKey():
                return len(self.octets) > key.size_bytes if key.op == "larger" else len(self.octets) < key.size_bytes
            case k.AgeKey():
                age_s = NOW - self.facts.received_at
                return age_s >= key.seconds if key.op == "older" else age_s <= key.seconds
            case k.ObjectIdKey():
                return key.field == "email" and key.object_id == self.facts.object_id
            case k.DateKey():
                return self._day(key)
            case k.HeaderKey():
                values = [str(value) for value in self.parsed.get_all(key.name, [])]
                return any(key.text.casefold() in value.casefold() for value in values)
            case k.TextKey():
                body = self.octets.partition(b"\r\n\r\n")[2].decode()
                if not self.parsed.keys():
                    body = self.octets[2:].decode()
                head = "\n".join(f"{name}: {value}" for name, value in self.parsed.items())
                text = body if key.where == "body" else head + "\n" + body
                return key.text.casefold() in text.casefold()
        raise AssertionError(key)

    def _day(self, key: k.DateKey) -> bool:
        if key.field == "sent":
            sent = {0: date(2026, 11, 24), 1: date(2020, 1, 1), 4: date(2026, 11, 25)}.get(self.at)
            if sent is None:
                return False
            day = sent
        else:
            at = self.facts.received_at if key.field == "internal" else self.facts.saved_at
            day = datetime.fromtimestamp(at, UTC).date()
        return {"before": day < key.day, "on": day == key.day, "since": day >= key.day}[key.op]


WORDS = st.sampled_from(["budget", "BUDGET", "ann", "bob", "café", "STRASSE", "numbers", "zzz", "b.example", "Bob <bob", "x"])
DAYS = st.sampled_from([date(2020, 1, 1), date(2026, 11, 24), date(2026, 11, 25), date(2026, 9, 20), date(2026, 9, 21)])
SETS = st.one_of(
    st.just(SAVED),
    st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), min_size=1, max_size=3).map(lambda r: SequenceSet(tuple(r))),
)
LEAVES = st.one_of(
    st.just(k.All()),
    st.builds(k.FlagKey, st.sampled_from(["\\Seen", "\\Flagged", "\\Deleted", "WORK", "none", "\\Recent"]), st.booleans()),
    st.builds(k.UidKey, SETS),
    st.builds(k.SequenceKey, SETS),
    st.builds(k.ModSeqKey, st.integers(1, 3)),
    st.builds(k.SizeKey, st.sampled_from(["larger", "smaller"]), st.sampled_from([20, 150, 3000])),
    st.builds(k.AgeKey, st.sampled_from(["older", "younger"]), st.sampled_from([0, DAY, 20 * DAY])),
    st.builds(k.DateKey, st.sampled_from(["internal", "sent", "saved"]), st.sampled_from(["before", "on", "since"]), DAYS),
    st.builds(k.HeaderKey, st.sampled_from(["subject", "from", "to", "x-none"]), st.one_of(WORDS, st.just(""))),
    st.builds(k.TextKey, st.sampled_from(["body", "text"]), WORDS),
    st.builds(k.ObjectIdKey, st.sampled_from(["email", "thread"]), st.just("M00")),
)
KEYS: st.SearchStrategy[SearchKey] = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(k.Not, inner),
        st.builds(k.Or, inner, inner),
        st.lists(inner, max_size=4).map(lambda keys: k.And(tuple(keys))),
    ),
    max_leaves=8,
)


async def _compare(key: SearchKey) -> None:
    scope, store = await scope_of()
    facts = await store.facts(scope.mailbox_id, list(scope.view.uids))
    naive = [Naive(scope, at, one, await store.content(one.body_id)) for at, one in enumerate(facts)]
    assert list(await search(key, scope)) == [one.at for one in naive if one.fits(key)]


@given(KEYS)
@settings(max_examples=300, deadline=None)
def test_search_finds_what_a_naive_reading_finds(key: SearchKey) -> None:
    asyncio.run(_compare(key))


@pytest.mark.parametrize(
    ("key", "opened"),
    [
        (k.FlagKey("\\Seen"), 0),
        (k.HeaderKey("subject", "budget"), 0),
        (k.And((k.TextKey("text", "budget"), k.FlagKey("\\Flagged"))), 1),
        (k.And((k.TextKey("text", "a"), k.TextKey("body", "b"), k.SizeKey("larger", 2000))), 1),
        (k.Or(k.TextKey("body", "zzz"), k.FlagKey("\\Seen")), 3),
        (k.Not(k.Or(k.TextKey("body", "q"), k.TextKey("body", "r"))), 5),
    ],
)
async def test_messages_are_opened_only_when_nothing_cheaper_decides(key: SearchKey, opened: int) -> None:
    scope, store = await scope_of()
    await search(key, scope)
    assert store.opened == opened


async def test_text_parts_are_decoded_and_attachments_are_not_searched() -> None:
    octets = (
        b"Subject: parts\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n"
        b"--x\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n"
        b"\r\nGr=FC=DFe\r\n"
        b"--x\r\nContent-Type: application/octet-stream\r\n\r\nsecretbinary\r\n"
        b"--x\r\nContent-Type: message/rfc822\r\n\r\nSubject: within\r\n\r\ninner text\r\n--x--\r\n"
    )
    scope, _ = await scope_of([NewMessage(octets)])
    for word, found in (("grüße", True), ("secretbinary", False), ("within", True), ("inner", True), ("parts", False)):
        assert bool(await search(k.TextKey("body", word), scope)) is found, word
    assert await search(k.TextKey("text", "parts"), scope)


async def test_a_long_search_gives_other_tasks_their_turn() -> None:
    scope, _ = await scope_of([NewMessage(b"Subject: %d\r\n\r\nx" % n) for n in range(300)])
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counter = asyncio.create_task(count())
    await search(k.TextKey("body", "nothing"), scope)
    counter.cancel()
    assert turns >= 300
