"""What each operation does, on in-memory backends."""

from __future__ import annotations

from dataclasses import replace

import pytest

from posthouse.admin import registry, rendering
from posthouse.admin.arguments import UsageError
from posthouse.admin.context import NotAllowed
from posthouse.admin.mailbox import name_pattern
from posthouse.backends.memory.textindex import MemoryTextIndex
from posthouse.base.errors import AlreadyExists, BadValue, MailError, NotFound
from posthouse.mailstore import envelope
from posthouse.model.address import Address
from posthouse.model.mailbox import NewMessage
from posthouse.model.trace import TraceRecord, TraceStep
from support.operations import NotingNode, make_context, populated, run


async def test_domain_life() -> None:
    context = make_context()
    assert await run(context, "domain add Example.TEST") == {"domain": "example.test", "catch_all": "", "enabled": True}
    with pytest.raises(AlreadyExists):
        await run(context, "domain add example.test")
    await run(context, "user add jane@example.test --password x")
    changed = await run(context, "domain set example.test --catch-all jane@example.test --enabled off")
    assert changed == {"domain": "example.test", "catch_all": "jane@example.test", "enabled": False}
    assert (await run(context, "domain show example.test")) == changed
    with pytest.raises(MailError):
        await run(context, "domain delete example.test")
    await run(context, "user delete jane@example.test")
    await run(context, "domain delete example.test")
    assert await run(context, "domain list") == []


async def test_domain_catch_all_is_taken_away_by_an_empty_word() -> None:
    context = await populated()
    await run(context, "domain set example.test --catch-all jane@example.test")
    assert (await run(context, "domain set example.test --catch-all="))["catch_all"] == ""


async def test_user_gets_hash_and_scram_keys() -> None:
    context = await populated()
    account = await context.directory.account(Address("jane", "example.test"))
    assert account is not None
    assert account.secret == "quick:jane-secret"
    assert len(account.scram.split("$")) == 4
    assert account.full_name == "Jane"


@pytest.mark.parametrize("password", ["", "with\nline end", "x" * 2000])
async def test_unusable_passwords_are_refused(password: str) -> None:
    with pytest.raises(BadValue):
        await run(await populated(), "user add new@example.test", password=password)


async def test_user_without_domain_is_refused() -> None:
    with pytest.raises(NotFound, match="no domain"):
        await run(make_context(), "user add jane@example.test --password x")


async def test_user_delete_takes_mailboxes_with_it() -> None:
    context = await populated()
    account = await context.directory.account(Address("jane", "example.test"))
    assert account is not None
    await run(context, "mailbox create jane@example.test Projects/Old")
    await run(context, "user delete jane@example.test")
    names = [box.name for box in await context.store.mailboxes(account.account_id)]
    assert "Projects/Old" not in names
    with pytest.raises(NotFound):
        await run(context, "user show jane@example.test")


async def test_user_list_pages_and_patterns() -> None:
    context = await populated()
    everyone = [row["address"] for row in await run(context, "user list")]
    assert everyone == sorted(everyone)
    assert [row["address"] for row in await run(context, "user list * 1 2")] == everyone[1:3]
    assert [row["address"] for row in await run(context, "user list j*")] == ["jane@example.test"]
    assert [row["address"] for row in await run(context, "user list *@example.org")] == ["mei@example.org"]


async def test_user_show_counts_messages_and_names_aliases() -> None:
    context = await populated()
    account = await context.directory.account(Address("jane", "example.test"))
    assert account is not None
    inbox = await context.store.mailbox(account.account_id, "INBOX")
    assert inbox is not None
    await context.store.append(inbox.mailbox_id, [NewMessage(b"Subject: x\r\n\r\nhello\r\n")])
    await run(context, "alias add info@example.test jane@example.test someone@elsewhere.test")
    shown = await run(context, "user show jane@example.test")
    assert (shown["messages"], shown["aliases"]) == (1, ["info@example.test"])
    assert shown["size_bytes"] > 0


async def test_alias_life() -> None:
    context = await populated()
    with pytest.raises(UsageError):
        await run(context, "alias add info@example.test")
    await run(context, "alias add info@example.test jane@example.test")
    with pytest.raises(AlreadyExists):
        await run(context, "alias add info@example.test omar@example.test")
    await run(context, "alias add info@example.test omar@example.test --replace")
    assert await run(context, "alias list") == [{"alias": "info@example.test", "targets": ["omar@example.test"], "owners": []}]
    await run(context, "alias delete info@example.test")
    assert await run(context, "alias list") == []


async def test_owners_of_an_alias_come_and_go_and_a_domains_administrator_names_those_of_the_domain_only() -> None:
    context = await populated()
    alias = "info@example.test"
    await run(context, f"alias add {alias} omar@example.test")
    with pytest.raises(UsageError):
        await run(context, f"alias own {alias}")
    assert (await run(context, f"alias own {alias} omar@example.test jane@example.test"))["owners"] == [
        "jane@example.test",
        "omar@example.test",
    ]
    await run(context, f"alias add {alias} ada@example.test --replace")
    assert (await run(context, "alias list"))[0]["owners"] == ["jane@example.test", "omar@example.test"]
    other, own = (context.asked_by(who, "domain-administrator", "protocol") for who in ("mei@example.org", "omar@example.test"))
    for line in (f"alias own {alias} mei@example.org", f"alias disown {alias} jane@example.test"):
        with pytest.raises(NotAllowed):
            await run(other, line)
    for owner in ("mei@example.org", "nobody@example.org"):
        with pytest.raises(NotAllowed):
            await run(own, f"alias own {alias} {owner}")
    assert (await run(own, f"alias disown {alias} jane@example.test"))["owners"] == ["omar@example.test"]
    with pytest.raises(NotFound):
        await run(own, f"alias disown {alias} jane@example.test")


async def test_mailbox_life() -> None:
    context = await populated()
    await run(context, "mailbox create jane@example.test Work/2026")
    assert (await run(context, "mailbox rename jane@example.test Work/2026 Done"))["mailbox"] == "Done"
    names = [row["mailbox"] for row in await run(context, "mailbox list jane@example.test")]
    assert "Done" in names
    assert names[0] == "INBOX"
    await run(context, "mailbox delete jane@example.test Done")
    assert "Done" not in [row["mailbox"] for row in await run(context, "mailbox list jane@example.test")]


async def test_mailbox_list_by_pattern_over_all_users() -> None:
    context = (await populated()).asked_by("root", "administrator", "protocol", "example.test")
    assert [row["mailbox"] for row in await run(context, "mailbox list %")] == ["user.ada", "user.jane", "user.omar"]
    assert [row["mailbox"] for row in await run(context, "mailbox list user.jane.S*")] == ["user.jane.Sent"]
    assert len(await run(context, "mailbox list * 0 4")) == 4


def test_mailbox_patterns_with_too_many_wildcards_are_refused() -> None:
    with pytest.raises(BadValue):
        name_pattern("*a" * 20)
    assert name_pattern("***").fullmatch("user.jane.Sent")


@pytest.mark.spec_part("ADM-5")
async def test_settings_are_typed_and_checked() -> None:
    context = make_context()
    assert (await run(context, "setting get smtp.max_recipients"))["value"] == "1000"
    assert (await run(context, "smtp set max_recipients 50"))["value"] == "50"
    assert (await run(context, "setting set smtp.relay_networks 10.0.0.0/8 192.0.2."))["value"] == "10.0.0.0/8 192.0.2."
    for line in ("smtp set max_recipients 0", "smtp set max_recipients many", "tls set minimum 1.0"):
        with pytest.raises(BadValue):
            await run(context, line)
    with pytest.raises(NotFound):
        await run(context, "smtp set nonsense 1")
    with pytest.raises(UsageError):
        await run(context, "smtp set max_recipients")
    assert [row["key"] for row in await run(context, "setting list --changed")] == [
        "smtp.max_recipients",
        "smtp.relay_networks",
    ]
    assert (await run(context, "setting reset smtp.max_recipients"))["value"] == "1000"


@pytest.mark.spec_part("ADM-5")
async def test_settings_history_and_undo() -> None:
    context = make_context().asked_by("ada@example.test", "administrator", "shell")
    await run(context, "smtp set max_recipients 50")
    await run(context, "smtp set max_recipients 60")
    history = await run(context, "setting history smtp.max_recipients")
    assert [(row["who"], row["before"], row["after"]) for row in history] == [
        ("ada@example.test", "50", "60"),
        ("ada@example.test", "1000", "50"),
    ]
    assert history[0]["at"] == rendering.stamp(context.clock.now())
    await run(context, "setting undo")
    assert (await context.configuration.load()).smtp.max_recipients == 50
    await run(context, f"setting undo {history[1]['version']}")
    assert (await context.configuration.load()).smtp.max_recipients == 1000
    with pytest.raises(NotFound):
        await run(context, "setting undo 999")


async def test_undo_with_no_history_says_so() -> None:
    with pytest.raises(NotFound, match="no change"):
        await run(make_context(), "setting undo")


@pytest.mark.spec_part("ADM-5")
async def test_settings_export_and_import_are_one_version() -> None:
    context = make_context()
    await run(context, "smtp set max_recipients 50")
    await run(context, "imap set compress off")
    text = await run(context, "setting export")
    fresh = make_context()
    rows = await run(fresh, "setting import", text="# a comment\n\n" + text)
    assert {row["key"]: row["value"] for row in rows} == {"smtp.max_recipients": "50", "imap.compress": "off"}
    assert (await fresh.configuration.load()).version == 1
    assert await run(fresh, "setting export") == text
    await run(fresh, "setting undo")
    assert (await fresh.configuration.load()).smtp.max_recipients == 1000
    assert (await fresh.configuration.load()).imap.compress is True


@pytest.mark.parametrize("text", ["smtp.max_recipients", "smtp.nonsense = 1", "smtp.max_recipients = none"])
async def test_settings_import_is_all_or_nothing_and_names_the_line(text: str) -> None:
    context = make_context()
    with pytest.raises(BadValue, match="line 2"):
        await run(context, "setting import", text=f"imap.compress = off\n{text}\n")
    assert (await context.configuration.load()).imap.compress is True


async def test_settings_changes_are_told_to_all_processes() -> None:
    context = make_context()
    heard: list[object] = []
    context.bus.subscribe("settings", heard.append)
    await run(context, "smtp set max_recipients 50")
    import asyncio

    await asyncio.sleep(0)
    assert heard == [{"version": 1}]


async def test_node_operations() -> None:
    context = make_context()
    status = await run(context, "node status")
    assert status["state"] == "running"
    assert status["listeners"] == [{"service": "smtp", "address": "127.0.0.1:25"}]
    reloaded = {"taken": ["dns.nameservers: none -> 127.0.0.1:53"], "needs_restart": ["listen.imap: none -> 127.0.0.1:143"]}
    assert await run(context, "node reload") == reloaded
    await run(context, "node stop")
    assert isinstance(context.node, NotingNode)
    assert context.node.told == ["reload", "stop"]
    assert (await run(context, "certificate list"))[0]["days_left"] == 30
    assert await run(context, "store check") == {"sound": True, "problems": []}


def trace(trace_id: str, sender: str, recipients: tuple[str, ...], at: float, **more: object) -> TraceRecord:
    record = TraceRecord(
        trace_id=trace_id,
        at=at,
        service="smtp",
        client="192.0.2.1",
        helo="out.example.net",
        account="",
        sender=sender,
        recipients=recipients,
        message_id="<m1@example.net>",
        subject="A \x1b[31msubject",
        size_bytes=1234,
        outcome="accepted",
        reply="250 2.0.0 taken",
        steps=(TraceStep(at, "route", "mailbox", "continue", recipients[0], "into INBOX"),),
    )
    from dataclasses import replace

    return replace(record, **more)  # type: ignore[arg-type]


@pytest.mark.spec_part("MON-1")
async def test_mail_trace_finds_by_id_address_message_id_and_options() -> None:
    context = make_context()
    trace_id = context.ids.new()
    other = context.ids.new()
    context.traces.record(trace(trace_id, "a@example.net", ("jane@example.test",), 1000.0))
    context.traces.record(
        trace(trace_id, "a@example.net", ("jane@example.test",), 1010.0, service="queue", outcome="delivered")
    )
    context.traces.record(trace(other, "b@example.net", ("omar@example.test",), 2000.0, message_id="<m2@example.net>"))
    for line in (
        trace_id.lower(),
        "<m1@example.net>",
        "m1@example.net",
        "jane@example.test",
        "a@example.net",
        f"--id {trace_id}",
        "--sender a@*",
        "--recipient JANE@example.test",
        "--message-id m1@example.net",
        "--until 1970-01-01T00:20",
    ):
        found = await run(context, f"mail trace {line}")
        assert [story["trace_id"] for story in found] == [trace_id], line
        assert [event["outcome"] for event in found[0]["events"]] == ["accepted", "delivered"]
    assert len(await run(context, "mail trace")) == 2
    assert len(await run(context, "mail list example.net")) == 3
    assert await run(context, "mail trace nobody@example.test") == []


async def test_mail_trace_is_told_in_words_that_cannot_steer_a_terminal() -> None:
    context = make_context()
    context.traces.record(trace(context.ids.new(), "a@example.net", ("jane@example.test",), 1000.0))
    for line in (["mail", "trace"], ["mail", "list"]):
        told = rendering.people((await registry.run(context, line)).result)
        assert "jane@example.test" in told
        assert "\x1b" not in told


async def test_mail_trace_shows_a_domain_administrator_only_the_own_part() -> None:
    context = await populated()
    both = trace(context.ids.new(), "a@example.net", ("jane@example.test", "mei@example.org"), 1000.0)
    context.traces.record(both)
    context.traces.record(trace(context.ids.new(), "a@example.net", ("mei@example.org",), 1001.0))
    own = context.asked_by("omar@example.test", "domain-administrator", "protocol")
    found = await run(own, "mail trace")
    assert [story["recipients"] for story in found] == [["jane@example.test"]]
    assert "mei@example.org" not in found[0]["story"]


def test_tables_align_and_show_yes_and_no() -> None:
    from posthouse.admin.domain import DomainRow

    text = rendering.people([DomainRow("a.test", "", True), DomainRow("longer.test", "x@a.test", False)])
    assert text.splitlines() == [
        "DOMAIN       CATCH ALL  ENABLED",
        "a.test                  yes",
        "longer.test  x@a.test   no",
    ]
    assert rendering.people([]) == "(none)"
    assert rendering.people(None) == ""


async def test_search_status_and_reindex_need_an_index() -> None:
    context = make_context()
    for words in ("search status", "search reindex"):
        with pytest.raises(MailError, match="no full-text index"):
            await run(context, words)
    cleared: list[bool] = []
    index = MemoryTextIndex(context.store, envelope.texts)
    context = replace(context, text_index=index, clear_index=lambda: cleared.append(True))
    assert await run(context, "search status") == {
        "complete": True, "indexed": 0, "waiting": 0, "unread": 0, "documents": 0, "documents_waiting": 0, "size_bytes": 0,
    }  # fmt: skip
    await run(context, "search reindex")
    assert cleared == [True]
