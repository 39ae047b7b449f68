"""What goes out to clients, and how much of it is in memory at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from posthouse.model.mailbox import NewMessage
from posthouse.servers.imap.large_answers import LARGE_BYTES, LargeAnswers
from support.imap_dialogue import Client, World, message

SIZE_BYTES = 2 << 20


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def client(world: World) -> Client:
    inbox = await world.store.mailbox(world.account_id, "INBOX")
    assert inbox is not None
    letters = [message("small"), message("large", "x" * 70 + "\r\n") + b"lorem ipsum dolor\r\n" * (SIZE_BYTES // 19)]
    await world.store.append(inbox.mailbox_id, [NewMessage(letter) for letter in letters])
    found = await world.login()
    await found.do("SELECT INBOX")
    return found


async def test_attack_one_answer_does_not_hold_a_message_two_hundred_times(client: Client) -> None:
    """One command made gigabytes of one message."""
    parts = " ".join(f"BODY.PEEK[]<{number}.{SIZE_BYTES}>" for number in range(100))
    assert await client.do(f"FETCH 2 ({parts})") == ["NO [LIMIT] That is too much of one message in one answer"]
    assert (await client.do(f"FETCH 1 ({parts})"))[-1] == "OK FETCH completed"


async def test_all_that_a_program_may_want_of_a_message_comes_in_one_answer(client: Client) -> None:
    client.send(b"x FETCH 2 (UID FLAGS ENVELOPE RFC822 BODY.PEEK[] BODY.PEEK[TEXT] BODY.PEEK[1] BODY.PEEK[HEADER])\r\n")
    await client.settle(lambda: b"x OK FETCH completed" in client.transport.sent[-100:])
    assert len(client.octets()) > 4 * SIZE_BYTES


async def test_large_answers_wait_their_turn_and_nobody_takes_all_turns() -> None:
    large, under_way, done = LargeAnswers(at_once=3, of_account=2), list[str](), asyncio.Event()

    async def answer(account_id: int, name: str, size_bytes: int = LARGE_BYTES) -> None:
        async with large.turn(account_id, size_bytes):
            under_way.append(name)
            await done.wait()

    wanted = [answer(1, "a1"), answer(1, "a2"), answer(1, "a3"), answer(2, "b1"), answer(3, "c1"), answer(1, "small", 1)]
    tasks = [asyncio.create_task(each) for each in wanted]
    await asyncio.sleep(0)
    assert under_way == ["a1", "a2", "b1", "small"]
    done.set()
    await asyncio.gather(*tasks)
    assert sorted(under_way) == ["a1", "a2", "a3", "b1", "c1", "small"]
