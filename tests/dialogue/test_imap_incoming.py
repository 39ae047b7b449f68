"""Messages that clients send in: what all of them together may hold in a worker's memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from posthouse.model.settings import ImapSettings, Settings
from posthouse.servers.imap.server import shared_of
from support.imap_dialogue import Client, World, message

BUDGET = 1 << 20
PIECE = b"x" * 50_000


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World(replace(Settings(), imap=ImapSettings(memory_bytes=BUDGET)))
    await made.start()
    await made.add_user("omar@example.com")
    yield made
    await made.stop()


async def begin(client: Client, tag: str, pieces: int) -> None:
    """Announces a message of a megabyte and sends the beginning of it."""
    client.send(f"{tag} APPEND INBOX {{{len(PIECE) * 10}+}}\r\n".encode())
    await client.settle()
    for _ in range(pieces):
        client.send(PIECE)
        await client.settle()


def held(world: World) -> int:
    return shared_of(world.services).incoming.held_bytes


async def test_attack_messages_that_never_end_do_not_fill_the_memory(world: World) -> None:
    """A hundred connections of one user held a hundred times 128 MiB for half an hour."""
    attackers = [await world.login() for _ in range(20)]
    for client in attackers:
        await begin(client, "a1", 8)
    assert held(world) <= BUDGET // 2 + len(attackers) * len(PIECE)


async def test_attack_one_user_does_not_keep_others_from_saving_mail(world: World) -> None:
    for _ in range(20):
        await begin(await world.login(), "a1", 8)
    content = message("kept")
    omar = await world.login(user="omar@example.com")
    done = await omar.do(f"APPEND INBOX {{{len(content)}+}}\r\n".encode() + content)
    assert done[-1].startswith("OK [APPENDUID")


async def test_who_is_refused_may_go_on(world: World) -> None:
    first, second = await world.login(), await world.login()
    await begin(first, "a1", 9)
    await begin(second, "a1", 9)
    second.send(PIECE + b"\r\n")
    assert (await second.next_line()).startswith("a1 NO [UNAVAILABLE]")
    first.send(PIECE + b"\r\n")
    assert (await first.next_line()).startswith("a1 OK [APPENDUID")
    await first.settle()
    content = message("later")
    done = await second.do(f"APPEND INBOX {{{len(content)}+}}\r\n".encode() + content)
    assert done[-1].startswith("OK [APPENDUID")


async def test_what_a_lost_connection_held_is_free_again(world: World) -> None:
    client = await world.login()
    await begin(client, "a1", 5)
    assert held(world) == 5 * len(PIECE)
    client.transport.close()
    await client.settle(lambda: client.task.done())
    assert held(world) == 0
