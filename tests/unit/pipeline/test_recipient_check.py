"""Recipients of routed domains (INB-5), harvesting, and where mail goes by route and router (RTE-1, RTE-3)."""

from __future__ import annotations

import pytest

from posthouse.model.address import Address
from posthouse.model.envelope import Recipient
from posthouse.model.plan import ToMailbox, ToQueue
from posthouse.model.route import NextHop, Route
from posthouse.model.session import Session
from posthouse.model.trace import TraceQuery
from support.house import House

BACKEND = NextHop("backend.test", 2525)


async def routed(*sources: str) -> House:
    house = House()
    await house.routes.put_route(Route("routed.test", BACKEND))
    house.set("smtp.recipient_check", sources)
    return house


async def rule(house: House) -> tuple[str, str]:
    step = (await house.traces.search(TraceQuery()))[0].steps[-1]
    return step.rule, step.detail


@pytest.mark.spec_part("INB-5")
async def test_at_first_every_recipient_of_a_routed_domain_is_taken() -> None:
    house = await routed()
    assert (await house.deliver("anyone@routed.test")).code == 250
    assert house.probe.asked == []


@pytest.mark.spec_part("INB-5")
async def test_the_routing_table_knows_those_that_it_names() -> None:
    house = await routed("routes")
    await house.routes.put_route(Route("jane@routed.test", BACKEND))
    assert (await house.deliver("Jane@routed.test")).code == 250
    reply = await house.deliver("nobody@routed.test")
    assert (reply.code, reply.enhanced) == (550, "5.1.1")
    assert await rule(house) == ("unknown-recipient", "nobody@routed.test is not known to the routing table")


@pytest.mark.spec_part("INB-5")
async def test_the_directory_knows_accounts_and_aliases() -> None:
    house = await routed("directory")
    jane = await house.add_user("jane@routed.test")
    await house.directory.put_alias(jane.address.with_local("team"), [jane.address])
    for known in ("jane@routed.test", "team@routed.test", "jane+detail@routed.test"):
        assert (await house.deliver(known)).code == 250
        destination = house.sink.accepted[-1].destinations[0]
        assert isinstance(destination, ToQueue)
        assert destination.next_hop == "backend.test:2525"
    assert (await house.deliver("nobody@routed.test")).code == 550


@pytest.mark.spec_part("INB-5")
async def test_the_next_host_is_asked() -> None:
    house = await routed("call-forward")
    house.probe.known.add("jane@routed.test")
    assert (await house.deliver("jane@routed.test")).code == 250
    assert (await house.deliver("nobody@routed.test")).code == 550
    assert await rule(house) == (
        "unknown-recipient",
        "nobody@routed.test is not known to backend.test, which says: 550 5.1.1 No such user",
    )


@pytest.mark.spec_part("INB-5")
@pytest.mark.parametrize(("failure", "code"), [("defer", 451), ("accept", 250)])
async def test_a_host_that_is_down_defers_or_accepts_as_set(failure: str, code: int) -> None:
    house = await routed("call-forward")
    house.set("smtp.recipient_check_failure", failure)
    house.probe.down.add("backend.test")
    assert (await house.deliver("jane@routed.test")).code == code


async def test_one_source_that_knows_the_address_is_enough() -> None:
    house = await routed("routes", "directory", "call-forward")
    await house.routes.put_route(Route("a@routed.test", BACKEND))
    await house.add_user("b@routed.test")
    house.probe.known.add("c@routed.test")
    house.probe.down.add("nowhere.test")
    for known in "abc":
        assert (await house.deliver(f"{known}@routed.test")).code == 250
    assert (await house.deliver("d@routed.test")).code == 550
    assert house.probe.asked == ["c@routed.test", "d@routed.test"]


async def test_a_source_that_fails_leaves_the_others_their_say() -> None:
    house = await routed("call-forward", "routes")
    house.probe.down.add("backend.test")
    await house.routes.put_route(Route("jane@routed.test", BACKEND))
    assert (await house.deliver("jane@routed.test")).code == 250
    assert (await house.deliver("nobody@routed.test")).code == 451


async def waits(house: House, session: Session) -> float:
    house.delays.clear()
    await house.driver.pace(session)
    return sum(house.delays)


async def guess(house: House, session: Session, count: int, domain: str = "example.test") -> None:
    for number in range(count):
        assert (await house.deliver(f"guess{number}@{domain}", session=session)).code == 550


@pytest.mark.spec_part("INB-5")
@pytest.mark.parametrize("domain", ["example.test", "routed.test"])
async def test_who_tries_out_addresses_waits_longer_each_time_on_all_connections(domain: str) -> None:
    house = await routed("routes")
    await house.add_user("jane@example.test")
    session, other = house.session(), house.session()
    await guess(house, session, 5, domain)
    assert await waits(house, session) == 0
    seen = []
    for _ in range(8):
        await guess(house, session, 1, domain)
        seen.append(await waits(house, session))
    assert seen == [1, 2, 4, 8, 16, 30, 30, 30]
    assert await waits(house, other) == 30, "another connection of the same address"
    assert await waits(house, house.session(client="192.0.2.10")) == 0, "another address"
    house.clock.advance(700)
    assert await waits(house, session) == 0


async def test_one_ipv6_network_is_one_harvester() -> None:
    house = House()
    await house.add_user("jane@example.test")
    for number in range(7):
        await guess(house, house.session(client=f"2001:db8::{number}"), 1)
    assert await waits(house, house.session(client="2001:db8::ffff")) > 0


@pytest.mark.parametrize("ours", [{"client": "127.0.0.1"}, {"account": "jane@example.test"}, {"client": "198.51.100.1"}])
async def test_ours_may_mistype(ours: dict[str, str]) -> None:
    house = House()
    house.set("smtp.trusted_networks", ("198.51.100.0/24",))
    await house.add_user("jane@example.test")
    session = house.session(**ours)  # type: ignore[arg-type]
    await guess(house, session, 20)
    assert await waits(house, session) == 0


@pytest.mark.spec_part("RTE-1")
async def test_the_rest_of_a_domain_is_at_another_host() -> None:
    house = House()
    await house.add_user("jane@example.test")
    await house.routes.put_route(Route("*@example.test", NextHop("old.test", 24, "lmtp", "required")))
    assert (await house.deliver("jane@example.test")).code == 250
    assert isinstance(house.sink.accepted[-1].destinations[0], ToMailbox)
    assert (await house.deliver("paul@example.test")).code == 250
    destination = house.sink.accepted[-1].destinations[0]
    assert isinstance(destination, ToQueue)
    assert destination.next_hop == "lmtp://old.test:24/required"
    house.set("smtp.recipient_check", ("call-forward",))
    assert (await house.deliver("paul@example.test")).code == 550
    assert (await house.deliver("x@elsewhere.test")).code == 550, "no relay for strangers all the same"


async def test_a_disabled_user_is_not_somebody_elses() -> None:
    house = House()
    jane = await house.add_user("jane@example.test")
    await house.routes.put_route(Route("*@example.test", BACKEND))
    await house.directory.change_account(jane.address, enabled=False)
    assert (await house.deliver("jane@example.test")).enhanced == "5.2.1"


@pytest.mark.spec_part("RTE-3")
async def test_everything_accepted_goes_to_the_message_router() -> None:
    house = await routed()
    await house.add_user("jane@example.test")
    jane = await house.add_user("ann@example.test")
    await house.directory.put_alias(jane.address.with_local("team"), [jane.address, Address.parse("x@faraway.test")])
    house.set("route.message_router", "router.test:2626/required")
    ours = house.session("submission", account="ann@example.test")
    for recipient, session in (
        ("jane@example.test", None),
        ("team@example.test", None),
        ("anyone@routed.test", None),
        ("x@faraway.test", ours),
    ):
        assert (await house.deliver(recipient, session=session)).code == 250
        [destination] = house.sink.accepted[-1].destinations
        assert isinstance(destination, ToQueue)
        assert (str(destination.recipient), destination.next_hop) == (recipient, "router.test:2626/required")
    [own] = await house.onward.own_mail(Recipient(Address.parse("jane@example.test")))
    assert isinstance(own, ToQueue)
    assert own.next_hop == "router.test:2626/required"


@pytest.mark.spec_part("RTE-3")
async def test_the_message_router_changes_nothing_about_what_is_accepted() -> None:
    house = House()
    await house.add_user("jane@example.test")
    house.set("route.message_router", "router.test")
    assert (await house.deliver("nobody@example.test")).enhanced == "5.1.1"
    assert (await house.deliver("x@faraway.test")).enhanced == "5.7.1"
