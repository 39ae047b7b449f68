"""Finding, running, allowing and auditing operations."""

from __future__ import annotations

import pytest

from posthouse.admin import registry
from posthouse.admin.arguments import UsageError
from posthouse.admin.context import Context, NotAllowed
from posthouse.base.errors import BadValue, MailError, NotFound
from posthouse.model.address import Address
from support.operations import make_context, populated, run


@pytest.mark.spec_part("ADM-1")
def test_every_operation_and_argument_has_help() -> None:
    for each in registry.operations().values():
        assert len(each.summary) > 10, each.name
        assert each.summary.endswith("."), each.name
        for argument in each.arguments:
            assert argument.help, f"{each.name}: {argument.name} has no help"


def test_nouns_and_verbs_are_singular_lower_case_words() -> None:
    for each in registry.operations().values():
        assert each.name.isascii(), each.name
        assert each.name == each.name.lower(), each.name
        assert len(each.name.split()) == 2, each.name


def test_nouns_and_verbs_match_without_regard_to_case() -> None:
    found, rest = registry.find(["USER", "Add", "X@y"])
    assert (found.name, rest) == ("user add", ["X@y"])


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "help"),
        (["usr", "add"], "did you mean 'user'"),
        (["user"], "add, list"),
        (["user", "fly"], "no verb 'fly'"),
    ],
)
def test_unknown_words_say_what_there_is(words: list[str], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        registry.find(words)


async def test_changes_are_audited_with_who_when_and_outcome_and_without_secrets() -> None:
    context = make_context().asked_by("ada@example.test", "administrator", "protocol")
    await run(context, "domain add example.test")
    await run(context, "user add jane@example.test --password hunter2")
    with pytest.raises(MailError):
        await run(context, "user add jane@example.test --password hunter2")
    await run(context, "user list")
    entries = await context.configuration.audited()
    assert [(entry.operation, entry.who, entry.via) for entry in entries] == [
        ("user add", "ada@example.test", "protocol"),
        ("user add", "ada@example.test", "protocol"),
        ("domain add", "ada@example.test", "protocol"),
    ]
    assert entries[0].outcome != "ok"
    assert entries[1].outcome == "ok"
    assert "address=jane@example.test" in entries[1].arguments
    assert not any("hunter2" in entry.arguments for entry in entries)
    assert entries[0].at == context.clock.now()


async def test_a_missing_argument_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="domain is missing"):
        await run(make_context(), "domain add")


async def test_text_from_standard_input_goes_to_arguments_that_take_it_only() -> None:
    with pytest.raises(UsageError):
        await run(make_context(), "user list", pattern="x")


async def domain_administrator() -> Context:
    return (await populated()).asked_by("omar@example.test", "domain-administrator", "protocol")


async def test_reader_may_look_and_not_change() -> None:
    context = (await populated()).asked_by("r@example.test", "reader", "protocol")
    assert len(await run(context, "user list")) == 4
    for line in ("user delete jane@example.test", "smtp set max_recipients 3", "queue retry", "node stop"):
        with pytest.raises(NotAllowed):
            await run(context, line)


async def test_plain_users_may_do_nothing_but_look_after_their_own_mail_and_lists() -> None:
    context = (await populated()).asked_by("jane@example.test", "user", "protocol")
    allowed = {each.name for each in registry.operations().values() if each.allowed(context.role)}
    held = {f"quarantine {verb}" for verb in ("list", "show", "release", "delete")}
    lists = {f"sender {verb}" for verb in ("list", "allow", "block", "load", "remove")}
    later = {f"postponed {verb}" for verb in ("list", "cancel", "send")}
    assert allowed == {*held, *lists, *later, "junk filter"}


async def test_domain_administrator_sees_only_the_own_domain() -> None:
    context = await domain_administrator()
    assert [row["domain"] for row in await run(context, "domain list")] == ["example.test"]
    assert [row["address"].partition("@")[2] for row in await run(context, "user list")] == ["example.test"] * 3
    for line in (
        "user show mei@example.org",
        "user delete mei@example.org",
        "domain show example.org",
        "alias add a@example.org b@example.net",
        "mailbox list mei@example.org",
        "mailbox create mei@example.org X",
    ):
        with pytest.raises(NotAllowed):
            await run(context, line)


async def test_domain_administrator_may_not_run_node_wide_operations() -> None:
    context = await domain_administrator()
    for line in ("setting list", "smtp set max_recipients 3", "queue list", "node status", "audit list", "domain add x.test"):
        with pytest.raises(NotAllowed):
            await run(context, line)


async def test_domain_administrator_cannot_rise_above_the_own_role() -> None:
    context = await domain_administrator()
    for line in (
        "user set jane@example.test --role administrator",
        "user set omar@example.test --role reader",
        "user add eve@example.test --role help-desk --password x",
        "user password ada@example.test --password taken",
        "user delete ada@example.test",
        "user set ada@example.test --enabled off",
    ):
        with pytest.raises(NotAllowed):
            await run(context, line)


async def test_help_desk_gives_new_passwords_to_users_only() -> None:
    context = (await populated()).asked_by("h@example.test", "help-desk", "protocol")
    await run(context, "user password jane@example.test", password="new one")
    account = await context.directory.account(Address.parse("jane@example.test"))
    assert account is not None
    assert account.secret == "quick:new one"
    with pytest.raises(NotAllowed):
        await run(context, "user password ada@example.test", password="taken")


async def test_help_knows_operations_nouns_and_topics() -> None:
    context = make_context()
    assert "user add" in await run(context, "help")
    assert "--password" in await run(context, "help user add")
    assert "15m" in await run(context, "help about times")
    with pytest.raises(UsageError, match="no topic"):
        await run(context, "help about nothing")


async def test_errors_are_of_the_family() -> None:
    with pytest.raises(NotFound):
        await run(make_context(), "user show jane@example.test")
    with pytest.raises(BadValue):
        await run(make_context(), "smtp set max_recipients none")


def test_a_noun_alone_has_all_the_operations_that_the_whole_registry_gives_it() -> None:
    for noun in registry.nouns():
        assert registry.of_noun(noun) == [each for each in registry.operations().values() if each.noun == noun]
