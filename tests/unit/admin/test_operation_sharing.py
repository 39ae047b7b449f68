"""Operations on sharing: rights on users' and shared mailboxes, and what ends when their holders go (STO-3)."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from posthouse.admin.context import Context, NotAllowed
from posthouse.base.errors import BadValue, NotFound
from support.operations import populated, run


@pytest.fixture
async def context() -> Context:
    """jane, omar (domain administrator) and ada at example.test, mei at example.org; jane has Work."""
    made = await populated()
    await run(made, "mailbox create jane@example.test Work")
    return made


async def entries(context: Context, mailbox: str) -> Sequence[tuple[str, str]]:
    rows = await run(context, f"share list {mailbox}")
    return [(row["identifier"], row["rights"]) for row in rows]


async def test_rights_are_given_listed_and_taken_away(context: Context) -> None:
    await run(context, "share add jane@example.test/Work omar")
    await run(context, "share add jane@example.test/Work mei@example.org lrd")
    await run(context, "share add jane@example.test/Work -domain:example.org e")
    assert await entries(context, "jane@example.test/Work") == [
        ("-domain:example.org", "e"), ("mei@example.org", "lrte"), ("omar@example.test", "lrs"),
    ]  # fmt: skip
    await run(context, "share add jane@example.test/Work omar l")
    await run(context, "share delete jane@example.test/Work mei@example.org")
    await run(context, "share delete jane@example.test/Work -domain:example.org")
    assert await entries(context, "jane@example.test/Work") == [("omar@example.test", "l")]
    with pytest.raises(NotFound):
        await run(context, "share delete jane@example.test/Work mei@example.org")


@pytest.mark.parametrize(
    "line",
    ["share add jane@example.test/Nothing omar lr", "share add nobody@example.test/Work omar lr",
     "share add jane@example.test/Work nobody lr", "share add jane@example.test/Work domain:nowhere.test lr",
     "share add jane@example.test/Work $nolist lr", "share add nowhere.test/News omar lr", "share list example.test/News"],
)  # fmt: skip
async def test_what_is_not_there_is_refused(context: Context, line: str) -> None:
    with pytest.raises(NotFound):
        await run(context, line)


@pytest.mark.parametrize("line", ["share add jane@example.test/Work omar lrz", "share add jane@example.test omar lr",
                                  "share add jane@example.test/Work omar \"\"", "sharedmailbox create example.test @x",
                                  "sharedmailbox create example.test inbox"])  # fmt: skip
async def test_what_cannot_be_meant_is_refused(context: Context, line: str) -> None:
    with pytest.raises(BadValue):
        await run(context, line)


async def test_shared_mailboxes_are_made_renamed_listed_and_deleted(context: Context) -> None:
    await run(context, "sharedmailbox create example.test News/Company")
    await run(context, "share add example.test/News domain:example.test lrs")
    await run(context, "sharedmailbox rename example.test News Press")
    rows = await run(context, "sharedmailbox list example.test")
    assert [row["mailbox"] for row in rows] == ["Press", "Press/Company"]
    assert await entries(context, "example.test/Press") == [("domain:example.test", "lrs")]
    await run(context, "sharedmailbox delete example.test Press/Company")
    assert await run(context, "sharedmailbox list example.org") == []


async def test_find_shows_what_a_user_sees_under_its_names(context: Context) -> None:
    await run(context, "sharedmailbox create example.test News")
    await run(context, "share add example.test/News anyone lr")
    await run(context, "alias add team@example.test mei@example.org")
    await run(context, "share add jane@example.test/Work team l")
    rows = await run(context, "share find mei@example.org")
    assert [(row["mailbox"], row["rights"]) for row in rows] == [
        ("Shared/@example.test/News", "lr"), ("Other Users/jane@example.test/Work", "l"),
    ]  # fmt: skip
    rows = await run(context, "share find jane@example.test")
    assert [(row["mailbox"], row["rights"]) for row in rows] == [("Shared/News", "lr")]


async def test_rights_end_with_their_holders(context: Context) -> None:
    await run(context, "alias add team@example.test mei@example.org")
    for identifier in ("mei@example.org", "team", "domain:example.org"):
        await run(context, f"share add jane@example.test/Work {identifier} lr")
    await run(context, "sharedmailbox create example.org Lists")
    await run(context, "user delete mei@example.org")
    await run(context, "alias delete team@example.test")
    assert await entries(context, "jane@example.test/Work") == [("domain:example.org", "lr")]
    await run(context, "domain delete example.org")
    assert await entries(context, "jane@example.test/Work") == []
    await run(context, "domain add example.org")
    assert await run(context, "sharedmailbox list example.org") == []


async def test_a_domain_administrator_stays_in_the_domain(context: Context) -> None:
    omar = context.asked_by("omar@example.test", "domain-administrator", "protocol")
    await run(omar, "sharedmailbox create example.test News")
    await run(omar, "share add example.test/News mei@example.org lr")
    for line in ("share add mei@example.org/INBOX jane@example.test lr", "sharedmailbox create example.org News",
                 "share list example.org/News", "share add ada@example.test/INBOX jane lr"):  # fmt: skip
        with pytest.raises(NotAllowed):
            await run(omar, line)


async def test_attack_a_domain_administrator_writes_into_no_other_domains_shared_tree(context: Context) -> None:
    """An alias needs no rights there, and makes mailboxes that are missing."""
    omar = context.asked_by("omar@example.test", "domain-administrator", "protocol")
    await run(context, "sharedmailbox create example.org News")
    for line in ("alias add news@example.test jane@example.test +News@example.org",
                 "alias add news@example.test +Shared/News@EXAMPLE.org",
                 "domain set example.test --catch-all +News@example.org"):  # fmt: skip
        with pytest.raises(NotAllowed):
            await run(omar, line)
    await run(omar, "alias add news@example.test +News@example.test mei@example.org")
    await run(omar, "domain set example.test --catch-all +Unknown@example.test")
    await run(context, "alias add press@example.test +News@example.org")
