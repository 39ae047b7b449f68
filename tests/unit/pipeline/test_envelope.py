"""The envelope stage: no open relay, local recipients must exist, routed domains are accepted."""

from __future__ import annotations

import asyncio

import pytest

from posthouse.model.address import Address
from posthouse.model.envelope import Recipient, Sender
from posthouse.model.plan import ToQueue
from posthouse.model.route import NextHop, Route
from support.house import House


@pytest.mark.parametrize(
    "recipient",
    [
        "victim@faraway.test",
        '"victim@faraway.test"@elsewhere.test',
        "victim%faraway.test@elsewhere.test",
        "victim@[192.0.2.77]",
        "victim@sub.example.test",
    ],
)
async def test_a_stranger_cannot_relay(recipient: str) -> None:
    house = House()
    await house.add_user("jane@example.test")
    reply = await house.deliver(recipient)
    assert (reply.code, reply.enhanced) == (550, "5.7.1")
    assert not house.sink.accepted


async def test_percent_hack_in_a_local_domain_is_an_unknown_user() -> None:
    house = House()
    await house.add_user("jane@example.test")
    assert (await house.deliver("victim%faraway.test@example.test")).enhanced == "5.1.1"


async def test_an_authenticated_sender_may_relay() -> None:
    house = House()
    await house.add_user("jane@example.test")
    reply = await house.deliver("x@faraway.test", session=house.session("submission", account="jane@example.test"))
    assert reply.code == 250
    assert isinstance(house.sink.accepted[0].destinations[0], ToQueue)


async def test_submission_without_a_login_is_refused() -> None:
    house = House()
    await house.add_user("jane@example.test")
    assert (await house.deliver("jane@example.test", session=house.session("submission"))).code == 530


async def test_a_listed_network_may_relay_and_others_may_not() -> None:
    house = House()
    house.set("smtp.relay_networks", ("192.0.2.0/24",))
    session = house.session(client="192.0.2.9")
    await house.driver.connect(session)
    assert (await house.deliver("x@faraway.test", session=session)).code == 250
    other = house.session(client="198.51.100.1")
    await house.driver.connect(other)
    assert (await house.deliver("x@faraway.test", session=other)).code == 550


@pytest.mark.parametrize(
    ("records", "code"),
    [
        ({("192.0.2.9", "PTR"): ["mail.partner.test"], ("mail.partner.test", "A"): ["192.0.2.9"]}, 250),
        ({("192.0.2.9", "PTR"): ["mail.partner.test"], ("mail.partner.test", "A"): ["192.0.2.66"]}, 550),
        ({("192.0.2.9", "PTR"): ["mail.notpartner.test"], ("mail.notpartner.test", "A"): ["192.0.2.9"]}, 550),
        ({("192.0.2.9", "FAIL"): []}, 550),
    ],
    ids=["matching records", "forged PTR", "another domain", "DNS down"],
)
async def test_a_listed_domain_needs_matching_address_and_ptr_records(
    records: dict[tuple[str, str], list[str]], code: int
) -> None:
    house = House()
    house.resolver.records = {key: tuple(value) for key, value in records.items()}
    house.set("smtp.relay_domains", ("partner.test",))
    assert (await house.deliver("x@faraway.test")).code == code


async def test_mail_for_a_routed_domain_is_accepted_and_goes_to_its_host() -> None:
    house = House()
    await house.routes.put_route(Route("backend.test", NextHop("10.0.0.9", 24, "lmtp")))
    assert (await house.deliver("any@backend.test")).code == 250
    destination = house.sink.accepted[0].destinations[0]
    assert isinstance(destination, ToQueue)
    assert destination.next_hop == "lmtp://10.0.0.9:24"


async def test_unknown_disabled_and_looping_recipients_are_refused_with_their_own_codes() -> None:
    house = House()
    jane = await house.add_user("jane@example.test")
    assert (await house.deliver("nobody@example.test")).enhanced == "5.1.1"
    await house.directory.change_account(jane.address, enabled=False)
    assert (await house.deliver("jane@example.test")).enhanced == "5.2.1"
    a, b = (jane.address.with_local(name) for name in "ab")
    await house.directory.put_alias(a, [b])
    await house.directory.put_alias(b, [a])
    assert (await house.deliver("a@example.test")).enhanced == "5.4.6"


async def test_tls_and_logins_are_demanded_where_set() -> None:
    house = House()
    await house.add_user("jane@example.test")
    house.set("smtp.starttls", "required")
    assert (await house.deliver("jane@example.test")).text.startswith("Must issue")
    house.set("smtp.starttls", "offered")
    house.set("smtp.auth", "required")
    assert (await house.deliver("jane@example.test")).code == 530


async def with_a_list(members: int) -> House:
    house = House()
    await house.add_user("jane@example.test")
    await house.directory.put_alias(
        Address.parse("all@example.test"), [Address.parse(f"m{number}@far.test") for number in range(members)]
    )
    return house


async def test_attack_one_message_grows_by_aliases_to_so_many_and_no_more() -> None:
    """A list was taken apart anew for each of a thousand recipients that a stranger named, and all of it kept."""
    house = await with_a_list(60)
    house.set("route.max_expansion", 100)
    transaction, _ = await house.driver.begin(house.session(), Sender(Address.parse("ann@elsewhere.test")))

    async def answer(text: str) -> int:
        refused = await house.driver.recipient(transaction, Recipient(Address.parse(text)))
        return refused.reply.code if refused is not None else 250

    wanted = ("all@example.test", "all+x@example.test", "jane@example.test")
    assert [await answer(text) for text in wanted] == [250, 452, 452]
    assert sum(map(len, transaction.resolved.values())) == 60
    apart, _ = await house.driver.begin(house.session(), Sender(Address.parse("ann@elsewhere.test")))
    assert await house.driver.recipient(apart, Recipient(Address.parse("jane@example.test"))) is None


async def test_attack_a_long_list_does_not_hold_up_the_others() -> None:
    """Ninety milliseconds for five thousand members, in which nobody else was served."""
    house = await with_a_list(2_000)
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    watching = asyncio.create_task(others())
    assert (await house.deliver("all@example.test")).code == 250
    watching.cancel()
    assert turns > 2_000 // 64
