"""SORT, ESORT, SORT=DISPLAY and THREAD as scripts (RFC 5256, RFC 5267, RFC 5957)."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from posthouse.model.mailbox import NewMessage
from support.imap_dialogue import Client, World, message

pytestmark = pytest.mark.spec_part("IMP-1")


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    await world.start()
    yield world
    await world.stop()


async def filled(world: World, *contents: bytes) -> Client:
    """A client with INBOX selected, holding these messages, received a second after another in reverse order."""
    inbox = await world.store.mailbox(world.account_id, "INBOX")
    assert inbox is not None
    messages = [NewMessage(one, (), 1_700_000_000.0 - at) for at, one in enumerate(contents)]
    await world.store.append(inbox.mailbox_id, messages)
    client = await world.login()
    await client.do("SELECT INBOX")
    return client


LETTERS = (
    message("Re: budget", From="Zoe <zoe@example.org>", Date="Tue, 24 Nov 2026 04:00:00 +0000", Cc="x@example.org"),
    message("Budget", From="=?utf-8?q?=C3=84nne?= <b@example.org>", Date="Tue, 24 Nov 2026 05:00:00 +0200"),
    message("apple", From="c@example.org", Date="no date", To="Ann <ann@example.org>"),
    message("[list] Fwd: apple (fwd)", "long " * 50, From="Ann <a@example.org>", Date="Tue, 24 Nov 2026 02:00:00 +0000"),
)


async def test_every_criterion(world: World) -> None:
    client = await filled(world, *LETTERS)
    await world.play(
        """
        C: a1 SORT (SUBJECT) UTF-8 ALL
        S: * SORT 3 4 1 2
        S: a1 OK SORT completed
        C: a2 SORT (REVERSE SUBJECT DATE) US-ASCII ALL
        S: * SORT 2 1 3 4
        S: a2 OK ...
        C: a3 SORT (DATE) UTF-8 ALL
        S: * SORT 3 4 2 1
        S: a3 OK ...
        C: a4 SORT (FROM) UTF-8 ALL
        S: * SORT 4 2 3 1
        S: a4 OK ...
        C: a5 SORT (DISPLAYFROM) UTF-8 ALL
        S: * SORT 4 2 3 1
        S: a5 OK ...
        C: a6 SORT (ARRIVAL) UTF-8 ALL
        S: * SORT 4 3 2 1
        S: a6 OK ...
        C: a7 SORT (REVERSE SIZE) UTF-8 1,3:4
        S: * SORT 4 1 3
        S: a7 OK ...
        C: a8 SORT (CC REVERSE TO) UTF-8 ALL
        S: * SORT 2 4 3 1
        S: a8 OK ...
        C: a9 SORT (DISPLAYTO) UTF-8 SUBJECT apple
        S: * SORT 3 4
        S: a9 OK ...
        C: b1 UID SORT (SUBJECT) UTF-8 SUBJECT nothing
        S: * SORT
        S: b1 OK ...
        """,
        client,
    )


async def test_results_by_return_options(world: World) -> None:
    client = await filled(world, *LETTERS)
    await world.play(
        """
        C: a1 UID SORT RETURN () (ARRIVAL) UTF-8 ALL
        S: * ESEARCH (TAG "a1") UID ALL 4,3,2,1
        S: a1 OK ...
        C: a2 SORT RETURN (MIN MAX COUNT) (ARRIVAL) UTF-8 ALL
        S: * ESEARCH (TAG "a2") MIN 4 MAX 1 COUNT 4
        S: a2 OK ...
        C: a3 SORT RETURN (PARTIAL 2:3) (ARRIVAL) UTF-8 ALL
        S: * ESEARCH (TAG "a3") PARTIAL (2:3 3,2)
        S: a3 OK ...
        C: a4 SORT RETURN (SAVE) (SUBJECT) UTF-8 SUBJECT apple
        S: a4 OK ...
        C: a5 FETCH $ UID
        S: * 3 FETCH (UID 3)
        S: * 4 FETCH (UID 4)
        S: a5 OK ...
        C: a6 SORT (ARRIVAL) UTF-8 MODSEQ 1
        S: * SORT 4 3 2 1 (MODSEQ 2)
        S: a6 OK ...
        C: a7 SORT RETURN (COUNT) (ARRIVAL) UTF-8 MODSEQ 1
        S: * ESEARCH (TAG "a7") COUNT 4 MODSEQ 2
        S: a7 OK ...
        """,
        client,
    )


async def test_malformed_sorts_are_refused(world: World) -> None:
    client = await filled(world, *LETTERS)
    for wrong in ("SORT UTF-8 ALL", "SORT () UTF-8 ALL", "SORT (COLOUR) UTF-8 ALL", "SORT (REVERSE) UTF-8 ALL", "SORT (DATE)",
                  "SORT (DATE) UTF-8", "THREAD JWZ UTF-8 ALL", "THREAD REFERENCES UTF-8", "THREAD REFERENCES"):  # fmt: skip
        assert (await client.do(wrong))[-1].startswith("BAD "), wrong
    for charset in ("SORT (DATE) KOI9 ALL", "THREAD REFERENCES KOI9 ALL"):
        assert (await client.do(charset))[-1].startswith("NO [BADCHARSET (")


def answer(number: int, *references: int, subject: str = "", reply_to: int | None = None) -> bytes:
    fields = {"Message_ID": f"<m{number}@example.org>", "Date": f"Tue, 24 Nov 2026 02:00:{number:02} +0000"}
    if references:
        fields["References"] = "\r\n ".join(f"<m{one}@example.org>" for one in references)
    if reply_to is not None:
        fields["In_Reply_To"] = f"<m{reply_to}@example.org>"
    return message(subject or f"subject {number}", **fields)


async def test_threads_by_reference(world: World) -> None:
    client = await filled(
        world,
        answer(1),
        answer(2, 1),
        answer(3, 1, 2),
        answer(4, reply_to=1),
        answer(5),
        answer(6, 90),
        answer(7, 90),
        answer(8, 91),
    )
    await world.play(
        """
        C: a1 THREAD REFERENCES UTF-8 ALL
        S: * THREAD (1 (2 3)(4))(5)((6)(7))(8)
        S: a1 OK THREAD completed
        C: a2 UID THREAD REFERENCES US-ASCII 3:5
        S: * THREAD ((3)(4))(5)
        S: a2 OK ...
        C: a3 THREAD REFERENCES UTF-8 TEXT nowhere
        S: * THREAD
        S: a3 OK ...
        """,
        client,
    )


async def test_threads_by_reference_join_equal_subjects(world: World) -> None:
    client = await filled(
        world,
        answer(1, subject="plans"),
        answer(2, subject="Re: plans"),
        answer(3, subject="other"),
        answer(4, subject="other"),
        answer(5, 90, subject="trip"),
        answer(6, 90, subject="Re: trip"),
        answer(7, subject="Fwd: trip"),
    )
    assert (await client.do("THREAD REFERENCES UTF-8 ALL"))[0] == "* THREAD (1 2)((3)(4))((5)(6)(7))"


async def test_threads_by_subject(world: World) -> None:
    client = await filled(
        world,
        answer(9, subject="Re: one"),
        answer(2, subject="two"),
        answer(3, subject="one"),
        answer(4, subject="[x] RE: one"),
    )
    assert (await client.do("THREAD ORDEREDSUBJECT UTF-8 ALL"))[0] == "* THREAD (2)(3 (4)(1))"


async def test_numbers_do_not_move_under_sort_and_thread(world: World) -> None:
    one = await filled(world, *LETTERS)
    two = await world.login()
    await two.do("SELECT INBOX")
    await two.do("STORE 1 +FLAGS (\\Deleted)")
    await two.do("EXPUNGE")
    found = await one.do("SORT (SIZE) UTF-8 ALL")
    assert not any("EXPUNGE" in line for line in found)
    assert sorted(found[-2].split()[2:]) == ["1", "2", "3", "4"]
    assert (await one.do("UID THREAD ORDEREDSUBJECT UTF-8 ALL"))[0] == "* 1 EXPUNGE"
