"""Who sees and does what with held mail, and that every look is on record (QTN-1, QTN-4, QTN-6)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from posthouse.admin.context import Context, NotAllowed
from posthouse.base.errors import NotFound, Permanent
from posthouse.formats.mime import summarise
from posthouse.model.account import Role
from posthouse.model.address import Address
from posthouse.model.envelope import Recipient, Sender
from posthouse.model.plan import Acceptance, Origin, ToMailbox, ToQuarantine
from posthouse.model.senders import ListOwner
from posthouse.model.verdict import QuarantineKind
from support.house import MESSAGE, House
from support.operations import populated, run

JANE, MEI = "jane@example.test", "mei@example.org"


async def desk() -> tuple[Context, House]:
    """The usual people, with a house that holds: 1 jane's junk, 2 mei's junk, 3 a virus for jane, 4 jane's secrets."""
    context, house = await populated(), House()
    for name in (JANE, MEI):
        await house.add_user(name)
    context = replace(
        context,
        quarantine=house.quarantine,
        releases=house.releases,
        store=house.store,
        sink=house.sink,
        directory=house.directory,
    )
    for kind, name, user in (("junk", JANE, JANE), ("junk", MEI, MEI), ("virus", "virus", JANE), ("filter", "secrets", JANE)):
        await hold(house, user, kind, name)  # type: ignore[arg-type]
    return context, house


async def hold(house: House, user: str, kind: QuarantineKind, name: str, author: str = "") -> None:
    account = await house.directory.account(Address.parse(user))
    assert account is not None
    onward = ToMailbox(Recipient(account.address), account.account_id, "INBOX", account=user, domain_id=account.domain_id)
    where = ToQuarantine(onward.recipient, kind, name, "senders", "spam", "60 points", onward=onward)
    content = MESSAGE.replace(b"From: lena@elsewhere.test", f"From: {author}".encode()) if author else MESSAGE
    sender = Sender(Address.parse("lena@elsewhere.test"))
    origin = Origin("smtp", "192.0.2.9", "host.elsewhere.test", spf="pass", score=60.0 if kind == "junk" else None)
    await house.sink.commit(Acceptance("T1", 1.0, sender, content, summarise(content), (where,), origin))
    house.sink.accepted.clear()


async def ids(context: Context, words: str = "") -> list[int]:
    return [row["held_id"] for row in await run(context, f"quarantine list {words}")]


def as_(context: Context, who: str, role: Role) -> Context:
    return context.asked_by(who, role, "protocol")


async def test_lists_tell_why_by_kind_recipient_domain_and_words() -> None:
    context, _ = await desk()
    assert await ids(context) == [4, 3, 2, 1]
    assert await ids(context, "--kind junk") == [2, 1]
    assert await ids(context, "--recipient jane@* --limit 2") == [4, 3]
    assert await ids(context, "--before 3") == [2, 1]
    assert await ids(context, "--domain example.org") == [2]
    assert await ids(context, "--search lena --name secrets") == [4]
    (row,) = await run(context, "quarantine list --name secrets")
    assert (row["why"], row["score"], row["sender"], row["subject"]) == ("60 points", None, "lena@elsewhere.test", "Hello")


@pytest.mark.parametrize(
    ("who", "role", "seen"),
    [
        ("q@example.test", "quarantine-administrator", [4, 3, 2, 1]),
        ("omar@example.test", "domain-administrator", [4, 3, 1]),
        (JANE, "user", [1]),
        (MEI, "user", [2]),
        (JANE, "help-desk", [1]),
        (JANE, "reader", [1]),
    ],
)
async def test_each_role_sees_and_touches_what_is_its_own(who: str, role: Role, seen: list[int]) -> None:
    context, _ = await desk()
    caller = as_(context, who, role)
    assert await ids(caller) == seen
    for held_id in {1, 2, 3, 4} - set(seen):
        for words in ("show", "release", "delete"):
            with pytest.raises(NotFound, match="there is no message"):
                await run(caller, f"quarantine {words} {held_id}")
    assert await ids(context) == [4, 3, 2, 1]


@pytest.mark.parametrize("words", ["--kind virus", "--recipient mei@example.org", "--domain example.org"])
async def test_a_user_cannot_widen_the_list(words: str) -> None:
    context, _ = await desk()
    assert set(await ids(as_(context, JANE, "user"), words)) <= {1}


async def test_a_domain_administrator_cannot_ask_for_another_domain() -> None:
    context, _ = await desk()
    with pytest.raises(NotAllowed):
        await ids(as_(context, "omar@example.test", "domain-administrator"), "--domain example.org")


@pytest.mark.parametrize("words", ["reject 1", "inform 1", "stats"])
async def test_users_neither_reject_nor_inform_nor_count(words: str) -> None:
    context, _ = await desk()
    with pytest.raises(NotAllowed):
        await run(as_(context, JANE, "user"), f"quarantine {words}")


@pytest.mark.spec_part("QTN-6")
async def test_every_view_release_and_delete_is_audited_also_those_that_fail() -> None:
    context, _ = await desk()
    jane = as_(context, JANE, "user")
    await run(jane, "quarantine list --search offer")
    await run(jane, "quarantine show 1")
    await run(jane, "quarantine show 1 --content")
    for words in ("quarantine show 2", "quarantine release 3"):
        with pytest.raises(NotFound):
            await run(jane, words)
    await run(jane, "quarantine release 1")
    await run(context, "quarantine delete 2 4")
    audited = [
        (each.who, each.operation, each.arguments, each.outcome) for each in await context.configuration.audited(limit=50)
    ]
    assert [each for each in reversed(audited) if each[1].startswith("quarantine")] == [
        (JANE, "quarantine list", "search=offer", "ok"),
        (JANE, "quarantine show", "held_id=1", "ok"),
        (JANE, "quarantine show", "held_id=1 content=True", "ok"),
        (JANE, "quarantine show", "held_id=2", "there is no message 2 in the quarantine"),
        (JANE, "quarantine release", "held_ids=3", "there is no message 3 in the quarantine"),
        (JANE, "quarantine release", "held_ids=1", "ok"),
        ("root", "quarantine delete", "held_ids=2 4", "ok"),
    ]


async def test_show_gives_the_reason_the_way_and_the_text_and_all_of_it_when_asked() -> None:
    context, _ = await desk()
    shown = await run(context, "quarantine show 1")
    assert (shown["stage"], shown["rule"], shown["why"], shown["client"]) == (
        "senders", "spam", "60 points", "host.elsewhere.test [192.0.2.9]",
    )  # fmt: skip
    assert (shown["text"].strip(), shown["content"], shown["spf"]) == ("Hi.", "", "pass")
    assert "Subject: Hello" in (await run(context, "quarantine show 1 --content"))["content"]


async def test_a_virus_is_not_released_and_those_that_can_be_are() -> None:
    context, house = await desk()
    with pytest.raises(Permanent, match="never released"):
        await run(context, "quarantine release 3")
    done: list[dict[str, Any]] = await run(context, "quarantine release 1 3 99 4")
    assert [(row["held_id"], row["outcome"]) for row in done] == [
        (1, "accepted"),
        (3, "failed"),
        (99, "failed"),
        (4, "accepted"),
    ]
    assert await ids(context) == [3, 2]
    jane = await house.directory.account(Address.parse(JANE))
    assert jane is not None
    assert len(await house.inbox(jane)) == 2


async def test_release_and_allow_adds_the_author_to_the_recipients_own_list() -> None:
    context, _ = await desk()
    (done,) = await run(as_(context, JANE, "user"), "quarantine release 1 --allow")
    assert "lena@elsewhere.test is allowed" in done["detail"]
    (entry,) = await context.junk.senders.entries(ListOwner("user", JANE))
    assert (entry.kind, entry.pattern) == ("sender", "lena@elsewhere.test")


@pytest.mark.parametrize("author", ["*@elsewhere.test", '"*"@x.test', "elsewhere.test", "?@x.test", "a@x.test, b@y.test"])
async def test_a_strangers_author_field_is_never_a_pattern(author: str) -> None:
    context, house = await desk()
    await hold(house, JANE, "junk", JANE, author)
    (done,) = await run(as_(context, JANE, "user"), "quarantine release 5 --allow")
    assert (done["outcome"], "is allowed" in done["detail"]) == ("accepted", False)
    assert await context.junk.senders.entries(ListOwner("user", JANE)) == []


async def test_stats_count_by_quarantine_and_domain_administrators_their_own() -> None:
    context, _ = await desk()
    rows = await run(context, "quarantine stats")
    assert [(row["kind"], row["quarantine"], row["messages"]) for row in rows] == [
        ("filter", "secrets", 1), ("junk", "(personal)", 2), ("virus", "virus", 1),
    ]  # fmt: skip
    rows = await run(as_(context, "omar@example.test", "domain-administrator"), "quarantine stats")
    assert [row["messages"] for row in rows] == [1, 1, 1]


async def test_on_a_node_that_does_not_run_held_mail_stays() -> None:
    context, _ = await desk()
    with pytest.raises(Permanent, match="running node"):
        await run(replace(context, releases=None), "quarantine release 1")
