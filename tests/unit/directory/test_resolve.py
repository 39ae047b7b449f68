"""Recipient resolution (RTE-4): the order of the rules, loops, limits."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posthouse.backends.memory.directory import MemoryDirectory
from posthouse.directory.resolve import LocalMailbox, Problem, RecipientResolver, Resolution, mailbox_name
from posthouse.model.account import Forward, Role
from posthouse.model.address import Address
from posthouse.model.settings import Settings


class House:
    """A directory of two domains and the resolver over it."""

    def __init__(self) -> None:
        self.directory = MemoryDirectory()
        self.settings = Settings()
        self.resolver = RecipientResolver(self.directory, lambda: self.settings)

    async def account(self, text: str, role: Role = "user", *, enabled: bool = True) -> None:
        address = Address.parse(text)
        await self.directory.add_account(address, full_name="", role=role, secret="", scram="")
        await self.directory.change_account(address, enabled=enabled)

    async def alias(self, text: str, *targets: str) -> None:
        await self.directory.put_alias(Address.parse(text), [Address.parse(target) for target in targets])

    async def forward(self, text: str, *targets: str, keep: bool = False) -> None:
        made = Forward(tuple(Address.parse(target) for target in targets), keep)
        await self.directory.put_forward(Address.parse(text), made)

    async def resolve(self, text: str) -> Resolution:
        return await self.resolver.resolve(Address.parse(text))

    async def ends(self, text: str) -> list[str]:
        """Destinations as text: mailboxes as ``account/mailbox``, others as they are."""
        found = await self.resolve(text)
        return [f"{one.account.address}/{one.mailbox}" for one in found.mailboxes] + [str(one) for one in found.elsewhere]


@pytest.fixture
async def house() -> House:
    made = House()
    for name in ("a.example", "b.example"):
        await made.directory.add_domain(name)
    for text in ("jane@a.example", "bob@a.example", "jane@b.example"):
        await made.account(text)
    return made


async def problems(house: House, text: str) -> list[tuple[str, str]]:
    return [(str(problem.address), problem.why) for problem in (await house.resolve(text)).problems]


async def test_an_account_gets_its_mail_in_any_letter_case(house: House) -> None:
    found = await house.resolve("JANE@a.example")
    account = await house.directory.account(Address("jane", "a.example"))
    assert account is not None
    assert found.mailboxes == (LocalMailbox(account, "INBOX", Address("JANE", "a.example")),)
    assert (found.is_local, found.is_deliverable, found.problems, found.via) == (True, True, (), ())


async def test_an_address_elsewhere_comes_back_as_it_is(house: House) -> None:
    address = Address("x+y", "c.example")
    assert await house.resolver.resolve(address) == Resolution(address, is_local=False, elsewhere=(address,))
    literal = Address("jane", "[192.0.2.1]")
    assert not (await house.resolver.resolve(literal)).is_local


async def test_an_unknown_user_of_a_local_domain_is_unknown(house: House) -> None:
    found = await house.resolve("nobody@a.example")
    assert (found.is_local, found.is_deliverable) == (True, False)
    assert found.problems == (Problem(Address("nobody", "a.example"), "unknown"),)


async def test_a_disabled_account_is_refused_even_with_a_catch_all(house: House) -> None:
    await house.account("gone@a.example", enabled=False)
    await house.directory.change_domain("a.example", catch_all="jane@a.example")
    assert await house.ends("gone@a.example") == []
    assert await problems(house, "gone@a.example") == [("gone@a.example", "disabled")]
    assert await house.ends("gone+x@a.example") == []


async def test_plus_addressing_names_a_mailbox(house: House) -> None:
    assert await house.ends("jane+News@a.example") == ["jane@a.example/News"]
    assert await house.ends("jane+a+b@a.example") == ["jane@a.example/a+b"]
    assert await house.ends("jane+@a.example") == ["jane@a.example/INBOX"]
    assert await house.ends("+x@a.example") == []
    house.settings = house.settings.with_value("route.plus_addressing", "-")
    assert await house.ends("jane-news@a.example") == ["jane@a.example/news"]
    assert await house.ends("jane+news@a.example") == []
    house.settings = house.settings.with_value("route.plus_addressing", "")
    assert await house.ends("jane-news@a.example") == []


async def test_an_exact_match_goes_before_plus_addressing_and_that_before_the_catch_all(house: House) -> None:
    await house.directory.change_domain("a.example", catch_all="jane@b.example")
    await house.account("jane+exact@a.example")
    await house.alias("bob+exact@a.example", "x@c.example")
    assert await house.ends("jane+exact@a.example") == ["jane+exact@a.example/INBOX"]
    assert await house.ends("bob+exact@a.example") == ["x@c.example"]
    assert await house.ends("bob+other@a.example") == ["bob@a.example/other"]
    assert await house.ends("nobody+other@a.example") == ["jane@b.example/INBOX"]


async def test_an_alias_sends_to_all_of_its_targets_in_order(house: House) -> None:
    await house.alias("all@a.example", "jane@b.example", "jane@a.example", "x@c.example", "bob+all@a.example")
    assert await house.ends("all@a.example") == [
        "jane@b.example/INBOX",
        "jane@a.example/INBOX",
        "bob@a.example/all",
        "x@c.example",
    ]
    assert (await house.resolve("all@a.example")).via == (Address("all", "a.example"),)


async def test_the_detail_of_an_alias_is_a_hint_for_its_local_targets(house: House) -> None:
    await house.alias("team@a.example", "jane@a.example", "bob+own@a.example", "x@c.example")
    assert await house.ends("team+news@a.example") == ["jane@a.example/news", "bob@a.example/own", "x@c.example"]


async def test_an_account_forwards_with_or_without_a_copy_of_its_own(house: House) -> None:
    await house.forward("jane@a.example", "bob@a.example", "far@c.example")
    assert await house.ends("jane@a.example") == ["bob@a.example/INBOX", "far@c.example"]
    assert await house.ends("jane+news@a.example") == ["bob@a.example/news", "far@c.example"]
    assert (await house.resolve("jane@a.example")).via == (Address("jane", "a.example"),)
    await house.forward("jane@a.example", "far@c.example", keep=True)
    assert await house.ends("jane@a.example") == ["jane@a.example/INBOX", "far@c.example"]
    await house.account("gone@a.example", enabled=False)
    await house.forward("gone@a.example", "far@c.example", keep=True)
    assert await problems(house, "gone@a.example") == [("gone@a.example", "disabled")]


async def test_forwarding_in_circles_is_cut_and_a_list_gives_each_one_copy(house: House) -> None:
    await house.forward("jane@a.example", "bob@a.example")
    await house.alias("all@a.example", "jane@a.example", "bob@a.example", "jane@b.example")
    await house.forward("jane@b.example", "jane@a.example", keep=True)
    assert sorted(await house.ends("all@a.example")) == ["bob@a.example/INBOX", "jane@b.example/INBOX"]
    await house.forward("bob@a.example", "jane@a.example")
    assert await house.ends("bob@a.example") == []
    assert [why for _, why in await problems(house, "bob@a.example")] == ["loop"]
    await house.forward("bob@a.example", "jane@a.example", keep=True)
    assert await house.ends("jane@a.example") == ["bob@a.example/INBOX"]


async def test_every_final_recipient_comes_out_once(house: House) -> None:
    await house.alias("one@a.example", "jane@a.example", "X@c.example")
    await house.alias("two@a.example", "JANE@a.example", "x@c.example", "jane+again@a.example")
    await house.alias("both@a.example", "one@a.example", "two@a.example", "jane@a.example")
    found = await house.resolve("both@a.example")
    assert len(found.mailboxes) == 1
    assert [str(address).lower() for address in found.elsewhere] == ["x@c.example"]
    assert found.problems == ()


async def test_loops_are_cut_and_what_lies_beside_them_is_delivered(house: House) -> None:
    await house.alias("a@a.example", "b@a.example", "jane@a.example")
    await house.alias("b@a.example", "c@b.example")
    await house.alias("c@b.example", "A@a.example", "x@c.example")
    assert await house.ends("a@a.example") == ["jane@a.example/INBOX", "x@c.example"]
    assert await problems(house, "a@a.example") == [("A@a.example", "loop")]


async def test_an_alias_of_nothing_but_itself_leads_nowhere(house: House) -> None:
    await house.alias("self@a.example", "self@a.example")
    assert await house.ends("self@a.example") == []
    assert await problems(house, "self@a.example") == [("self@a.example", "loop")]


async def test_a_catch_all_that_does_not_exist_is_cut_as_a_loop(house: House) -> None:
    await house.directory.change_domain("a.example", catch_all="nobody@a.example")
    assert await house.ends("other@a.example") == []
    assert await problems(house, "other@a.example") == [("nobody@a.example", "loop")]


async def test_aliases_deeper_than_the_limit_are_cut(house: House) -> None:
    for depth in range(12):
        await house.alias(f"d{depth}@a.example", f"d{depth + 1}@a.example")
    await house.alias("d12@a.example", "jane@a.example")
    assert await problems(house, "d0@a.example") == [("d11@a.example", "too deep")]
    assert await house.ends("d3@a.example") == ["jane@a.example/INBOX"]
    house.settings = house.settings.with_value("route.max_alias_depth", 13)
    assert await house.ends("d0@a.example") == ["jane@a.example/INBOX"]


async def test_an_expansion_past_the_limit_gives_no_one_anything(house: House) -> None:
    await house.alias("many@a.example", "jane@a.example", *(f"u{number}@c.example" for number in range(50)))
    assert len(await house.ends("many@a.example")) == 51
    house.settings = house.settings.with_value("route.max_expansion", 50)
    found = await house.resolve("many@a.example")
    assert not found.is_deliverable
    assert [problem.why for problem in found.problems] == ["too many"]


async def test_unknown_and_disabled_targets_do_not_stop_the_others(house: House) -> None:
    await house.account("gone@a.example", enabled=False)
    await house.alias("mixed@a.example", "gone@a.example", "nobody@a.example", "jane@a.example")
    assert await house.ends("mixed@a.example") == ["jane@a.example/INBOX"]
    assert await problems(house, "mixed@a.example") == [("gone@a.example", "disabled"), ("nobody@a.example", "unknown")]


async def test_the_catch_all_may_be_elsewhere_or_an_alias(house: House) -> None:
    await house.directory.change_domain("a.example", catch_all="x@c.example")
    assert await house.ends("nobody@a.example") == ["x@c.example"]
    await house.alias("team@b.example", "jane@b.example", "bob@a.example")
    await house.directory.change_domain("a.example", catch_all="team@b.example")
    assert await house.ends("nobody@a.example") == ["jane@b.example/INBOX", "bob@a.example/INBOX"]


@pytest.mark.parametrize("local", ["postmaster", "PostMaster", "abuse"])
async def test_role_addresses_reach_an_administrator_when_nothing_else_takes_them(house: House, local: str) -> None:
    assert await house.ends(f"{local}@a.example") == []
    await house.account("zed@b.example", "administrator")
    assert await house.ends(f"{local}@a.example") == ["zed@b.example/INBOX"]
    await house.account("amy@a.example", "administrator", enabled=False)
    await house.account("root@a.example", "administrator")
    assert await house.ends(f"{local}@a.example") == ["root@a.example/INBOX"]
    assert await house.ends(f"{local}@b.example") == ["zed@b.example/INBOX"]
    assert await house.ends("hostmaster@a.example") == []
    await house.directory.change_domain("a.example", catch_all="jane@a.example")
    assert await house.ends(f"{local}@a.example") == ["jane@a.example/INBOX"]
    await house.alias(f"{local}@a.example", "bob@a.example")
    assert await house.ends(f"{local}@a.example") == ["bob@a.example/INBOX"]


async def test_postmaster_without_a_domain_is_ours(house: House) -> None:
    await house.account("root@b.example", "administrator")
    found = await house.resolver.resolve(Address("Postmaster", ""))
    assert found.is_local
    assert [one.account.address.local for one in found.mailboxes] == ["root"]
    assert (await house.resolver.resolve(Address("jane", ""))).problems == (Problem(Address("jane", ""), "unknown"),)


@pytest.mark.parametrize(
    ("detail", "mailbox"),
    [
        ("", "INBOX"),
        ("news", "news"),
        ("inbox", "INBOX"),
        ("a/b", "a/b"),
        ("/a", "INBOX"),
        ("a//b", "INBOX"),
        ("x\x01", "INBOX"),
    ],
)
def test_details_that_cannot_be_mailboxes_mean_the_inbox(detail: str, mailbox: str) -> None:
    assert mailbox_name(detail) == mailbox


LOCALS = st.sampled_from(["jane", "bob", "a", "b", "c", "d", "e"])
ADDRESSES = st.builds("{}@{}".format, LOCALS, st.sampled_from(["a.example", "b.example", "c.example"]))
ALIASES = st.dictionaries(
    st.builds("{}@{}".format, st.sampled_from("abcde"), st.sampled_from(["a.example", "b.example"])),
    st.lists(ADDRESSES, min_size=1, max_size=6),
    max_size=10,
)


@settings(max_examples=200, deadline=None)
@given(aliases=ALIASES, asked=ADDRESSES)
async def test_any_tangle_of_aliases_comes_to_an_end_with_each_recipient_once(
    aliases: dict[str, list[str]], asked: str
) -> None:
    house = House()
    for name in ("a.example", "b.example"):
        await house.directory.add_domain(name)
    for text in ("jane@a.example", "bob@a.example", "jane@b.example"):
        await house.account(text)
    for text, targets in aliases.items():
        await house.alias(text, *targets)
    ends = await house.ends(asked)
    assert len(ends) == len(set(ends))
    assert set(ends) == _reachable(aliases, asked)


def _reachable(aliases: dict[str, list[str]], asked: str) -> set[str]:
    """What a plain search of the graph finds."""
    seen, waiting, ends = {asked}, [asked], set[str]()
    while waiting:
        text = waiting.pop()
        if text.endswith("@c.example"):
            ends.add(text)
        elif text in ("jane@a.example", "bob@a.example", "jane@b.example"):
            ends.add(f"{text}/INBOX")
        for target in aliases.get(text, ()):
            if target not in seen:
                seen.add(target)
                waiting.append(target)
    return ends


@pytest.mark.spec_part("RTE-4", "STO-3", "GRP-2")
async def test_aliases_deliver_into_the_shared_tree_of_their_domain(house: House) -> None:
    await house.alias(
        "list@a.example", "jane@a.example", "+archive.list@a.example", "+News@a.example", "+archive.list@b.example"
    )
    found = await house.resolve("list@a.example")
    one, other = [await house.directory.domain(name) for name in ("a.example", "b.example")]
    assert one is not None
    assert other is not None
    assert [(each.account.account_id, each.mailbox) for each in found.mailboxes[1:]] == [
        (-one.domain_id, "archive/list"), (-one.domain_id, "News"), (-other.domain_id, "archive/list"),
    ]  # fmt: skip
    assert found.mailboxes[0].mailbox == "INBOX"
    assert str(found.mailboxes[1].account.address) == "+archive.list@a.example"


@pytest.mark.spec_part("STO-3")
async def test_a_stranger_does_not_write_to_the_shared_tree(house: House) -> None:
    found = await house.resolve("+archive.list@a.example")
    assert [problem.why for problem in found.problems] == ["unknown"]
    assert not found.mailboxes
    await house.alias("bad@a.example", "+a..b@a.example".replace("..", "//"))
    assert [problem.why for problem in (await house.resolve("bad@a.example")).problems] == ["unknown"]


async def test_a_catch_all_may_be_a_shared_mailbox(house: House) -> None:
    await house.directory.change_domain("a.example", catch_all="+lost@a.example")
    assert await house.ends("nobody@a.example") == ["+lost@a.example/lost"]
    assert (await house.resolve("+other@a.example")).mailboxes[0].mailbox == "lost"
