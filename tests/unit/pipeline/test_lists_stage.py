"""The site's reject list (NET-3) and DNS block lists (NET-5) on the path of a message."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from posthouse.base.errors import Temporary
from posthouse.model.block_list import BlockListZone
from posthouse.model.reject import reject_entry
from posthouse.model.trace import TraceQuery
from posthouse.model.verdict import Refuse
from support.house import House

JANE = "jane@example.test"
LISTED = {("9.2.0.192.bl.test", "A"): ("127.0.0.2",), ("9.2.0.192.bl.test", "TXT"): ("Sends spam, see http://bl.test/",)}


async def house_with(*zones: BlockListZone, records: dict[tuple[str, str], tuple[str, ...]] | None = None) -> House:
    house = House()
    await house.add_user(JANE)
    for zone in zones:
        await house.zones.put_zone(zone)
    house.resolver.records.update(LISTED if records is None else records)
    return house


async def steps(house: House) -> list[tuple[str, str, str]]:
    record = (await house.traces.search(TraceQuery()))[0]
    return [(step.stage, step.rule, step.verdict) for step in record.steps]


@pytest.mark.spec_part("NET-3")
@pytest.mark.parametrize("target", ["192.0.2.0/24", "192.0.", "192.0.2.9", "0.0.0.0/0"])
async def test_a_listed_address_is_refused_when_it_connects(target: str) -> None:
    house = await house_with()
    await house.reject_list.add([reject_entry(target, "sends junk")])
    refused = await house.driver.connect(house.session())
    assert isinstance(refused, Refuse)
    assert refused.reply.code == 554
    assert refused.reason.detail.endswith(": sends junk")
    assert await house.driver.connect(house.session("submission")) is None
    assert await house.driver.connect(house.session(client="2001:db8::1")) is None


@pytest.mark.spec_part("NET-3")
@pytest.mark.parametrize(
    ("target", "rule"),
    [("elsewhere.test", "sender"), ("client.elsewhere.test", "host"), ("test", "sender"), ("other.test", "")],
)
async def test_a_listed_host_or_sender_is_refused(target: str, rule: str) -> None:
    house = await house_with()
    await house.reject_list.add([reject_entry(target)])
    reply = await house.deliver(JANE)
    assert reply.code == (554 if rule else 250)
    if rule:
        assert ("reject-list", rule, "refuse") in await steps(house)


async def test_who_has_logged_in_is_not_asked() -> None:
    house = await house_with()
    await house.reject_list.add([reject_entry("example.test"), reject_entry("192.0.2.9")])
    session = house.session("submission", account=JANE)
    assert (await house.deliver(JANE, sender=JANE, session=session)).code == 250


async def test_a_list_that_cannot_be_read_refuses_nobody_and_says_so() -> None:
    house = await house_with()

    async def broken(address: str = "") -> None:
        raise Temporary("Database trouble", cause="disk on fire")

    house.reject_list.network_of = broken  # type: ignore[method-assign]
    house.reject_list.has_domains = broken  # type: ignore[method-assign, assignment]
    assert await house.driver.connect(house.session()) is None
    assert (await house.deliver(JANE)).code == 250
    assert ("reject-list", "not-read", "pass") in await steps(house)


@pytest.mark.spec_part("NET-5")
async def test_a_listed_client_is_refused_with_the_lists_words() -> None:
    house = await house_with(BlockListZone("bl.test"))
    reply = await house.deliver(JANE)
    assert reply.code == 554
    assert reply.text == "Service unavailable; 192.0.2.9 blocked using bl.test; Sends spam, see http://bl.test/"
    assert ("block-lists", "bl.test", "refuse") in await steps(house)


@pytest.mark.spec_part("NET-5")
async def test_a_list_that_only_tags_adds_a_field_and_points() -> None:
    house = await house_with(BlockListZone("bl.test", action="tag", points=12.5))
    assert (await house.deliver(JANE)).code == 250
    content = house.sink.accepted[0].content
    assert b"X-RBL-Warning: 192.0.2.9 is listed by bl.test (127.0.0.2): Sends spam, see" in content
    assert ("block-lists", "bl.test", "score") in await steps(house)


@pytest.mark.parametrize(
    ("zone", "code"),
    [
        (BlockListZone("bl.test", codes=("127.0.0.3",)), 250),
        (BlockListZone("bl.test", exempt=("192.0.2.0/24",)), 250),
        (BlockListZone("bl.test", enabled=False), 250),
        (BlockListZone("bl.test", "domain"), 250),
        (BlockListZone("bl.test", "both"), 554),
    ],
)
async def test_codes_exemptions_and_subjects_are_kept_to(zone: BlockListZone, code: int) -> None:
    house = await house_with(zone)
    assert (await house.deliver(JANE)).code == code


async def test_postmaster_hears_everybody() -> None:
    house = await house_with(BlockListZone("bl.test"))
    await house.add_user("root@example.test", role="administrator")
    assert (await house.deliver("postmaster@example.test")).code == 250
    assert b"X-RBL-Warning" in house.sink.accepted[0].content


@pytest.mark.spec_part("NET-5")
@pytest.mark.parametrize("listed", ["elsewhere.test", "client.elsewhere.test", "deep.sub.elsewhere.test"])
async def test_domains_of_senders_and_greetings_are_looked_up(listed: str) -> None:
    records: dict[tuple[str, str], tuple[str, ...]] = {(f"{listed}.dbl.test", "A"): ("127.0.1.2",)}
    house = await house_with(BlockListZone("dbl.test", "domain"), records=records)
    sender = f"x@{listed}" if listed.startswith("deep") else "lena@elsewhere.test"
    assert (await house.deliver(JANE, sender=sender)).code == 554


@pytest.mark.spec_part("NET-5")
async def test_an_ipv6_client_is_looked_up_by_its_nibbles() -> None:
    name = "9." + "0." * 23 + "8.b.d.0.1.0.0.2.bl.test"
    house = await house_with(BlockListZone("bl.test"), records={(name, "A"): ("127.0.0.2",)})
    assert (await house.deliver(JANE, session=house.session(client="2001:db8::9"))).code == 554


async def test_ours_are_not_looked_up() -> None:
    house = await house_with(BlockListZone("bl.test"))
    session = house.session()
    session.relay = "network"
    assert (await house.deliver(JANE, session=session)).code == 250
    assert (await house.deliver(JANE, session=house.session("lmtp"))).code == 250


async def test_the_lookup_begins_with_the_connection() -> None:
    house = await house_with(BlockListZone("bl.test"))
    session = house.session()
    await house.driver.connect(session)
    assert session.lists_lookup is not None
    while not session.lists_lookup.done():
        await asyncio.sleep(0)
    house.resolver.records.clear()
    assert (await house.deliver(JANE, session=session)).code == 554


@pytest.mark.spec_part("NET-5")
async def test_silent_lists_are_asked_side_by_side_let_mail_pass_and_are_left_alone_for_a_while() -> None:
    house = await house_with(*(BlockListZone(f"bl{number}.test") for number in range(5)))
    house.set("lookup.check_timeout_s", 0.3)
    asked = 0
    ask = house.resolver.a

    async def silent(host: str) -> Sequence[str]:
        nonlocal asked
        if not host.startswith("9.2.0.192.bl"):
            return await ask(host)
        asked += 1
        await asyncio.Event().wait()
        return ()

    house.resolver.a = silent  # type: ignore[method-assign]
    loop = asyncio.get_running_loop()
    began = loop.time()
    assert (await house.deliver(JANE)).code == 250
    assert loop.time() - began < 1.4, "one after the other: 1.5"
    for _ in range(5):
        assert (await house.deliver(JANE)).code == 250
    assert asked == 15, "three times each, then no more"
    house.clock.advance(61)
    for _ in range(3):
        assert (await house.deliver(JANE)).code == 250
    assert asked == 20, "once each to try them again"
    house.clock.advance(61)
    house.resolver.a = ask  # type: ignore[method-assign]
    house.resolver.records[("9.2.0.192.bl3.test", "A")] = ("127.0.0.2",)
    assert (await house.deliver(JANE)).code == 554, "and once they answer they count"


async def test_a_listing_counts_even_when_its_text_does_not_come() -> None:
    house = await house_with(BlockListZone("bl.test"))
    house.set("lookup.check_timeout_s", 0.1)

    async def silent(name: str) -> Sequence[str]:
        await asyncio.Event().wait()
        return ()

    house.resolver.txt = silent  # type: ignore[method-assign]
    assert (await house.deliver(JANE)).text == "Service unavailable; 192.0.2.9 blocked using bl.test"


async def test_a_lists_text_cannot_forge_fields_or_replies() -> None:
    evil = "x\r\n250 ok\r\nX-Forged: yes \x1b[31m" + "y" * 2000
    house = await house_with(BlockListZone("bl.test", action="tag"))
    house.resolver.records[("9.2.0.192.bl.test", "TXT")] = (evil,)
    assert (await house.deliver(JANE)).code == 250
    content = house.sink.accepted[0].content
    assert b"\nX-Forged" not in content
    assert b"\x1b" not in content
    assert len(content) < 3000


async def test_hits_stay_for_later_stages() -> None:
    house = await house_with(BlockListZone("bl.test", action="tag"))
    session = replace(house.session())
    await house.deliver(JANE, session=session)
    [hit] = session.listed
    assert (hit.zone, hit.code, hit.points, hit.what) == ("bl.test", "127.0.0.2", 30.0, "192.0.2.9")
