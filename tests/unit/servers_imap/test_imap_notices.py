"""Notices that get lost do not stay lost: mailboxes are looked at by and by, and when the bus has dropped something (IMP-2)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from posthouse.backends.memory.bus import MemoryBus
from posthouse.backends.memory.mailstore import MemoryMailStore
from posthouse.base.errors import Temporary
from posthouse.model.mailbox import NewMessage
from posthouse.servers.imap import notices as room
from posthouse.servers.imap.notices import Notices
from support.imap_dialogue import Client, World, message


class Listener:
    """Both kinds of watcher."""

    def __init__(self) -> None:
        self.heard: list[int] = []
        self.accounts: list[int] = []

    def notice(self, mod_seq: int) -> None:
        self.heard.append(mod_seq)

    def account_notice(self, mailbox_id: int, account_id: int) -> None:
        self.accounts.append(mailbox_id)

    def names_notice(self) -> None:
        self.accounts.append(-1)


async def settled(condition: Callable[[], Any]) -> None:
    for _ in range(200):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError("it did not happen")


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """A node whose bus drops all notices of mailboxes."""
    world = World()
    world._committed = lambda _committed: None  # type: ignore[method-assign, assignment]
    world.store = MemoryMailStore(clock=world.clock)
    object.__setattr__(world.services, "store", world.store)
    await world.start()
    yield world
    await world.stop()


async def idling(world: World) -> tuple[Client, Client]:
    one, two = await world.login(), await world.login()
    await one.do("SELECT INBOX")
    one.send(b"i IDLE\r\n")
    assert await one.next_line() == "+ idling"
    return one, two


@pytest.mark.spec_part("IMP-2")
async def test_a_lost_notice_is_made_up_for_when_the_bus_says_so(world: World) -> None:
    one, two = await idling(world)
    await two.do("APPEND INBOX {1+}\r\nx")
    await one.settle()
    assert one.octets() == b""
    world.bus.publish("lost", {})
    assert await one.next_line() == "* 1 EXISTS"


@pytest.mark.spec_part("IMP-2")
async def test_a_lost_notice_is_made_up_for_by_and_by(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "TICK_S", 0.001)
    one, two = await idling(world)
    await two.do("APPEND INBOX {1+}\r\nx")
    while b"* 1 EXISTS\r\n" not in one.transport.sent:
        await asyncio.sleep(0.001)


async def test_a_round_looks_at_every_mailbox_once() -> None:
    store, bus = MemoryMailStore(), MemoryBus()
    boxes = [info.mailbox_id for info in await store.mailboxes(1)]
    notices = Notices(bus, store, round_s=3 * room.TICK_S)
    listeners = {mailbox_id: Listener() for mailbox_id in boxes}
    for mailbox_id, listener in listeners.items():
        notices.watch(mailbox_id, listener)
    for ticks, heard in ((1, 1), (2, 2)):  # what is newly watched has its turn at once, then there is a round
        for _ in range(ticks):
            notices._tick()
            await settled(lambda: notices._checking is not None and notices._checking.done())
        assert [len(listener.heard) for listener in listeners.values()] == [heard] * len(boxes)
    assert all(set(listener.heard) == {1} for listener in listeners.values())


async def test_a_deleted_mailbox_is_told_as_such_and_trouble_is_survived(monkeypatch: pytest.MonkeyPatch) -> None:
    store, bus = MemoryMailStore(), MemoryBus()
    made = await store.create(1, "x")
    listener = Listener()
    notices = Notices(bus, store)
    notices.watch(made.mailbox_id, listener)
    await store.delete(1, "x")
    await notices.check([made.mailbox_id])
    assert listener.heard == [0]

    async def broken(_mailbox_id: int) -> None:
        raise Temporary("no")

    monkeypatch.setattr(store, "mod_seq", broken)
    await notices.check([made.mailbox_id])
    assert listener.heard == [0]


async def test_notices_go_to_who_watches_mailbox_or_account() -> None:
    store, bus = MemoryMailStore(), MemoryBus()
    notices = Notices(bus, store)
    mailbox, account = Listener(), Listener()
    notices.watch(5, mailbox)
    notices.watch_accounts([1, 3], account, names=False)
    bus.publish("mailbox", {"mailbox_id": 5, "account_id": 1, "mod_seq": 9})
    bus.publish("mailbox", {"mailbox_id": 6, "account_id": 1, "mod_seq": 2})
    bus.publish("mailbox", {"mailbox_id": 7, "account_id": 2, "mod_seq": 2})
    await settled(lambda: len(account.accounts) == 2)
    bus.publish("lost", {})
    await settled(lambda: account.accounts == [5, 6, 0, 0])
    assert mailbox.heard[:1] == [9]
    notices.unwatch(5, mailbox)
    notices.unwatch_accounts(account)
    notices.unsubscribe()
    bus.publish("mailbox", {"mailbox_id": 5, "account_id": 1, "mod_seq": 10})
    await asyncio.sleep(0)
    assert mailbox.heard[-1] != 10 and len(account.accounts) == 4


async def test_old_news_make_no_work(world: World) -> None:
    client = await world.login()
    inbox = await world.store.mailbox(world.account_id, "INBOX")
    assert inbox is not None
    await world.store.append(inbox.mailbox_id, [NewMessage(message())])
    await client.do("SELECT INBOX")
    asked: list[int] = []
    by_id = world.store.mailbox_by_id

    async def counted(mailbox_id: int) -> Any:
        asked.append(mailbox_id)
        return await by_id(mailbox_id)

    world.store.mailbox_by_id = counted  # type: ignore[method-assign]
    client.send(b"i IDLE\r\n")
    await client.settle()
    before = len(asked)
    world.bus.publish("mailbox", {"mailbox_id": inbox.mailbox_id, "account_id": 1, "mod_seq": 2})
    await client.settle()
    assert len(asked) == before


async def test_the_store_is_not_told_of_a_mailbox_that_is_left_and_opened_again(monkeypatch: pytest.MonkeyPatch) -> None:
    store, bus = MemoryMailStore(), MemoryBus()
    (inbox, *_) = await store.mailboxes(1)
    told: list[bool] = []
    monkeypatch.setattr(store, "want_notices", lambda _kind, _number, *, on: told.append(on))
    notices, listener = Notices(bus, store), Listener()
    for _ in range(3):
        notices.watch(inbox.mailbox_id, listener)
        notices.unwatch(inbox.mailbox_id, listener)
    assert told == [True]
    notices.watch(inbox.mailbox_id, listener)
    notices._tick()
    assert told == [True]
    notices.unwatch(inbox.mailbox_id, listener)
    notices._tick()
    assert told == [True, False]
    notices.watch(inbox.mailbox_id, listener)
    assert told == [True, False, True]
