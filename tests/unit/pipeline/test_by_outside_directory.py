"""What outside directories do to mail: who is unknown (INB-5), where it goes (RTE-2), groups (RTE-4), masks (OUT-2)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from posthouse.base.errors import Temporary
from posthouse.model.address import Address
from posthouse.model.envelope import Recipient
from posthouse.model.outside import LdapServer, OutsideEntry, Posting, Purpose
from posthouse.model.plan import Destination, ToMailbox, ToQueue
from posthouse.model.route import NextHop, Route
from posthouse.model.trace import TraceQuery
from support.house import MESSAGE, House

BACKEND = NextHop("backend.test", 2525)
ALL: tuple[Purpose, ...] = ("recipients", "routes", "groups", "masquerade")


async def house(*uses: Purpose, domains: tuple[str, ...] = ("corp.test",), routed: bool = False) -> House:
    """With a directory that is used so, for ``corp.test`` unless other domains are given."""
    made = House()
    server = LdapServer("corp", ("ldap://x",), "dc=x", uses=uses or ALL, domains=domains)
    await made.outside.book.put_server(server)
    if routed:
        await made.routes.put_route(Route("corp.test", BACKEND))
    return made


def person(made: House, address: str, host: str = "", routing: str = "", *others: str, masquerade: str = "") -> None:
    entry = OutsideEntry("corp", f"cn={address}", Address.parse(address), host, Address.parse(routing) if routing else None)
    made.outside.add(replace(entry, masquerade=masquerade), address, *others)


def group(made: House, address: str, *members: str) -> None:
    listed = [member if member.startswith("cn=") else Address.parse(member) for member in members]
    made.outside.add(OutsideEntry("corp", f"cn={address}", Address.parse(address), is_group=True), address, members=listed)


async def told(made: House) -> tuple[str, str, str]:
    """What ended the last message's way."""
    step = (await made.traces.search(TraceQuery()))[0].steps[-1]
    return step.stage, step.rule, step.detail


def ways(made: House) -> list[str]:
    """Where the last message goes: mailboxes by account, other hosts as ``address by host``."""
    return [way(destination) for destination in made.sink.accepted[-1].destinations]


def way(destination: Destination) -> str:
    if isinstance(destination, ToMailbox):
        return destination.account
    assert isinstance(destination, ToQueue)
    original = f" for {destination.original}" if destination.original else ""
    return f"{destination.recipient.address} by {destination.next_hop or 'MX'}{original}"


# INB-5


@pytest.mark.spec_part("INB-5")
async def test_unknown_recipients_of_a_routed_domain_are_refused_and_their_client_is_slowed() -> None:
    made = await house("recipients", routed=True)
    person(made, "jane@corp.test")
    made.set("smtp.harvest_free", 1)
    session = made.session()
    assert (await made.deliver("jane@corp.test", "JANE+news@corp.test", session=session)).code == 250
    assert ways(made) == ["jane@corp.test by backend.test:2525", "JANE+news@corp.test by backend.test:2525"]
    for number in range(3):
        reply = await made.deliver(f"x{number}@corp.test", session=session)
        assert (reply.code, reply.enhanced) == (550, "5.1.1")
    assert await told(made) == ("envelope", "unknown-recipient", "x2@corp.test is not known to LDAP")
    assert made.driver.delay_s(session) >= 1 or made.delays, "harvest protection"


@pytest.mark.spec_part("INB-5")
async def test_other_routed_domains_are_as_before_also_where_ldap_is_named() -> None:
    made = await house("recipients", domains=("other.test",), routed=True)
    for sources in ((), ("ldap",)):
        made.set("smtp.recipient_check", sources)
        assert (await made.deliver("anyone@corp.test")).code == 250
    assert made.outside.asked == 0


@pytest.mark.spec_part("INB-5")
async def test_one_source_that_knows_a_recipient_is_enough() -> None:
    made = await house("recipients", routed=True)
    person(made, "jane@corp.test")
    made.probe.known.add("mei@corp.test")
    for sources in (("call-forward",), ("ldap", "call-forward")):
        made.set("smtp.recipient_check", sources)
        assert (await made.deliver("jane@corp.test")).code == 250
        assert (await made.deliver("mei@corp.test")).code == 250
        assert (await made.deliver("nobody@corp.test")).code == 550


@pytest.mark.spec_part("INB-5")
@pytest.mark.parametrize(("failure", "code"), [("defer", 451), ("accept", 250)])
async def test_a_dead_directory_defers_or_accepts_as_set_and_the_trace_shows_it(failure: str, code: int) -> None:
    made = await house("recipients", routed=True)
    made.outside.down.add("corp")
    made.set("smtp.recipient_check_failure", failure)
    assert (await made.deliver("jane@corp.test")).code == code
    steps = (await made.traces.search(TraceQuery()))[0].steps
    assert [step.rule for step in steps if "LDAP server corp: down" in step.detail] == ["recipient-unchecked"]


# RTE-2


@pytest.mark.spec_part("RTE-2")
async def test_mail_goes_to_the_host_and_the_address_that_the_entry_names() -> None:
    made = await house()
    person(made, "jane@corp.test", "mx1.corp.test", "", "j.doe@corp.test")
    person(made, "omar@corp.test", "lmtp://10.0.0.8:24/off", "omar@inner.test")
    assert (await made.deliver("jane@corp.test", "J.Doe+x@corp.test", "omar@corp.test")).code == 250
    assert ways(made) == [
        "jane@corp.test by mx1.corp.test",
        "J.Doe+x@corp.test by mx1.corp.test",
        "omar@inner.test by lmtp://10.0.0.8:24/off for omar@corp.test",
    ]
    steps = (await made.traces.search(TraceQuery()))[0].steps
    assert "jane@corp.test is ours, led by LDAP to mx1.corp.test" in [step.detail for step in steps]


@pytest.mark.spec_part("RTE-2")
async def test_another_address_alone_is_followed_as_an_alias() -> None:
    made = await house()
    jane = await made.add_user("jane@example.test")
    person(made, "a@corp.test", "", "jane@example.test")
    person(made, "b@corp.test", "", "c@corp.test")
    person(made, "c@corp.test", "mx1.corp.test")
    person(made, "d@corp.test", "", "x@far.test")
    person(made, "e@corp.test", "", "f@corp.test")
    person(made, "f@corp.test", "", "e@corp.test")
    await made.routes.put_route(Route("far.test", BACKEND))
    assert (await made.deliver("a@corp.test", "b@corp.test", "d@corp.test")).code == 250
    assert ways(made) == [
        str(jane.address), "c@corp.test by mx1.corp.test for b@corp.test", "x@far.test by backend.test:2525 for d@corp.test",
    ]  # fmt: skip
    assert (await made.deliver("e@corp.test")).enhanced == "5.4.6", "a loop"


@pytest.mark.spec_part("RTE-2")
async def test_the_routing_table_wins_for_an_address_and_comes_after_for_a_domain() -> None:
    made = await house("routes", routed=True)
    await made.routes.put_route(Route("paul@corp.test", NextHop("old.test")))
    for name in ("jane", "paul"):
        person(made, f"{name}@corp.test", "mx1.corp.test")
    person(made, "mei@corp.test")
    assert (await made.deliver("jane@corp.test", "paul@corp.test", "mei@corp.test", "unknown@corp.test")).code == 250
    assert ways(made) == [
        "jane@corp.test by mx1.corp.test", "paul@corp.test by old.test", "mei@corp.test by backend.test:2525",
        "unknown@corp.test by backend.test:2525",
    ]  # fmt: skip


@pytest.mark.spec_part("RTE-2", "INB-5")
async def test_a_domain_that_a_directory_owns_takes_mail_for_whom_it_knows_alone() -> None:
    made = await house()
    person(made, "jane@corp.test", "mx1.corp.test")
    person(made, "mei@corp.test")
    made.set("smtp.harvest_free", 0)
    session = made.session()
    reply = await made.deliver("nobody@corp.test", session=session)
    assert (reply.code, reply.enhanced) == (550, "5.1.1")
    assert await told(made) == ("envelope", "unknown-recipient", "nobody@corp.test is in no outside directory")
    assert made.driver.delay_s(session) >= 1 or made.delays
    assert (await made.deliver("mei@corp.test")).code == 451
    assert await told(made) == ("envelope", "no-host", "LDAP server corp knows mei@corp.test, but not its host")


async def test_postmaster_and_abuse_of_a_directorys_domain_reach_somebody() -> None:
    """RFC 5321 §4.5.1, RFC 2142: whom the directory names, else an administrator of the node."""
    made = await house()
    root = await made.add_user("root@example.test", "administrator")
    person(made, "abuse@corp.test", "mx1.corp.test")
    assert (await made.deliver("Postmaster@corp.test", "abuse@corp.test")).code == 250
    assert ways(made) == [str(root.address), "abuse@corp.test by mx1.corp.test"]
    assert (await made.deliver("postmaster@elsewhere.test")).enhanced == "5.7.1"


@pytest.mark.spec_part("RTE-2", "NET-4")
async def test_a_directory_for_all_domains_opens_no_relay() -> None:
    """A contact in a company's directory with an address elsewhere is not a user of ours."""
    made = await house(domains=())
    person(made, "customer@elsewhere.test")
    reply = await made.deliver("customer@elsewhere.test")
    assert (reply.code, reply.enhanced) == (550, "5.7.1")
    assert (await made.deliver("nobody@elsewhere.test")).enhanced == "5.7.1"


@pytest.mark.spec_part("RTE-2")
async def test_a_directory_for_all_domains_is_asked_about_those_that_the_node_has_or_routes() -> None:
    """Mail for the rest of the world neither waits for it nor fails with it."""
    made = await house(domains=(), routed=True)
    jane = await made.add_user("jane@example.test")
    person(made, "mei@corp.test", "mx1.corp.test")
    person(made, "omar@example.test", "mx1.corp.test")
    assert (await made.deliver("mei@corp.test", "omar@example.test")).code == 250
    assert ways(made) == ["mei@corp.test by mx1.corp.test", "omar@example.test by mx1.corp.test"]
    await made.outside.book.put_server(replace(made.outside.book.servers()[0], uses=("recipients", "routes", "groups")))
    await made.directory.put_alias(Address.parse("friends@example.test"), [Address.parse("x@far.test")])
    made.outside.down.add("corp")
    session = made.session("submission", account=str(jane.address))
    for recipient in ("someone@far.test", "friends@example.test"):
        assert (await made.deliver(recipient, sender=str(jane.address), session=session)).code == 250


@pytest.mark.spec_part("RTE-2")
async def test_a_dead_directory_puts_mail_off_where_it_must_say_the_way() -> None:
    made = await house(routed=True)
    made.outside.down.add("corp")
    made.set("smtp.recipient_check_failure", "accept")
    reply = await made.deliver("jane@corp.test")
    assert reply.code == 451
    assert "corp" not in reply.text
    assert await told(made) == ("envelope", "error", "LDAP server corp: down")


async def test_several_entries_with_one_address_put_mail_off() -> None:
    made = await house()
    person(made, "jane@corp.test", "mx1.corp.test")
    person(made, "jane@corp.test", "mx2.corp.test")
    assert (await made.deliver("jane@corp.test")).code == 451


async def test_a_host_that_is_none_puts_mail_off() -> None:
    made = await house()
    person(made, "jane@corp.test", "no host; rm -rf")
    assert (await made.deliver("jane@corp.test")).code == 451
    assert "is no host" in (await told(made))[2]


@pytest.mark.spec_part("RTE-2")
async def test_in_a_domain_of_ours_own_users_come_first_and_the_catch_all_last() -> None:
    made = await house(domains=("example.test",))
    jane = await made.add_user("jane@example.test")
    await made.directory.change_domain("example.test", catch_all="jane@example.test")
    person(made, "jane@example.test", "mx1.corp.test")
    person(made, "omar@example.test", "mx1.corp.test")
    person(made, "here@example.test", "mx.example.test")
    for address, leads in (
        ("jane", str(jane.address)), ("jane+a", str(jane.address)), ("omar", "omar@example.test by mx1.corp.test"),
        ("here", str(jane.address)),
    ):  # fmt: skip
        assert (await made.deliver(f"{address}@example.test")).code == 250
        assert ways(made) == [leads]


async def test_the_message_router_gets_the_address_as_it_was_given() -> None:
    made = await house()
    person(made, "omar@corp.test", "mx1.corp.test", "omar@inner.test")
    made.set("route.message_router", "router.test:2525")
    assert (await made.deliver("omar@corp.test")).code == 250
    assert ways(made) == ["omar@corp.test by router.test:2525"]


async def test_the_nodes_own_mail_finds_the_same_way() -> None:
    made = await house(routed=True)
    person(made, "jane@corp.test", "mx1.corp.test")
    [destination] = await made.onward.own_mail(Recipient(Address.parse("jane@corp.test")))
    assert way(destination) == "jane@corp.test by mx1.corp.test"
    made.outside.down.add("corp")
    [destination] = await made.onward.own_mail(Recipient(Address.parse("jane@corp.test")))
    assert way(destination) == "jane@corp.test by backend.test:2525", "a bounce does not wait for the directory"
    await made.routes.delete_route("corp.test")
    with pytest.raises(Temporary):
        await made.onward.own_mail(Recipient(Address.parse("jane@corp.test")))


async def test_nothing_is_asked_about_domains_that_no_directory_covers() -> None:
    made = await house()
    await made.add_user("jane@example.test")
    assert (await made.deliver("jane@example.test")).code == 250
    assert (await made.deliver("x@elsewhere.test")).code == 550
    assert made.outside.asked == 0


# RTE-4


@pytest.mark.spec_part("RTE-4")
@pytest.mark.parametrize("routed", [False, True])
async def test_a_group_goes_to_its_members_each_once_and_loops_are_cut(*, routed: bool) -> None:
    made = await house(routed=routed)
    jane = await made.add_user("jane@example.test")
    person(made, "mei@corp.test", "mx1.corp.test")
    group(made, "all@corp.test", "staff@corp.test", "jane@example.test", "x@far.test", "mei@corp.test", "all@corp.test")
    group(made, "staff@corp.test", "jane@example.test", "mei@corp.test", "all@corp.test", "cn=mei@corp.test")
    assert (await made.deliver("all@corp.test", "jane@example.test")).code == 250
    assert sorted(set(ways(made))) == [
        str(jane.address), "mei@corp.test by mx1.corp.test for all@corp.test", "x@far.test by MX for all@corp.test",
    ]  # fmt: skip
    assert len(await made.inbox(jane)) == 1
    [taken] = [step for step in (await made.traces.search(TraceQuery()))[0].steps if step.recipient == "all@corp.test"]
    assert taken.detail.startswith("all@corp.test is ours by way of all@corp.test, staff@corp.test")


@pytest.mark.spec_part("RTE-4")
async def test_in_a_domain_of_ours_an_alias_wins_over_a_group_and_may_lead_to_one() -> None:
    made = await house(domains=("example.test",))
    jane = await made.add_user("jane@example.test")
    group(made, "team@example.test", "x@far.test")
    group(made, "sales@example.test", "y@far.test", "team@example.test")
    assert (await made.deliver("sales@example.test")).code == 250
    assert ways(made) == ["y@far.test by MX for sales@example.test", "x@far.test by MX for sales@example.test"]
    await made.directory.put_alias(Address.parse("team@example.test"), [jane.address, Address.parse("sales@example.test")])
    assert (await made.deliver("team@example.test")).code == 250
    assert sorted(ways(made)) == [str(jane.address), "y@far.test by MX for team@example.test"]


@pytest.mark.spec_part("RTE-4")
async def test_an_empty_group_and_one_of_nobodies_are_refused_and_too_large_ones_put_off() -> None:
    made = await house(domains=("example.test",))
    await made.add_user("jane@example.test")
    group(made, "empty@example.test")
    group(made, "ghosts@example.test", "cn=gone", "nobody@example.test")
    group(made, "large@example.test", *(f"x{number}@far.test" for number in range(20)))
    assert (await made.deliver("empty@example.test")).enhanced == "5.1.1"
    assert (await made.deliver("ghosts@example.test")).enhanced == "5.1.1"
    made.outside.max_members = 10
    assert (await made.deliver("large@example.test")).code == 451
    made.outside.max_members, made.settings = 100, made.settings.with_value("route.max_expansion", 10)
    assert (await made.deliver("large@example.test")).enhanced == "5.5.3"


@pytest.mark.spec_part("RTE-4", "GRP-2")
async def test_who_may_write_to_a_group_is_kept_to_and_a_forged_sender_is_not_believed() -> None:
    """A group that a directory closes to the world must not become open because we take it apart."""
    made = await house(domains=("corp.test",))
    await made.add_user("jane@example.test")
    person(made, "boss@corp.test", "mx1.corp.test")
    person(made, "mei@corp.test", "mx1.corp.test")
    group(made, "chiefs@corp.test", "mei@corp.test")
    rules = {
        "staff": Posting("corp", "staff", inside_only=True),
        "news": Posting("corp", "news", addresses=("boss@corp.test", "press@far.test"), domains=("partner.test",)),
        "board": Posting("corp", "board", dns=("CN=boss@corp.test", "cn=chiefs@corp.test")),
    }
    for name, rule in rules.items():
        entry = OutsideEntry("corp", f"cn={name}", Address.parse(f"{name}@corp.test"), is_group=True, posting=rule)
        made.outside.add(entry, f"{name}@corp.test", members=[Address.parse("jane@example.test")])
    group(made, "open@corp.test", "staff@corp.test")
    await made.directory.put_alias(Address.parse("all@example.test"), [Address.parse("staff@corp.test")])
    for to, sender, inside, taken in (
        ("staff", "x@far.test", False, False), ("staff", "boss@corp.test", False, False), ("staff", "", False, False),
        ("staff", "jane@example.test", True, True), ("open", "x@far.test", False, True), ("all", "x@far.test", False, False),
        ("news", "press@far.test", False, True), ("news", "x@a.partner.test", False, True),
        ("news", "x@far.test", False, False), ("news", "boss@corp.test", False, False), ("news", "boss@corp.test", True, True),
        ("news", "mei@corp.test", True, False), ("board", "boss@corp.test", True, True), ("board", "mei@corp.test", True, True),
        ("board", "x@far.test", True, False), ("board", "boss@corp.test", False, False), ("news", "", False, False),
    ):  # fmt: skip
        session = made.session(account="jane@example.test" if inside else "")
        reply = await made.deliver(f"{to}@{'example' if to == 'all' else 'corp'}.test", sender=sender, session=session)
        assert (reply.code == 250) == taken, (to, sender, inside)
        assert taken or (reply.code, reply.enhanced) == (550, "5.7.1")
    assert await told(made) == ("envelope", "not-allowed", "<> may not write to news (LDAP server corp)")


@pytest.mark.spec_part("RTE-4", "STO-3")
async def test_a_group_writes_into_the_shared_tree_of_its_own_domain_alone() -> None:
    """Whoever may edit one domain's directory must not write into another domain's shared mailboxes."""
    made = await house(domains=("example.test",))
    await made.add_user("jane@example.test")
    await made.add_user("omar@example.org")
    group(made, "own@example.test", "+archive.list@example.test")
    group(made, "others@example.test", "+archive.list@example.org")
    person(made, "routed@example.test", "", "+archive.list@example.org")
    assert (await made.deliver("own@example.test")).code == 250
    for address in ("others@example.test", "routed@example.test"):
        assert (await made.deliver(address)).enhanced == "5.1.1"


# OUT-2


@pytest.mark.spec_part("OUT-2")
async def test_a_mask_is_a_domain_an_address_the_main_address_or_nothing() -> None:
    made = await house("masquerade", domains=())
    jane = await made.add_user("jane@example.test")
    person(made, "jane@example.test", "", "", "j@old.test")
    person(made, "a@old.test", masquerade="example.org")
    person(made, "b@old.test", masquerade="boss@example.org")
    person(made, "c@old.test", masquerade="not an address@")
    made.outside.down.add("other")
    for sender, becomes in (
        ("j@old.test", "jane@example.test"), ("a@old.test", "a@example.org"), ("b@old.test", "boss@example.org"),
        ("c@old.test", "c@old.test"), ("d@old.test", "d@old.test"),
    ):  # fmt: skip
        session = made.session("submission", account="jane@example.test")
        content = MESSAGE.replace(b"lena@elsewhere.test", sender.encode())
        assert (await made.deliver(str(jane.address), sender=sender, content=content, session=session)).code == 250
        accepted = made.sink.accepted[-1]
        assert str(accepted.sender) == becomes
        assert f"From: {becomes}\r\n".encode() in accepted.content


@pytest.mark.spec_part("OUT-2")
async def test_what_ldap_would_mask_waits_while_it_is_dead_and_strangers_mail_does_not() -> None:
    made = await house("masquerade", domains=())
    await made.add_user("jane@example.test")
    made.outside.down.add("corp")
    assert (await made.deliver("jane@example.test")).code == 250
    session = made.session("submission", account="jane@example.test")
    assert (await made.deliver("jane@example.test", sender="jane@example.test", session=session)).code == 451
