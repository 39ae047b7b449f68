"""GENURLAUTH, URLFETCH, RESETKEY as scripts (RFC 4467), with two accounts."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest

from posthouse.model.address import Address
from posthouse.model.mailbox import NewMessage
from posthouse.model.settings import Settings
from support.imap_dialogue import LOGIN, PASSWORD, Client, World

pytestmark = pytest.mark.spec_part("IMP-1")
RUMP = "imap://jane%40example.com@mx.example.com/INBOX/;UID=1"


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    await world.start()
    await world.directory.add_account(
        Address.parse("omar@example.com"), full_name="Omar", role="user", secret="plain:" + PASSWORD, scram=""
    )
    inbox = await world.store.mailbox(world.account_id, "INBOX")
    assert inbox is not None
    await world.store.append(inbox.mailbox_id, [NewMessage(b"Subject: x\r\n\r\nthe text\r\n")])
    yield world
    await world.stop()


async def omar(world: World) -> Client:
    client = world.connect()
    await client.next_line()
    assert (await client.do(f"LOGIN omar@example.com {PASSWORD}"))[-1].startswith("OK ")
    return client


async def signed(client: Client, rump: str) -> str:
    found = await client.do(f'GENURLAUTH "{rump}" INTERNAL')
    match = re.fullmatch(r'\* GENURLAUTH "([^"]+)"', found[0])
    assert match is not None, found
    return match[1]


async def fetched(client: Client, url: str) -> list[str]:
    return (await client.do(f'URLFETCH "{url}"'))[:-1]


async def test_a_signed_url_lets_others_read_that_message_and_no_other(world: World) -> None:
    jane, other = await world.login(), await omar(world)
    url = await signed(jane, RUMP + "/;SECTION=TEXT;URLAUTH=user+omar%40example.com")
    assert re.search(r":internal:[0-9a-f]{64}$", url)
    assert await fetched(other, url) == [f'* URLFETCH "{url}" {{10}}', "the text", ""]
    for wrong in (url[:-1] + ("0" if url[-1] != "0" else "1"), url.replace("UID=1", "UID=2"), url.replace("TEXT", "HEADER"),
                  url.rpartition(":")[0].rpartition(":")[0], RUMP, "nonsense"):  # fmt: skip
        assert await fetched(other, wrong) == [f'* URLFETCH "{wrong}" NIL'], wrong


async def test_the_access_says_who_may_read(world: World) -> None:
    jane, other = await world.login(), await omar(world)
    for access, jane_may, omar_may in (
        ("anonymous", True, True),
        ("authuser", True, True),
        ("user+jane%40example.com", True, False),
        ("user+nobody%40example.com", False, False),
        ("submit+jane%40example.com", False, False),
    ):
        url = await signed(jane, f"{RUMP};URLAUTH={access}")
        assert (await fetched(jane, url) != [f'* URLFETCH "{url}" NIL']) is jane_may, access
        assert (await fetched(other, url) != [f'* URLFETCH "{url}" NIL']) is omar_may, access
    world.settings = Settings().with_value("imap.url_submitters", ("omar@example.com",))
    url = await signed(jane, RUMP + ";URLAUTH=submit+jane%40example.com")
    assert len(await fetched(other, url)) > 1


async def test_urls_end_when_they_expire_and_when_the_key_is_reset(world: World) -> None:
    jane = await world.login()
    expiring = await signed(jane, RUMP + ";EXPIRE=2026-09-21T14:15:00Z;URLAUTH=anonymous")
    lasting = await signed(jane, RUMP + ";URLAUTH=anonymous")
    assert len(await fetched(jane, expiring)) > 1
    world.clock.advance(200_000.0)
    assert await fetched(jane, expiring) == [f'* URLFETCH "{expiring}" NIL']
    assert len(await fetched(jane, lasting)) > 1
    assert (await jane.do("RESETKEY INBOX INTERNAL"))[-1].startswith("OK [URLMECH INTERNAL]")
    assert await fetched(jane, lasting) == [f'* URLFETCH "{lasting}" NIL']
    again = await signed(jane, RUMP + ";URLAUTH=anonymous")
    assert again != lasting and len(await fetched(jane, again)) > 1
    assert (await jane.do("RESETKEY"))[-1].startswith("OK ")
    assert await fetched(jane, again) == [f'* URLFETCH "{again}" NIL']


async def test_several_urls_in_one_command(world: World) -> None:
    jane = await world.login()
    found = await jane.do(f'GENURLAUTH "{RUMP};URLAUTH=anonymous" INTERNAL "{RUMP};URLAUTH=authuser" internal')
    urls = re.findall(r'"([^"]+)"', found[0])
    assert len(urls) == 2
    found = await jane.do(f'URLFETCH "{urls[0]}" nonsense "{urls[1]}"')
    assert sum(line.endswith("{24}") for line in found) == 2
    assert '* URLFETCH "nonsense" NIL' in found


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        (f'GENURLAUTH "{RUMP}" INTERNAL', "BAD"),
        (f'GENURLAUTH "{RUMP};URLAUTH=anonymous" XSAM', "BAD"),
        (f'GENURLAUTH "{RUMP};URLAUTH=friends" INTERNAL', "BAD"),
        (f'GENURLAUTH "{RUMP};URLAUTH=user+" INTERNAL', "BAD"),
        (f'GENURLAUTH "{RUMP};URLAUTH=anonymous:internal:00" INTERNAL', "BAD"),
        ("GENURLAUTH /INBOX/;UID=1;URLAUTH=anonymous INTERNAL", "BAD"),
        (f'GENURLAUTH "{RUMP.replace("jane", "omar")};URLAUTH=anonymous" INTERNAL', "NO"),
        (f'GENURLAUTH "{RUMP.replace("INBOX", "Nowhere")};URLAUTH=anonymous" INTERNAL', "NO [NONEXISTENT]"),
        ("GENURLAUTH", "BAD"),
        ("URLFETCH", "BAD"),
        ("RESETKEY Nowhere", "NO [NONEXISTENT]"),
        ("RESETKEY INBOX XSAM", "BAD"),
    ],
)
async def test_what_cannot_be_signed_is_refused(world: World, command: str, answer: str) -> None:
    client = await world.login()
    assert (await client.do(command))[-1].startswith(answer)


async def test_urls_of_a_deleted_account_or_mailbox_give_nothing(world: World) -> None:
    jane, other = await world.login(), await omar(world)
    await jane.do("CREATE work")
    await jane.do("APPEND work {1+}\r\nx")
    url = await signed(jane, RUMP.replace("INBOX", "work") + ";URLAUTH=anonymous")
    assert len(await fetched(other, url)) > 1
    await jane.do("DELETE work")
    await jane.do("CREATE work")
    await jane.do("APPEND work {1+}\r\nx")
    assert await fetched(other, url) == [f'* URLFETCH "{url}" NIL']
    inbox = await signed(jane, RUMP + ";URLAUTH=anonymous")
    await world.directory.delete_account(Address.parse(LOGIN))
    assert await fetched(other, inbox) == [f'* URLFETCH "{inbox}" NIL']
