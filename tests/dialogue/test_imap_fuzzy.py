"""SEARCH=FUZZY as scripts: the FUZZY key, RELEVANCY in ESEARCH and SORT (RFC 6203)."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from posthouse.model.mailbox import NewMessage
from support.imap_dialogue import Client, World, message

pytestmark = pytest.mark.spec_part("IMP-1", "STO-9")


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    await world.start()
    yield world
    await world.stop()


async def filled(world: World) -> Client:
    inbox = await world.store.mailbox(world.account_id, "INBOX")
    assert inbox is not None
    letters = (
        message("The IMAP break", "one\r\n", From="Ann <ann@example.org>"),
        message("IMAP is brokn", "two\r\n", From="Bob <bob@example.org>"),
        message("Broken imap", "three\r\n", From="Ann <ann@example.org>"),
        message("lunch", "an imap break, imap brok\r\n", From="Cy <cy@example.org>"),
    )
    await world.store.append(inbox.mailbox_id, [NewMessage(one) for one in letters])
    client = await world.login()
    await client.do("SELECT INBOX")
    return client


async def test_fuzzy_is_announced_after_login_and_found_words_come_near(world: World) -> None:
    client = await filled(world)
    await world.play(
        """
        C: a1 CAPABILITY
        S: * CAPABILITY ... SEARCH=FUZZY...
        S: a1 OK ...
        C: a2 SEARCH SUBJECT broken
        S: * SEARCH 3
        S: a2 OK ...
        C: a3 SEARCH FUZZY SUBJECT brokn
        S: * SEARCH 2 3
        S: a3 OK ...
        C: a4 SEARCH FUZZY (SUBJECT brokn FROM ann)
        S: * SEARCH 3
        S: a4 OK ...
        C: a5 SEARCH FUZZY SUBJECT brokn FROM an
        S: * SEARCH 3
        S: a5 OK ...
        C: a6 SEARCH FUZZY BODY "imap braek"
        S: * SEARCH 4
        S: a6 OK ...
        C: a7 SEARCH NOT FUZZY SUBJECT brokn
        S: * SEARCH 1 4
        S: a7 OK ...
        C: a8 SEARCH FUZZY UNSEEN
        S: * SEARCH 1 2 3 4
        S: a8 OK ...
        """,
        client,
    )


async def test_relevancy_is_told_in_the_order_of_the_results(world: World) -> None:
    client = await filled(world)
    await world.play(
        """
        C: a1 SEARCH RETURN (RELEVANCY ALL) FUZZY SUBJECT broken
        S: * ESEARCH (TAG "a1") ALL 2:3 RELEVANCY (50 100)
        S: a1 OK ...
        C: a2 UID SEARCH RETURN (ALL COUNT RELEVANCY) FUZZY SUBJECT nowhere
        S: * ESEARCH (TAG "a2") UID COUNT 0
        S: a2 OK ...
        C: a3 SEARCH RETURN (PARTIAL 2:2 RELEVANCY) FUZZY SUBJECT broken
        S: * ESEARCH (TAG "a3") PARTIAL (2:2 3) RELEVANCY (100)
        S: a3 OK ...
        C: a4 SEARCH RETURN (RELEVANCY ALL) SUBJECT broken
        S: a4 BAD ...
        C: a5 SEARCH FUZZY
        S: a5 BAD ...
        """,
        client,
    )


async def test_sort_by_relevancy_has_the_most_relevant_first(world: World) -> None:
    client = await filled(world)
    await world.play(
        """
        C: a1 SORT (RELEVANCY) UTF-8 FUZZY SUBJECT broken
        S: * SORT 3 2
        S: a1 OK ...
        C: a2 SORT (REVERSE RELEVANCY) UTF-8 FUZZY SUBJECT broken
        S: * SORT 2 3
        S: a2 OK ...
        C: a3 SORT RETURN (ALL RELEVANCY) (RELEVANCY) UTF-8 FUZZY SUBJECT broken
        S: * ESEARCH (TAG "a3") ALL 3,2 RELEVANCY (100 50)
        S: a3 OK ...
        C: a4 SORT (RELEVANCY) UTF-8 SUBJECT broken
        S: a4 BAD ...
        """,
        client,
    )
