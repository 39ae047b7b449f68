"""Operations on limits, quotas, deleted messages and expiry (STO-2, STO-5, STO-6, DIR-5)."""

from __future__ import annotations

from typing import Any

import pytest

from posthouse.admin.arguments import parse_amount
from posthouse.admin.context import Context, NotAllowed
from posthouse.base.errors import BadValue, MailError, NotFound
from posthouse.model.address import Address
from posthouse.model.mailbox import NewMessage
from support.operations import populated, run

JANE = "jane@example.test"


async def fill(context: Context, count: int, mailbox: str = "INBOX") -> int:
    account = await context.directory.account(Address.parse(JANE))
    assert account is not None
    info = await context.store.mailbox(account.account_id, mailbox)
    assert info is not None
    await context.store.append(info.mailbox_id, [NewMessage(b"Subject: %d\r\n\r\nx\r\n" % number) for number in range(count)])
    return info.mailbox_id


@pytest.mark.parametrize(
    ("text", "amount"),
    [("0", 0), ("1000", 1000), ("2K", 2048), ("1.5 MiB", 1_572_864), ("3gb", 3 << 30), ("none", 0), ("INHERIT", -1)],
)
def test_amounts_are_read(text: str, amount: int) -> None:
    assert parse_amount(text) == amount


@pytest.mark.parametrize("text", ["", "-1", "1X", "K", "1e3", "٣"])
def test_amounts_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match="amount"):
        parse_amount(text)


async def test_classes_of_service() -> None:
    context = await populated()
    await run(context, "cos add Gold")
    row = await run(context, "cos set gold --quota-bytes 2G --undelete-bytes none")
    assert (row["name"], row["quota_bytes"], row["undelete_bytes"], row["quota_messages"]) == ("gold", 2 << 30, 0, None)
    assert await run(context, "cos list") == [row]
    await run(context, f"user set {JANE} --cos gold")
    assert (await run(context, f"quota show {JANE}"))["quota_bytes"] == 2 << 30
    assert (await run(context, f"user show {JANE}"))["cos"] == "gold"
    with pytest.raises(MailError, match="1 users"):
        await run(context, "cos delete gold")
    await run(context, f"user set {JANE} --quota-bytes 5K")
    assert (await run(context, f"quota show {JANE}"))["quota_bytes"] == 5 << 10
    await run(context, f"user set {JANE} --quota-bytes inherit --cos=")
    assert (await run(context, f"quota show {JANE}"))["quota_bytes"] == 0
    await run(context, "cos delete gold")
    with pytest.raises(NotFound):
        await run(context, "cos show gold")


async def test_quotas_of_users_and_domains() -> None:
    context = await populated()
    await run(context, "domain set example.test --quota-messages 5 --user-quota-messages 3")
    await fill(context, 3)
    shown = await run(context, f"quota show {JANE}")
    assert (shown["messages"], shown["quota_messages"], shown["percent"], shown["mailboxes"]) == (3, 3, 100, 6)
    with pytest.raises(MailError, match="too many messages"):
        await fill(context, 1)
    shown = await run(context, "quota show example.test")
    assert (shown["messages"], shown["quota_messages"], shown["percent"]) == (3, 5, 60)
    assert (await run(context, "quota recount"))["wrong"] == 0
    for line, error in (
        ("quota show nobody@example.test", NotFound),
        ("quota show x.test", NotFound),
        ("quota show a@", BadValue),
    ):
        with pytest.raises(error):
            await run(context, line)


async def test_a_domain_administrator_limits_users_but_not_the_domain() -> None:
    context = (await populated()).asked_by("omar@example.test", "domain-administrator", "protocol")
    await run(context, f"user set {JANE} --quota-messages 9")
    for line in ("domain set example.test --quota-bytes none", "user set mei@example.org --quota-bytes 1", "cos add x"):
        with pytest.raises(NotAllowed):
            await run(context, line)
    with pytest.raises(NotAllowed):
        await run(context, "quota show mei@example.org")


async def test_deleted_messages_are_listed_restored_and_purged() -> None:
    context = await populated()
    inbox = await fill(context, 4)
    await context.store.expunge(inbox, [1, 2, 3], unmarked=True)
    [row] = await run(context, f"undelete list {JANE}")
    assert (row["mailbox"], row["messages"]) == ("INBOX", 3)
    assert [each["mailbox"] for each in await run(context, f"mailbox list {JANE}") if "Deleted" in each["mailbox"]] == []
    assert (await run(context, f"undelete restore {JANE} --mailbox INBOX --uid 2"))["messages"] == 1
    assert (await run(context, f"undelete restore {JANE} --since 1h"))["messages"] == 2
    assert (await run(context, f"user show {JANE}"))["messages"] == 4
    await context.store.expunge(inbox, None, unmarked=True)
    assert (await run(context, f"undelete purge {JANE} --mailbox INBOX --uid 4:5"))["messages"] == 2
    assert (await run(context, f"undelete purge {JANE}"))["messages"] == 2
    for option in ("--uid 1", "--uid x --mailbox INBOX", "--uid 1:99999999 --mailbox INBOX"):
        with pytest.raises(BadValue):
            await run(context, f"undelete purge {JANE} {option}")


async def test_a_quota_of_a_mailbox_tree() -> None:
    context = await populated()
    row: Any = await run(context, f"mailbox limit {JANE} Archive --quota-bytes 5K --quota-messages 2")
    assert row == {"mailbox": "Archive", "quota_bytes": 5120, "quota_messages": 2}
    with pytest.raises(MailError, match="Archive and what is below it is full"):
        await fill(context, 3, "Archive")
    await run(context, f"mailbox limit {JANE} Archive")
    await fill(context, 3, "Archive")
    with pytest.raises(NotFound):
        await run(context, f"mailbox limit {JANE} Nowhere --quota-bytes 1")


async def test_expiry_of_a_mailbox() -> None:
    context = await populated()
    await fill(context, 3, "Trash")
    row: Any = await run(context, f"mailbox expire {JANE} Trash --keep 1 --unread")
    assert row == {"mailbox": "Trash", "policy": "keep=1 only=unread"}
    assert (await run(context, "expiry run"))["messages"] == 2
    assert (await run(context, f"mailbox expire {JANE} Trash"))["policy"] == ""
    await fill(context, 3, "Trash")
    assert (await run(context, "expiry run"))["messages"] == 0
    for options in ("--read-only --unread --days 1", "--days -1", "--keep 99999999999"):
        with pytest.raises(BadValue):
            await run(context, f"mailbox expire {JANE} Trash {options}")
