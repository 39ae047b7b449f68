"""Header fields of many messages: read once, kept within bounds, right for headers of any length."""

from __future__ import annotations

import tracemalloc
from collections.abc import Collection, Sequence

from posthouse.backends.memory.mailstore import MemoryMailStore
from posthouse.interfaces.mailstore import HEAD_BYTES
from posthouse.mailstore.header_texts import HeaderTexts, Wanted
from posthouse.model.mailbox import NewMessage

SUBJECT = Wanted(frozenset({b"subject"}))


class CountingStore(MemoryMailStore):
    """Counts the messages whose beginnings, or ready header fields, were asked for."""

    asked = 0

    async def heads(self, mailbox_id: int, uids: Sequence[int]) -> Sequence[tuple[int, bytes]]:
        self.asked += len(uids)
        return await super().heads(mailbox_id, uids)

    async def listed_fields(
        self, mailbox_id: int, uids: Sequence[int], names: Collection[str]
    ) -> Sequence[tuple[int, bytes | None]]:
        found = await super().listed_fields(mailbox_id, uids, names)
        self.asked += sum(1 for _, octets in found if octets is not None)
        return found


async def filled(*contents: bytes) -> tuple[CountingStore, int]:
    store = CountingStore()
    inbox = await store.mailbox(1, "INBOX")
    assert inbox is not None
    await store.append(inbox.mailbox_id, [NewMessage(content) for content in contents])
    return store, inbox.mailbox_id


def letter(number: int, filling: int = 0) -> bytes:
    return b"X: %b\r\nSubject: m%d\r\n\r\ntext\r\n" % (b"y" * filling, number)


async def test_what_was_read_once_is_not_read_again() -> None:
    store, mailbox_id = await filled(letter(1), letter(2), letter(3))
    texts = HeaderTexts(store)
    for _ in range(2):
        found = await texts.of(mailbox_id, [1, 2], SUBJECT)
        assert {uid: found[uid] for uid in (1, 2)} == {1: b"Subject: m1\r\n\r\n", 2: b"Subject: m2\r\n\r\n"}
    assert store.asked == 2
    assert (await texts.of(mailbox_id, [2, 3], SUBJECT))[3] == b"Subject: m3\r\n\r\n"
    assert store.asked == 3


async def test_different_fields_are_different_things() -> None:
    store, mailbox_id = await filled(letter(1))
    texts = HeaderTexts(store)
    assert (await texts.of(mailbox_id, [1], SUBJECT))[1] == b"Subject: m1\r\n\r\n"
    assert (await texts.of(mailbox_id, [1], Wanted(frozenset({b"subject"}), exclude=True)))[1] == b"X: \r\n\r\n"
    assert (await texts.of(mailbox_id, [1], Wanted(raw=True)))[1] == b"X: \r\nSubject: m1\r\n\r\n"


async def test_headers_longer_than_a_beginning_are_read_from_the_message() -> None:
    store, mailbox_id = await filled(letter(1, HEAD_BYTES - 20), letter(2, 2 * HEAD_BYTES), b"Subject: only")
    texts = HeaderTexts(store)
    found = await texts.of(mailbox_id, [1, 2, 3], SUBJECT)
    assert [found[uid] for uid in (1, 2, 3)] == [b"Subject: m1\r\n\r\n", b"Subject: m2\r\n\r\n", b"Subject: only\r\n\r\n"]
    whole = await texts.of(mailbox_id, [2, 3], Wanted(raw=True))
    assert whole[2] == letter(2, 2 * HEAD_BYTES).removesuffix(b"text\r\n") and whole[3] == b"Subject: only"


async def test_messages_that_are_gone_are_left_out() -> None:
    store, mailbox_id = await filled(letter(1))
    assert set(await HeaderTexts(store).of(mailbox_id, [1, 7], SUBJECT)) == {1}


async def test_what_is_kept_is_bounded_and_answers_stay_right() -> None:
    store, mailbox_id = await filled(*(letter(number, 500) for number in range(1, 41)))
    texts = HeaderTexts(store, max_bytes=5000)
    uids = list(range(1, 41))
    for wanted in (SUBJECT, Wanted(raw=True), Wanted(frozenset({b"x"})), SUBJECT):
        for start in range(0, 40, 10):
            found = await texts.of(mailbox_id, uids[start : start + 10], wanted)
            assert all(uid in found for uid in uids[start : start + 10])
            assert texts.size_bytes <= 5000
    assert (await texts.of(mailbox_id, [40], SUBJECT))[40] == b"Subject: m40\r\n\r\n"


async def test_attack_questions_of_many_kinds_do_not_fill_the_memory() -> None:
    """A client that asks for other fields each time, and for a great many of them: the questions were kept and not counted."""
    store, mailbox_id = await filled(letter(1))
    texts = HeaderTexts(store, max_bytes=1 << 20)
    tracemalloc.start()
    try:
        for size in (40, 400):
            for number in range(1_000):
                names = frozenset(b"x-%d-%d-%b" % (number, field, b"y" * 100) for field in range(size))
                await texts.of(mailbox_id, [1], Wanted(names))
        assert tracemalloc.get_traced_memory()[0] < 3 << 20
    finally:
        tracemalloc.stop()
