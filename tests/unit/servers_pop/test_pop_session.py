"""POP3 sessions over transports in memory: the inbox, its lock, the update at QUIT, time-outs, draining."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import pytest

from posthouse.base.errors import Temporary
from posthouse.interfaces.mailstore import MailStore
from posthouse.model.mailbox import SEEN
from support.imap_dialogue import LOGIN, PASSWORD, message
from support.pop_house import Client, House

ONE = message("one", "First.\r\n.dot\r\nend\r\n")
TWO = message("two", "Second.\r\n")


@pytest.mark.spec_part("POP-1")
async def test_a_session_from_login_to_quit(house: House) -> None:
    await house.fill(ONE, TWO)
    validity = (await house.inbox()).uid_validity
    client = await house.login()
    assert await client.say("STAT") == f"+OK 2 {len(ONE) + len(TWO)}"
    assert await client.listing("LIST") == [f"1 {len(ONE)}", f"2 {len(TWO)}"]
    assert await client.listing("UIDL") == [f"1 {validity}.1", f"2 {validity}.2"]
    text = await client.listing("RETR 1")
    assert "..dot" in text
    assert "\r\n".join(line.removeprefix(".") for line in text).encode() + b"\r\n" == ONE
    assert (await client.listing("TOP 1 1"))[-2:] == ["", "First."]
    assert (await client.say("DELE 1")).startswith("+OK")
    assert await client.say("RETR 1") == "-ERR No such message"
    assert (await client.say("QUIT")).startswith("+OK")
    assert await client.ended()
    assert await house.uids() == [2]


async def test_retrieved_messages_are_seen_after_quit_and_looked_at_ones_are_not(house: House) -> None:
    await house.fill(ONE, TWO)
    client = await house.login()
    await client.listing("RETR 1")
    await client.listing("TOP 2 0")
    await client.say("QUIT")
    _, rows = await house.world.store.rows((await house.inbox()).mailbox_id)
    assert [row.flags & SEEN for row in rows] == [SEEN, 0]


async def test_nothing_is_removed_without_quit(house: House) -> None:
    await house.fill(ONE)
    client = await house.login()
    await client.say("DELE 1")
    client.vanish()
    assert await client.ended()
    assert await house.uids() == [1]


async def test_reset_takes_marks_back(house: House) -> None:
    await house.fill(ONE)
    client = await house.login()
    await client.say("DELE 1")
    await client.say("RSET")
    await client.say("QUIT")
    assert await house.uids() == [1]


async def test_only_what_this_session_deleted_is_removed(house: House) -> None:
    await house.fill(ONE, TWO)
    inbox = await house.inbox()
    await house.world.store.store_flags(inbox.mailbox_id, [2], "add", ["\\Deleted"])
    client = await house.login()
    await client.say("DELE 1")
    await client.say("QUIT")
    assert await house.uids() == [2]


async def test_mail_that_comes_during_the_session_is_not_part_of_it(house: House) -> None:
    await house.fill(ONE)
    client = await house.login()
    await house.fill(TWO)
    assert (await client.say("STAT")).startswith("+OK 1 ")
    assert await client.say("RETR 2") == "-ERR No such message"


class Sweeping:
    """A store whose bodies are gone, and which cannot be changed."""

    def __init__(self, store: MailStore) -> None:
        self._store = store

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    async def content(self, body_id: int) -> bytes:
        return await self._store.content(body_id + 1000)

    async def settle(self, mailbox_id: int, gone: Sequence[int], seen: Sequence[int]) -> None:
        raise Temporary("Not now", cause="disk full")


async def test_a_message_removed_elsewhere_is_an_error_of_its_own(house: House) -> None:
    await house.fill(ONE)
    house.with_store(cast(MailStore, Sweeping(house.world.store)))
    client = await house.login()
    assert await client.say("RETR 1") == "-ERR That message is gone"
    assert await client.say("NOOP") == "+OK"


async def test_an_update_that_fails_is_told_at_quit(house: House) -> None:
    await house.fill(ONE)
    house.with_store(cast(MailStore, Sweeping(house.world.store)))
    client = await house.login()
    await client.say("DELE 1")
    assert await client.say("QUIT") == "-ERR [SYS/TEMP] Some deleted messages were not removed"
    assert await client.ended()
    assert await house.uids() == [1]


async def test_the_inbox_is_for_one_session_at_a_time(house: House) -> None:
    first = await house.login()
    second = await house.connect()
    await second.say(f"USER {LOGIN}")
    assert (await second.say(f"PASS {PASSWORD}")).startswith("-ERR [IN-USE] ")
    assert house.naps
    assert (await second.say("STAT")).startswith("-ERR")
    first.vanish()
    assert await first.ended()
    await second.say(f"USER {LOGIN}")
    assert (await second.say(f"PASS {PASSWORD}")).startswith("+OK")


async def test_a_lock_that_is_let_go_meanwhile_is_taken(house: House) -> None:
    locks = house.world.services.locks
    locks.acquire(house.world.account_id)
    house.on_nap = lambda: locks.release(house.world.account_id)
    await house.login()
    assert len(house.naps) == 1


async def test_the_lock_is_free_when_quit_is_answered(house: House) -> None:
    client = await house.login()
    await client.say("QUIT")
    await house.login()
    assert house.naps == []


async def test_a_silent_client_is_told_goodbye_and_loses_its_marks(house: House) -> None:
    await house.fill(ONE)
    client = await house.login()
    await client.say("DELE 1")
    house.world.clock.advance(house.world.settings.pop.idle_timeout_s + 1)
    client.connection.overdue(house.world.clock.steady())
    assert await client.line() == "-ERR [SYS/TEMP] Timed out"
    assert await client.ended()
    assert await house.uids() == [1]


async def test_time_to_log_in_does_not_start_anew_with_each_command(house: House) -> None:
    client = await house.connect()
    limit_s = house.world.settings.pop.login_timeout_s
    for _ in range(3):
        house.world.clock.advance(limit_s / 4)
        assert (await client.say("CAPA")).startswith("+OK")
        while await client.line() != ".":
            pass
    house.world.clock.advance(limit_s / 4 + 1)
    client.connection.overdue(house.world.clock.steady())
    assert await client.line() == "-ERR [SYS/TEMP] Timed out"


async def test_attack_who_never_pauses_has_no_longer_to_log_in(house: House) -> None:
    client = await house.connect()
    house.world.clock.advance(house.world.settings.pop.login_timeout_s + 1)
    client.send("NOOP")
    lines = [await client.line(), await client.line()]
    assert lines[1] == "-ERR [SYS/TEMP] Timed out"
    assert await client.ended()


async def test_draining_ends_idle_sessions_at_once_and_refuses_new_ones(house: House) -> None:
    client = await house.login()
    house.server.drain()
    assert await client.line() == "-ERR [SYS/TEMP] Service shutting down"
    assert await client.ended()
    late = Client(house, "127.0.0.1", "pop3")
    assert await late.line() == "-ERR [SYS/TEMP] Service shutting down"
    assert await late.ended()


async def test_pipelined_commands_are_answered_in_order(house: House) -> None:
    await house.fill(ONE)
    client = await house.connect()
    client.send(f"USER {LOGIN}\r\nPASS {PASSWORD}\r\nSTAT\r\nDELE 1\r\nQUIT")
    answers = [await client.line() for _ in range(5)]
    assert all(answer.startswith("+OK") for answer in answers)
    assert await client.ended()
    assert await house.uids() == []


async def test_many_errors_end_the_connection(house: House) -> None:
    client = await house.connect()
    for _ in range(20):
        assert (await client.say("NONSENSE")).startswith("-ERR")
    assert (await client.line()).startswith("-ERR [SYS/PERM]")
    assert await client.ended()


async def test_an_inbox_of_many_messages_is_read_in_batches(house: House) -> None:
    await house.fill(*[message(f"n{number}") for number in range(1203)])
    client = await house.login()
    listed = await client.listing("UIDL")
    assert len(listed) == 1203
    assert listed[-1].endswith(".1203")
