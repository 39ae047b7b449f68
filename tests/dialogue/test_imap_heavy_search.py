"""Searches with very many keys: they take their time, but no one else's."""

from __future__ import annotations

import asyncio
import time

from posthouse.model.mailbox import NewMessage
from support.imap_dialogue import World, message

MESSAGES = 300
BORNE_S = 0.4


def either(key: str, count: int) -> str:
    """``OR`` of so many keys, as a tree that is not deep."""
    found = [f"{key}{number}" for number in range(count)]
    while len(found) > 1:
        pairs = [found[at : at + 2] for at in range(0, len(found), 2)]
        found = ["OR " + " ".join(pair) if len(pair) == 2 else pair[0] for pair in pairs]
    return found[0]


async def longest_stall(done: asyncio.Event) -> float:
    longest = 0.0
    while not done.is_set():
        began = time.perf_counter()
        await asyncio.sleep(0.001)
        longest = max(longest, time.perf_counter() - began)
    return longest


async def test_attack_a_search_of_a_thousand_keys_does_not_hold_up_the_others() -> None:
    """Two hundred messages at a time were compared with all keys before anybody else got a turn: seconds."""
    world = World()
    await world.start()
    client = await world.login()
    inbox = await world.store.mailbox(world.account_id, "INBOX")
    assert inbox is not None
    letters = [NewMessage(message(f"subject {number} of many", "lorem ipsum dolor\r\n" * 3_000)) for number in range(MESSAGES)]
    await world.store.append(inbox.mailbox_id, letters)
    await client.do("SELECT INBOX")
    for criteria in ("FUZZY " + either("SUBJECT zz", 900), "1:5 FUZZY " + either("BODY zz", 900)):
        done = asyncio.Event()
        watching = asyncio.create_task(longest_stall(done))
        client.number += 1
        client.send(f"t{client.number} SEARCH {criteria}\r\n".encode())
        tag = f"t{client.number} ".encode()
        while tag not in client.transport.sent[client.taken :]:
            await asyncio.sleep(0.002)
        assert b"OK SEARCH completed" in client.octets()
        done.set()
        assert await watching < BORNE_S
    await world.stop()
