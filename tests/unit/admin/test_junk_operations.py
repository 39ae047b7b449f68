"""The operations sender and junk: whose lists, who may, what is kept (CON-11, CON-12, CON-13)."""

from __future__ import annotations

import pytest

from posthouse.admin.arguments import UsageError
from posthouse.admin.context import NotAllowed
from posthouse.base.errors import BadValue, NotFound
from posthouse.model.account import Role
from support.operations import populated, run


async def test_entries_are_allowed_blocked_listed_and_removed() -> None:
    context = await populated()
    who = "--user jane@example.test"
    assert await run(context, f"sender allow Friend@Good.TEST news.test {who}") == {"changed": 2}
    assert await run(context, f"sender allow friend@good.test {who}") == {"changed": 0}
    assert await run(context, f"sender allow list@lists.test --recipients {who}") == {"changed": 1}
    assert await run(context, f"sender block *@*.bad.test {who}") == {"changed": 1}
    assert await run(context, f"sender list {who}") == [
        {"kind": "blocked sender", "entry": "*@*.bad.test"},
        {"kind": "allowed sender", "entry": "friend@good.test"},
        {"kind": "allowed recipient", "entry": "list@lists.test"},
        {"kind": "allowed sender", "entry": "news.test"},
    ]
    assert await run(context, f"sender list {who} --kind blocked") == [{"kind": "blocked sender", "entry": "*@*.bad.test"}]
    assert await run(context, f"sender remove FRIEND@good.test {who}") == {"changed": 1}
    with pytest.raises(NotFound):
        await run(context, f"sender remove friend@good.test {who}")
    assert await run(context, "sender list --system") == []


async def test_a_list_is_loaded_whole() -> None:
    context = await populated()
    text = "a@x.test\n# friends\nb@x.test  # my brother\n\n"
    assert await run(context, "sender load sender --domain example.test", text=text) == {"changed": 2}
    assert [row["entry"] for row in await run(context, "sender list --domain example.test")] == ["a@x.test", "b@x.test"]
    with pytest.raises(BadValue, match="everybody"):
        await run(context, "sender load sender --domain example.test", text="c@x.test\n*\n")
    assert len(await run(context, "sender list --domain example.test")) == 2


async def test_somebody_must_be_named_who_is_there() -> None:
    context = await populated()
    for line in (
        "sender list",
        "sender list --system --user jane@example.test",
        "junk set --action tag",
        "sender allow --system",
    ):
        with pytest.raises(UsageError):
            await run(context, line)
    for line in ("sender allow a@x.test --user nobody@example.test", "junk filter nobody@example.test off"):
        with pytest.raises(NotFound):
            await run(context, line)
    assert await run(context, "sender allow a@x.test --user lee@backend.test") == {"changed": 1}


async def test_a_domain_administrator_keeps_to_the_domain() -> None:
    context = (await populated()).asked_by("omar@example.test", "domain-administrator", "test")
    assert await run(context, "sender block a@x.test --user jane@example.test") == {"changed": 1}
    assert (await run(context, "junk set --domain example.test --action tag"))["action"] == "tag"
    for line in (
        "sender allow a@x.test --system", "sender list --system", "sender allow a@x.test --domain example.org",
        "sender list --user mei@example.org", "junk set --user mei@example.org --action tag", "junk show --domain example.org",
        "junk set --cos any --action tag", "junk filter mei@example.org off", "sender block a@x.test --user ada@example.test",
    ):  # fmt: skip
        with pytest.raises(NotAllowed):
            await run(context, line)


async def test_terms_are_set_shown_and_taken_back() -> None:
    context = await populated()
    await run(context, "cos add pop")
    shown = await run(context, "junk set --cos pop --action tag --spam-points 40 --subject-tag [JUNK]")
    assert (shown["whose"], shown["action"], shown["spam_points"], shown["subject_tag"]) == ("pop", "tag", "40", "[JUNK]")
    await run(context, "user set jane@example.test --cos pop")
    assert (await run(context, "junk show --user jane@example.test"))["action"] == "tag"
    assert (await run(context, "junk show"))["action"] == "move"
    assert await run(context, "junk filter jane@example.test exclusive") == {
        "address": "jane@example.test", "filter": "exclusive",
    }  # fmt: skip
    assert (await run(context, "junk set --cos pop --spam-points inherit"))["spam_points"] == ""
    assert await run(context, "junk filter jane@example.test inherit") == {"address": "jane@example.test", "filter": "normal"}


@pytest.mark.parametrize(
    "words", ["--spam-points many", "--reject-points -1", "--spam-points nan", "--subject-tag " + "x" * 50]
)
async def test_what_does_not_fit_is_refused(words: str) -> None:
    context = await populated()
    with pytest.raises(BadValue):
        await run(context, f"junk set --domain example.test {words}")


@pytest.mark.parametrize("role", ["user", "reader", "quarantine-administrator"])
async def test_everybody_keeps_their_own_list_and_filter(role: Role) -> None:
    everything = await populated()
    jane = everything.asked_by("jane@example.test", role, "api")
    assert await run(jane, "sender allow friend@good.test") == {"changed": 1}
    assert await run(jane, "sender block bad.test --user JANE@example.test") == {"changed": 1}
    assert await run(jane, "sender load blocked", text="worse.test") == {"changed": 1}
    assert await run(jane, "sender remove worse.test") == {"changed": 1}
    assert [row["entry"] for row in await run(jane, "sender list")] == ["bad.test", "friend@good.test"]
    rows = await run(everything, "sender list --user jane@example.test")
    assert [row["entry"] for row in rows] == ["bad.test", "friend@good.test"]
    assert await run(jane, "junk filter jane@example.test exclusive") == {"address": "jane@example.test", "filter": "exclusive"}


@pytest.mark.parametrize("role", ["user", "reader", "quarantine-administrator", "help-desk"])
async def test_attack_nobody_changes_anothers_list_or_filter(role: Role) -> None:
    context = (await populated()).asked_by("jane@example.test", role, "api")
    changes = [f"sender {words}" for words in ("allow evil.test", "block good.test", "remove good.test")]
    lists = ("--system", "--domain example.test", "--user mei@example.org")
    for line in [f"{change} {whose}" for change in changes for whose in lists]:
        with pytest.raises(NotAllowed):
            await run(context, line)
    with pytest.raises(NotAllowed):
        await run(context, "junk filter mei@example.org off")
    with pytest.raises(NotAllowed):
        await run(context.asked_by("root", role, "shell"), "sender allow evil.test")
    if role != "help-desk":
        for whose in lists:
            with pytest.raises(NotAllowed):
                await run(context, f"sender list {whose}")
