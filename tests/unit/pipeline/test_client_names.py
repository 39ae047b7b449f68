"""Reverse DNS of clients, their greetings, and their senders' domains: NET-2, INB-1, INB-4."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from posthouse.base.errors import Temporary
from posthouse.model.session import HostName, Session
from posthouse.model.trace import TraceQuery
from posthouse.model.verdict import Refuse
from posthouse.pipeline.greeting import well_formed
from posthouse.pipeline.names import verified
from support.house import House

Records = dict[tuple[str, str], list[str]]
CLIENT = "192.0.2.9"


async def greeted(house: House, name: str, **session: str) -> tuple[Session, Refuse | None]:
    """A session after connect and EHLO, and the refusal of the EHLO if there was one."""
    made = house.session(**session)  # type: ignore[arg-type]
    made.helo = name
    await house.driver.connect(made)
    refused = await house.driver.helo(made)
    assert refused is None or isinstance(refused, Refuse)
    return made, refused


def records(house: House, table: Records) -> None:
    house.resolver.records = {key: tuple(values) for key, values in table.items()}


@pytest.mark.parametrize(
    ("address", "table", "expected"),
    [
        (CLIENT, {(CLIENT, "PTR"): ["A.test"], ("a.test", "A"): [CLIENT]}, HostName("verified", "a.test")),
        ("2001:db8::9", {("2001:db8::9", "PTR"): ["a.test"], ("a.test", "AAAA"): ["2001:0db8:0::9"]}, "verified"),
        (CLIENT, {(CLIENT, "PTR"): ["b.test", "a.test"], ("a.test", "A"): [CLIENT]}, HostName("verified", "a.test")),
        (CLIENT, {(CLIENT, "PTR"): ["a.test"], ("a.test", "A"): ["192.0.2.10"]}, "failed"),
        (CLIENT, {(CLIENT, "PTR"): ["a.test"], ("a.test", "AAAA"): ["::ffff:192.0.2.9"]}, "failed"),
        (CLIENT, {}, "failed"),
        (CLIENT, {(CLIENT, "FAIL"): []}, "unknown"),
        (CLIENT, {(CLIENT, "PTR"): ["a.test"], ("a.test", "FAIL"): []}, "unknown"),
        (CLIENT, {(CLIENT, "PTR"): ["b.test", "a.test"], ("b.test", "FAIL"): [], ("a.test", "A"): [CLIENT]}, "verified"),
    ],
)
async def test_a_name_counts_when_both_ways_agree(address: str, table: Records, expected: HostName | str) -> None:
    house = House()
    records(house, table)
    found = await verified(house.resolver, address)
    assert found == expected if isinstance(expected, HostName) else found.state == expected


@pytest.mark.parametrize(
    "name", ["a.test\r\nInjected: yes", "a\\013b.test", "x y.test", "<script>.test", "", ".", "a" * 64, "é.test"]
)
async def test_a_name_that_is_no_host_name_is_never_taken(name: str) -> None:
    house = House()
    records(house, {(CLIENT, "PTR"): [name], (name, "A"): [CLIENT]})
    found = await verified(house.resolver, CLIENT)
    assert (found.state, found.name) == ("failed", "")


async def test_an_address_with_a_thousand_names_costs_five_questions() -> None:
    house = House()
    names = [f"n{number}.test" for number in range(1000)]
    records(house, {(CLIENT, "PTR"): names, ("n999.test", "A"): [CLIENT]})
    asked = 0
    ask = house.resolver.a

    async def counted(host: str) -> Sequence[str]:
        nonlocal asked
        asked += 1
        return await ask(host)

    house.resolver.a = counted  # type: ignore[method-assign]
    assert (await verified(house.resolver, CLIENT)).state == "failed"
    assert asked == 5


@pytest.mark.spec_part("NET-2")
async def test_replies_to_a_client_without_a_verified_name_wait_and_all_others_do_not() -> None:
    house = House()
    records(house, {("192.0.2.66", "FAIL"): []})
    waits = {}
    for client in (CLIENT, "192.0.2.66", "127.0.0.1", "198.51.100.1"):
        house.set("smtp.trusted_networks", ("198.51.100.0/24",))
        session, _ = await greeted(house, "c.test", client=client)
        house.delays.clear()
        await house.driver.pace(session)
        waits[client] = sum(house.delays)
    assert waits == {CLIENT: 5.0, "192.0.2.66": 0.0, "127.0.0.1": 0.0, "198.51.100.1": 0.0}


async def test_a_login_ends_the_wait_and_no_one_waits_in_a_crowd() -> None:
    house = House()
    records(house, {})
    session, _ = await greeted(house, "c.test")
    await house.driver.pace(session, crowded=True)
    session.account = "jane@example.test"
    await house.driver.pace(session)
    assert not house.delays


async def test_a_listed_network_is_not_slowed() -> None:
    house = House()
    records(house, {})
    house.set("smtp.relay_networks", ("192.0.2.",))
    session, _ = await greeted(house, "c.test")
    await house.driver.pace(session)
    assert not house.delays


async def test_the_greeting_waits_for_a_slow_name_server_only_so_long() -> None:
    house = House()

    async def silent(address: str) -> Sequence[str]:
        await asyncio.Event().wait()
        return []

    house.resolver.ptr = silent  # type: ignore[method-assign]
    house.set("lookup.greeting_timeout_s", 0.05)
    began = asyncio.get_running_loop().time()
    session, refused = await greeted(house, "c.test")
    assert asyncio.get_running_loop().time() - began < 5.0
    assert refused is None
    assert (session.host, session.host_state) == ("", "")
    house.driver.gone(session)


@pytest.mark.parametrize(
    "name",
    [
        "a.test",
        "A.Test.",
        "localhost",
        "OFFICE-PC",
        "my_pc",
        "a",
        "x1.y2.z3",
        "[192.0.2.9]",
        "[IPv6:2001:db8::1]",
        "1.2.3.4.test",
    ],
)
def test_names_that_are_well_formed(name: str) -> None:
    assert well_formed(name)


@pytest.mark.parametrize(
    "name",
    [
        "", ".", "..", "a..b", "-a.test", "a-.test", "a/b", "a@b.test", "192.0.2.9", "[192.0.2.999]", "[192.0.2.9", "[]",
        "[IPv6:]", "[IPv6:192.0.2.9]", "[2001:db8::1]", "a" * 64, "a." * 127 + "toolong.test", "<a.test>", "a\x7f.test",
    ],
)  # fmt: skip
@pytest.mark.spec_part("INB-1")
async def test_malformed_names_are_refused(name: str) -> None:
    house = House()
    _, refused = await greeted(house, name)
    assert refused is not None
    assert refused.reply.code == 501
    house.set("smtp.helo_check", False)
    assert (await greeted(house, name))[1] is None


@pytest.mark.spec_part("INB-1")
@pytest.mark.parametrize("name", ["mx.example.test", "MX.Example.Test.", "mail.site.test", "[192.0.2.1]"])
async def test_a_stranger_that_claims_to_be_this_node_is_refused(name: str) -> None:
    house = House()
    house.set("smtp.hostname", "mail.site.test")
    _, refused = await greeted(house, name)
    assert refused is not None
    assert refused.reply.code == 550
    assert (await greeted(house, name, client="127.0.0.1"))[1] is None
    assert (await greeted(house, name, service="submission"))[1] is None
    house.set("smtp.helo_check", False)
    assert (await greeted(house, name))[1] is None


async def test_a_refused_greeting_is_on_record() -> None:
    house = House()
    await greeted(house, "mx.example.test")
    [record] = await house.traces.search(TraceQuery())
    assert (record.outcome, record.client, record.helo) == ("refused", CLIENT, "mx.example.test")
    assert [(step.stage, step.rule) for step in record.steps] == [("helo", "own-name")]


@pytest.mark.spec_part("INB-1")
@pytest.mark.parametrize(
    ("name", "code"), [("client.elsewhere.test", 250), ("[192.0.2.9]", 250), ("other.test", 550), ("[192.0.2.10]", 550)]
)
async def test_a_mismatch_is_recorded_and_refused_only_when_asked_for(name: str, code: int) -> None:
    house = House()
    await house.add_user("jane@example.test")
    session, refused = await greeted(house, name)
    assert refused is None
    assert (await house.deliver("jane@example.test", session=session)).code == 250
    [record] = await house.traces.search(TraceQuery())
    assert (("helo", "mismatch") in [(step.stage, step.rule) for step in record.steps]) == (code == 550)
    house.set("smtp.helo_mismatch", "reject")
    assert (await house.deliver("jane@example.test", session=session)).code == code


async def test_without_dns_no_mismatch_is_seen() -> None:
    house = House()
    records(house, {(CLIENT, "FAIL"): []})
    house.set("smtp.helo_mismatch", "reject")
    await house.add_user("jane@example.test")
    session, _ = await greeted(house, "other.test")
    assert (await house.deliver("jane@example.test", session=session)).code == 250


@pytest.mark.spec_part("INB-4")
@pytest.mark.parametrize(
    ("table", "code", "enhanced"),
    [
        ({("s.test", "MX"): ["10 mx.s.test"]}, 250, "2.0.0"),
        ({("s.test", "A"): ["192.0.2.7"]}, 250, "2.0.0"),
        ({("s.test", "AAAA"): ["2001:db8::7"]}, 250, "2.0.0"),
        ({("s.test", "MX"): ["0 ."], ("s.test", "A"): ["192.0.2.7"]}, 550, "5.7.27"),
        ({("s.test", "TXT"): ["no mail here"]}, 550, "5.1.8"),
        ({}, 550, "5.1.8"),
        ({("s.test", "FAIL"): []}, 451, "4.4.3"),
    ],
    ids=["MX", "A", "AAAA", "null MX", "neither", "NXDOMAIN", "DNS down"],
)
async def test_the_senders_domain_must_take_mail(table: Records, code: int, enhanced: str) -> None:
    house = House()
    house.set("smtp.sender_check", True)
    await house.add_user("jane@example.test")
    records(house, table)
    reply = await house.deliver("jane@example.test", sender="lena@s.test")
    assert (reply.code, reply.enhanced) == (code, enhanced)


@pytest.mark.parametrize(
    "session", [{"service": "lmtp"}, {"client": "127.0.0.1"}, {"service": "submission", "account": "jane@example.test"}]
)
async def test_our_own_clients_are_not_asked_for_a_senders_domain(session: dict[str, str]) -> None:
    house = House()
    house.set("smtp.sender_check", True)
    await house.add_user("jane@example.test")
    records(house, {})
    reply = await house.deliver("jane@example.test", sender="lena@s.test", session=house.session(**session))  # type: ignore[arg-type]
    assert reply.code == 250


@pytest.mark.parametrize("sender", ["", "x@[192.0.2.9]", "omar@example.test"])
async def test_bounces_literals_and_our_own_domains_need_no_dns(sender: str) -> None:
    house = House()
    house.set("smtp.sender_check", True)
    await house.add_user("jane@example.test")
    records(house, {("example.test", "FAIL"): []})
    assert (await house.deliver("jane@example.test", sender=sender)).code == 250


async def test_each_message_of_a_connection_has_a_budget_of_its_own() -> None:
    house = House()
    house.set("smtp.sender_check", True)
    house.set("lookup.message_timeout_s", 0.2)
    await house.add_user("jane@example.test")
    session = house.session()
    for _ in range(3):
        session.dns_waited_s += 0.3
        assert (await house.deliver("jane@example.test", session=session)).code == 250


async def test_dead_dns_costs_one_message_no_more_than_its_budget() -> None:
    house = House()
    house.set("smtp.sender_check", True)
    house.set("lookup.check_timeout_s", 0.1)
    await house.add_user("jane@example.test")

    async def silent(name: str) -> Sequence[str]:
        await asyncio.Event().wait()
        raise Temporary("never")

    house.resolver.mx = house.resolver.ptr = silent  # type: ignore[assignment, method-assign]
    began = asyncio.get_running_loop().time()
    assert (await house.deliver("jane@example.test")).code == 451
    assert asyncio.get_running_loop().time() - began < 5.0
