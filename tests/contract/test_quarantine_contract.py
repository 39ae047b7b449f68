"""What interfaces/quarantine.py promises, held against the one in memory and the one on SQLite."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from posthouse.base.errors import NotFound, Temporary
from posthouse.model.address import Address
from posthouse.model.envelope import Recipient
from posthouse.model.held import HeldCount, HeldMessage, HeldQuery
from posthouse.model.plan import ToMailbox, ToQueue
from support.mail_backends import (
    KINDS,
    MailBackends,
    acceptance,
    letter,
    mail_backends,
    texts,
    to_mailbox,
    to_quarantine,
    to_queue,
)


@pytest.fixture(params=KINDS)
async def backends(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[MailBackends]:
    async with mail_backends(request.param, tmp_path) as made:
        yield made


def for_user(account_id: int, user: str) -> ToMailbox:
    address = Address.parse(user)
    return ToMailbox(Recipient(address), account_id, "INBOX", ("\\Flagged",), user, 3)


async def held(backends: MailBackends, query: HeldQuery | None = None) -> list[HeldMessage]:
    return list(await backends.quarantine.listing(query or HeldQuery()))


async def one(backends: MailBackends, onward: ToMailbox | ToQueue, text: str = "hello", **given: object) -> HeldMessage:
    kinds = {key: given.pop(key) for key in ("kind", "name", "at") if key in given}
    await backends.sink.commit(acceptance(letter(text), to_quarantine(onward, **kinds), **given))  # type: ignore[arg-type]
    return (await held(backends))[0]


async def inbox(backends: MailBackends, account_id: int) -> list[bytes]:
    found = await backends.store.mailbox(account_id, "INBOX")
    return list(await texts(backends.store, found.mailbox_id)) if found else []


async def test_what_is_held_comes_back_as_it_was_given(backends: MailBackends) -> None:
    onward = for_user(7, "Joe@example.com")
    given = acceptance(letter("spam"), to_quarantine(onward, "junk", "joe@example.com", 900.0), trace_id="TX", received_at=12.5)
    await backends.sink.commit(given)
    (found,) = await held(backends)
    assert found == await backends.quarantine.get(found.held_id)
    assert (found.kind, found.name, found.stage, found.rule, found.why) == (
        "junk", "joe@example.com", "a stage", "a rule", "because",
    )  # fmt: skip
    assert (found.recipient, found.onward, found.sender, found.origin) == (
        onward.recipient, onward, given.sender, given.origin,
    )  # fmt: skip
    assert (found.account_id, found.account, found.trace_id) == (7, "joe@example.com", "TX")
    assert (found.received_at, found.held_at, found.release_at) == (12.5, backends.clock.now(), 900.0)
    assert (found.author, found.subject, found.size_bytes) == ("jane@example.com", "spam", len(letter("spam")))
    assert await backends.quarantine.content(found.body_id) == letter("spam")


async def test_a_message_may_be_delivered_queued_and_held_in_one_unit(backends: MailBackends) -> None:
    queued = to_queue("bob")
    destinations = (to_mailbox(1), to_queue("ann"), to_quarantine(queued, "filter", "secrets"), to_quarantine(to_mailbox(2)))
    await backends.sink.commit(acceptance(letter("all", 300_000), *destinations, trace_id="TX"))
    assert len(await inbox(backends, 1)) == 1
    message = await backends.spool.get("TX")
    assert message is not None and len(message.recipients) == 1
    first, second = await held(backends)
    assert (second.onward, first.account_id) == (queued, 2)
    assert await backends.quarantine.content(second.body_id) == letter("all", 300_000)


async def test_several_acceptances_are_one_unit(backends: MailBackends) -> None:
    await backends.sink.commit(acceptance(letter("a"), to_mailbox(1)), acceptance(letter("b"), to_quarantine(to_mailbox(1))))
    assert (len(await inbox(backends, 1)), len(await held(backends))) == (1, 1)
    await backends.store.delete_account(2)
    with pytest.raises(Temporary):
        await backends.sink.commit(
            acceptance(letter("c"), to_quarantine(to_mailbox(1))), acceptance(letter("d"), to_mailbox(2))
        )
    assert len(await held(backends)) == 1


async def test_a_release_takes_it_out_and_delivers_exactly_once(backends: MailBackends) -> None:
    found = await one(backends, to_mailbox(1))
    delivered = acceptance(letter("hello"), to_mailbox(1))
    assert await backends.quarantine.release(found.held_id, [delivered, acceptance(letter("notice"), to_queue())])
    assert not await backends.quarantine.release(found.held_id, [delivered])
    assert await inbox(backends, 1) == [letter("hello")]
    assert await backends.spool.count() == {"waiting": 1}
    assert await backends.quarantine.get(found.held_id) is None


async def test_a_release_that_cannot_be_delivered_leaves_it_held(backends: MailBackends) -> None:
    found = await one(backends, to_mailbox(1))
    await backends.store.delete_account(2)
    with pytest.raises(Temporary):
        await backends.quarantine.release(found.held_id, [acceptance(letter("x"), to_queue(), to_mailbox(2))])
    assert await backends.quarantine.get(found.held_id) == found
    assert await backends.spool.count() == {}


async def test_what_is_released_may_be_held_again(backends: MailBackends) -> None:
    found = await one(backends, to_mailbox(1), kind="outbreak", at=5.0)
    assert await backends.quarantine.release(
        found.held_id, [acceptance(letter("hello"), to_quarantine(to_mailbox(1), "virus"))]
    )
    (again,) = await held(backends)
    assert (again.kind, again.held_id != found.held_id) == ("virus", True)
    assert await backends.quarantine.content(again.body_id) == letter("hello")


async def test_lists_the_newest_first_by_what_is_asked_and_pages(backends: MailBackends) -> None:
    backends.clock.advance(100)
    start = backends.clock.now()
    ids = []
    for number, (kind, name, user) in enumerate(
        [("junk", "joe@example.com", "joe@example.com"), ("junk", "mia@example.org", "mia@example.org"),
         ("filter", "secrets", "joe@example.com"), ("virus", "virus", "a_b@example.com")]
    ):  # fmt: skip
        found = await one(backends, for_user(number + 1, user), f"100% {number}", kind=kind, name=name, trace_id=f"T{number}")
        ids.append(found.held_id)
        backends.clock.advance(10)

    async def asked(**conditions: object) -> list[int]:
        return [ids.index(each.held_id) for each in await held(backends, HeldQuery(**conditions))]  # type: ignore[arg-type]

    assert await asked() == [3, 2, 1, 0]
    assert await asked(limit=2) == [3, 2]
    assert await asked(limit=2, before_id=ids[2]) == [1, 0]
    assert await asked(kind="junk") == [1, 0]
    assert await asked(kind="filter", name="secrets") == [2]
    assert await asked(recipient="JOE@example.com") == [2, 0]
    assert await asked(recipient="*@example.com") == [3, 2, 0]
    assert await asked(recipient="a_b@*") == [3]
    assert await asked(recipient="_oe@*") == []
    assert await asked(domain="example.org") == [1]
    assert await asked(account_id=3) == [2]
    assert await asked(trace_id="T1") == [1]
    assert await asked(text="100% 2") == [2]
    assert await asked(text="JANE@EXAMPLE") == [3, 2, 1, 0]
    assert await asked(text="100_") == []
    assert await asked(since=start + 10, until=start + 30) == [2, 1]


async def test_counts_one_for_each_quarantine_but_personal_ones_together(backends: MailBackends) -> None:
    at = backends.clock.now()
    for kind, name, user in (("junk", "a", "a@x.test"), ("junk", "b", "b@y.test"), ("filter", "q", "a@x.test")):
        await one(backends, for_user(1, user), kind=kind, name=name)
    size = len(letter("hello"))
    assert list(await backends.quarantine.counts()) == [
        HeldCount("filter", "q", 1, size, at),
        HeldCount("junk", "", 2, 2 * size, at),
    ]
    assert list(await backends.quarantine.counts("y.test")) == [HeldCount("junk", "", 1, size, at)]


async def test_what_is_due_comes_in_order_and_can_be_put_off(backends: MailBackends) -> None:
    quarantine = backends.quarantine
    assert await quarantine.next_due() is None
    late, early = [await one(backends, to_mailbox(1), kind="outbreak", at=at) for at in (50.0, 40.0)]
    await one(backends, to_mailbox(1), kind="virus")
    assert await quarantine.next_due() == 40.0
    assert await quarantine.due(39.0, 10) == []
    assert [each.held_id for each in await quarantine.due(50.0, 10)] == [early.held_id, late.held_id]
    assert [each.held_id for each in await quarantine.due(50.0, 1)] == [early.held_id]
    await quarantine.postpone(early.held_id, 90.0)
    assert (await quarantine.next_due(), [each.held_id for each in await quarantine.due(60.0, 10)]) == (50.0, [late.held_id])


async def test_delete_gives_how_many_there_were(backends: MailBackends) -> None:
    found = [await one(backends, to_mailbox(1)) for _ in range(3)]
    assert await backends.quarantine.delete([found[0].held_id, found[2].held_id, 12345]) == 2
    assert [each.held_id for each in await held(backends)] == [found[1].held_id]
    with pytest.raises(NotFound):
        await backends.quarantine.content(12345)


async def test_expire_takes_the_oldest_of_a_kind_that_do_not_go_on_by_themselves(backends: MailBackends) -> None:
    old = [await one(backends, to_mailbox(1), f"{number}") for number in range(3)]
    other = await one(backends, to_mailbox(1), kind="virus")
    waiting = await one(backends, to_mailbox(1), kind="junk", at=1.0)
    backends.clock.advance(100)
    young = await one(backends, to_mailbox(1))
    gone = await backends.quarantine.expire("junk", backends.clock.now() - 50, 2)
    assert [each.held_id for each in gone] == [each.held_id for each in old[:2]]
    gone = await backends.quarantine.expire("junk", backends.clock.now() - 50, 2)
    assert [each.held_id for each in gone] == [old[2].held_id]
    left = {each.held_id for each in await held(backends)}
    assert left == {other.held_id, waiting.held_id, young.held_id}
