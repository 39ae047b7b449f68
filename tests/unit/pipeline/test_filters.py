"""Scripts run on mail: what each action comes to, who is asked when, and that nothing is lost over a script."""

from __future__ import annotations

import email
import threading
from collections.abc import Sequence
from email.message import Message
from typing import Any

import pytest

from posthouse.base.errors import NoSpace, Permanent
from posthouse.content.sieve import runner
from posthouse.content.sieve.runner import run
from posthouse.model.account import Account
from posthouse.model.address import Address
from posthouse.model.mailbox import FLAGGED, SEEN
from posthouse.model.plan import Acceptance, Destination, ToMailbox, ToNowhere, ToQuarantine, ToQueue
from posthouse.model.script import SYSTEM, ScriptOwner
from posthouse.model.trace import TraceQuery, TraceRecord
from posthouse.model.verdict import Reply
from support.house import MESSAGE, House

JANE, OMAR, LENA = "jane@example.test", "omar@example.test", "lena@elsewhere.test"
POLICY = 'require ["vnd.posthouse.policy", "vnd.posthouse.filter", "copy", "fileinto", "imap4flags"];\n'


async def house_of(*, system: str = "", domain: str = "", jane: str = "", omar: str = "") -> tuple[House, Account, Account]:
    """Two users with these scripts active."""
    house = House()
    first, second = await house.add_user(JANE), await house.add_user(OMAR)
    owners = {
        SYSTEM: system,
        ScriptOwner("domain", first.domain_id): domain,
        ScriptOwner("user", first.account_id): jane,
        ScriptOwner("user", second.account_id): omar,
    }
    for owner, text in owners.items():
        if text:
            await house.scripts.put_script(owner, "main", text, 0.0)
            await house.scripts.activate(owner, "main")
    return house, first, second


async def sent(house: House, *recipients: str, **given: object) -> Reply:
    return await house.deliver(*(recipients or (JANE,)), **given)  # type: ignore[arg-type]


async def record(house: House, reply: Reply | None = None) -> TraceRecord:
    """That of the message, which is the first one written; or the one that a reply names."""
    query = TraceQuery(trace_id=reply.text.rpartition(" ")[2]) if reply else TraceQuery(recipient=JANE)
    return (await house.traces.search(query))[0]


def told(found: TraceRecord) -> list[tuple[str, str, str]]:
    return [(step.rule, step.verdict, step.detail) for step in found.steps if step.stage.endswith("-filters")]


def places(acceptance: Acceptance) -> list[str]:
    return [_place(destination) for destination in acceptance.destinations]


def _place(destination: Destination) -> str:
    if isinstance(destination, ToMailbox):
        return f"{destination.account}/{destination.mailbox}"
    if isinstance(destination, ToQueue):
        return f"{destination.recipient} by {destination.next_hop or 'mx'}"
    if isinstance(destination, ToQuarantine):
        return f"{destination.recipient} held {destination.kind}/{destination.name}"
    return f"{destination.recipient} nowhere"


def read(content: bytes) -> Message:
    return email.message_from_bytes(content)


async def box(house: House, account: Account, name: str = "INBOX") -> Sequence[bytes]:
    return await house.inbox(account, name)


async def test_without_scripts_a_message_goes_as_it_came() -> None:
    house, jane, _ = await house_of()
    reply = await sent(house)
    assert [content.endswith(MESSAGE) for content in await box(house, jane)] == [True]
    assert told(await record(house, reply)) == []


async def test_a_script_that_says_nothing_leaves_no_mark() -> None:
    house, jane, _ = await house_of(jane='if header "subject" "other" { discard; }')
    reply = await sent(house)
    assert len(await box(house, jane)) == 1
    assert told(await record(house, reply)) == []


async def test_fileinto_files_with_flags_into_a_mailbox_that_it_makes() -> None:
    script = 'require ["fileinto", "mailbox", "imap4flags"];\nfileinto :create :flags "\\\\Flagged" "Lists/News";'
    house, jane, _ = await house_of(jane=script)
    reply = await sent(house)
    assert (await box(house, jane), len(await box(house, jane, "Lists/News"))) == ([], 1)
    found = await house.store.mailbox(jane.account_id, "Lists/News")
    assert found is not None
    _, [row] = await house.store.rows(found.mailbox_id)
    assert row.flags & FLAGGED
    assert told(await record(house, reply)) == [
        ("main", "pass", "jane@example.test: files it into Lists/News with \\Flagged (line 2)")
    ]


async def test_a_mailbox_that_is_not_there_means_inbox() -> None:
    house, jane, _ = await house_of(jane='require "fileinto"; fileinto "Nowhere";')
    await sent(house)
    assert len(await box(house, jane)) == 1


async def test_a_mailbox_that_cannot_be_made_means_inbox(monkeypatch: pytest.MonkeyPatch) -> None:
    house, jane, _ = await house_of(jane='require ["fileinto", "mailbox"]; fileinto :create "News";')

    async def full(*_: object) -> None:
        raise Permanent("Too many mailboxes")

    monkeypatch.setattr(house.store, "create", full)
    reply = await sent(house)
    assert len(await box(house, jane)) == 1
    assert "cannot file into News: Too many mailboxes" in told(await record(house, reply))[0][2]


async def test_a_special_use_goes_before_the_name() -> None:
    house, jane, _ = await house_of(jane='require ["fileinto", "special-use"]; fileinto :specialuse "\\\\Junk" "Rubbish";')
    await sent(house)
    boxes = await house.store.mailboxes(jane.account_id)
    [name] = [each.name for each in boxes if each.special_use == "\\Junk"]
    assert len(await box(house, jane, name)) == 1


async def test_keep_goes_where_plus_addressing_says_and_sets_flags() -> None:
    house, jane, _ = await house_of(jane='require "imap4flags"; keep :flags "\\\\Seen";')
    await house.store.create(jane.account_id, "news")
    await sent(house, "jane+news@example.test")
    found = await house.store.mailbox(jane.account_id, "news")
    assert found is not None
    _, [row] = await house.store.rows(found.mailbox_id)
    assert row.flags & SEEN


async def test_discard_drops_one_recipients_copy_alone() -> None:
    house, jane, omar = await house_of(jane="discard;")
    reply = await sent(house, JANE, OMAR)
    assert reply.code == 250
    assert (await box(house, jane), len(await box(house, omar))) == ([], 1)
    assert "drops it (line 1)" in told(await record(house, reply))[0][2]


async def test_redirect_leaves_with_the_senders_name() -> None:
    house, jane, _ = await house_of(jane='redirect "away@other.test";')
    reply = await sent(house)
    [acceptance] = house.sink.accepted
    assert (places(acceptance), str(acceptance.sender)) == (["away@other.test by mx"], LENA)
    assert await box(house, jane) == []
    assert told(await record(house, reply)) == [
        ("main", "redirect", "jane@example.test: sends it on to away@other.test (line 1)")
    ]


async def test_two_users_who_redirect_to_each_other_make_no_loop() -> None:
    house, jane, omar = await house_of(jane=f'redirect "{OMAR}";', omar=f'redirect "{JANE}";')
    await sent(house)
    assert (await box(house, jane), len(await box(house, omar))) == ([], 1)


async def test_what_has_been_sent_on_too_often_is_kept() -> None:
    house, jane, _ = await house_of(jane='redirect "away@other.test";')
    house.set("smtp.max_hops", 30)
    reply = await sent(house, content=b"Received: from a by b; Tue, 24 Nov 2026 10:00:00 +0000\r\n" * 20 + MESSAGE)
    assert len(await box(house, jane)) == 1
    assert "sent on too often" in told(await record(house, reply))[0][2]


async def test_a_redirect_to_nobody_keeps_the_message() -> None:
    house, jane, _ = await house_of(jane='redirect "nobody@example.test";')
    await sent(house)
    assert len(await box(house, jane)) == 1


async def test_no_more_redirects_than_the_setting_allows() -> None:
    house, _, _ = await house_of(jane='require "copy"; redirect :copy "a@other.test"; redirect :copy "b@other.test";')
    house.set("sieve.max_redirects", 1)
    reply = await sent(house)
    [acceptance] = house.sink.accepted
    assert places(acceptance) == [f"{JANE}/INBOX"]
    assert "the script failed, the message is kept" in told(await record(house, reply))[0][2]


async def test_reject_refuses_in_the_session() -> None:
    house, jane, _ = await house_of(jane='require "reject"; reject "No offers, please\nsecond line";')
    reply = await sent(house)
    assert (reply.code, reply.enhanced, reply.text) == (550, "5.7.1", "No offers, please")
    assert (house.sink.accepted, await box(house, jane)) == ([], [])


@pytest.mark.parametrize("reason", ["Keine Grüße", "  ", "a\x07b"])
async def test_a_reason_that_smtp_cannot_say_is_replaced(reason: str) -> None:
    house, _, _ = await house_of(jane=f'require "reject"; reject "{reason}";')
    assert (await sent(house)).text == "The recipient's filters refuse this message"


async def test_reject_beside_recipients_who_keep_it_tells_the_sender_by_a_notice() -> None:
    house, jane, omar = await house_of(jane='require "reject"; reject "No offers";')
    reply = await sent(house, JANE, OMAR)
    assert reply.code == 250
    assert (await box(house, jane), len(await box(house, omar))) == ([], 1)
    main, notice = house.sink.accepted
    assert sorted(places(main)) == [f"{JANE} nowhere", f"{OMAR}/INBOX"]
    assert (places(notice), notice.sender.address) == ([f"{LENA} by mx"], None)
    fields = read(notice.content).get_payload(1).get_payload()[1]  # type: ignore[union-attr, index]
    assert (fields["Final-Recipient"], fields["Action"]) == (f"rfc822; {JANE}", "failed")  # type: ignore[index]
    assert "550 5.7.1 No offers" in fields["Diagnostic-Code"]  # type: ignore[index]


async def test_the_null_sender_is_never_told() -> None:
    house, _, _ = await house_of(jane='require "reject"; reject "No";')
    assert (await sent(house, JANE, OMAR, sender="")).code == 250
    assert len(house.sink.accepted) == 1


async def test_reject_and_discard_together_refuse() -> None:
    house, _, _ = await house_of(jane='require "reject"; reject "No";', omar="discard;")
    assert (await sent(house, JANE, OMAR)).code == 550


async def test_vacation_answers_once_and_is_remembered_after_acceptance() -> None:
    house, jane, _ = await house_of(jane='require "vacation"; vacation "I am away.";')
    reply = await sent(house)
    await sent(house)
    main, answer, second = house.sink.accepted
    assert (places(main), places(second)) == ([f"{JANE}/INBOX"], [f"{JANE}/INBOX"])
    assert (places(answer), answer.sender.address) == ([f"{LENA} by mx"], None)
    message = read(answer.content)
    assert (message["To"], message["From"], message["Subject"]) == (LENA, JANE, "Auto: Hello")
    assert message["Auto-Submitted"] == "auto-replied (vacation)"
    [step] = [step for step in (await record(house, reply)).steps if step.rule == "follow-up"]
    [of_answer] = await house.traces.search(TraceQuery(trace_id=step.detail.rpartition(" ")[2]))
    assert of_answer.recipients == (LENA,)
    assert len(await box(house, jane)) == 2


async def test_what_was_not_accepted_is_not_answered_later_as_if_it_were(monkeypatch: pytest.MonkeyPatch) -> None:
    house, _, _ = await house_of(jane='require "vacation"; vacation "I am away.";')

    async def full(*_acceptances: Acceptance) -> None:
        raise NoSpace

    with monkeypatch.context() as patched:
        patched.setattr(house.sink, "commit", full)
        assert (await sent(house)).code == 452
    await sent(house)
    assert len(house.sink.accepted) == 2


async def test_vacation_knows_aliases_of_the_user_but_not_lists() -> None:
    house, jane, omar = await house_of(jane='require "vacation"; vacation "Away.";')
    await house.directory.put_alias(Address.parse("info@example.test"), [jane.address])
    await house.directory.put_alias(Address.parse("all@example.test"), [jane.address, omar.address])
    for name, count in (("all", 1), ("info", 3), ("jane+x", 4)):
        content = MESSAGE.replace(b"To: jane@", f"To: {name}@".encode())
        await sent(house, f"{name}@example.test", content=content)
        assert len(house.sink.accepted) == count


async def test_notify_and_a_copy_of_it() -> None:
    script = 'require ["enotify", "fcc"]; notify :fcc "Sent" "mailto:phone@other.test";'
    house, jane, _ = await house_of(jane=script)
    await sent(house)
    _, notice = house.sink.accepted
    assert places(notice) == ["phone@other.test by mx", f"{JANE}/Sent"]
    assert len(await box(house, jane, "Sent")) == 1


async def test_a_system_filter_copies_secretly_and_sends_excerpts() -> None:
    script = POLICY + 'wiretap "audit@other.test"; excerpt "phone@other.test";'
    house, jane, _ = await house_of(system=script)
    reply = await sent(house, JANE, OMAR)
    main, excerpt = house.sink.accepted
    assert sorted(places(main)) == ["audit@other.test by mx", f"{JANE}/INBOX", f"{OMAR}/INBOX"]
    assert places(excerpt) == ["phone@other.test by mx"]
    assert b"audit" not in (await box(house, jane))[0]
    assert ("main", "copy", "all recipients: copies it to audit@other.test (line 2)") in told(await record(house, reply))


async def test_a_change_by_one_user_is_seen_by_that_user_alone() -> None:
    house, jane, omar = await house_of(jane='require "editheader"; addheader "X-Seen" "yes";')
    await sent(house, JANE, OMAR)
    [content], [other] = await box(house, jane), await box(house, omar)
    assert (read(content)["X-Seen"], read(other)["X-Seen"]) == ("yes", None)
    assert content.startswith(b"Return-Path: <lena@elsewhere.test>\r\nX-Seen: yes\r\n")
    assert content.count(b"Return-Path:") == 1
    variant, main = house.sink.accepted
    assert (variant.trace_id, places(variant)) == (main.trace_id, [f"{JANE}/INBOX"])
    assert variant.summary.size_bytes == len(variant.content)


async def test_a_system_change_is_seen_by_lower_scripts_and_by_all() -> None:
    house, jane, omar = await house_of(
        system='require "editheader"; addheader "X-Mark" "bulk";',
        jane='require ["fileinto", "mailbox"]; if header "x-mark" "bulk" { fileinto :create "Bulk"; }',
    )
    await sent(house, JANE, OMAR)
    assert [len(each) for each in (await box(house, jane, "Bulk"), await box(house, omar))] == [1, 1]
    assert len(house.sink.accepted) == 1


async def test_the_same_change_for_two_makes_one_variant() -> None:
    script = 'require "editheader"; addheader "X-Seen" "yes";'
    house, _, _ = await house_of(jane=script, omar=script)
    await sent(house, JANE, OMAR)
    assert len(house.sink.accepted) == 1


async def test_system_then_domain_then_user_and_a_final_action_ends_it() -> None:
    house, jane, _ = await house_of(
        system=POLICY + 'if header "subject" "first" { delivernow; }',
        domain='require "fileinto"; if header "subject" "second" { discard; }',
        jane="discard;",
    )
    await house.scripts.put_script(SYSTEM, "late", 'require "reject"; if header "subject" "third" { reject "No"; }', 0.0)
    await house.scripts.activate(SYSTEM, "late")
    await sent(house, content=MESSAGE.replace(b"Hello", b"first"))
    assert len(await box(house, jane)) == 1
    assert (await sent(house, content=MESSAGE.replace(b"Hello", b"third"))).code == 550
    reply = await sent(house, content=MESSAGE.replace(b"Hello", b"second"))
    assert len(told(await record(house, reply))) == 1
    assert len(await box(house, jane)) == 1


async def test_a_system_filter_files_local_copies_and_lets_others_go() -> None:
    house, jane, _ = await house_of(system='require ["fileinto", "mailbox"]; fileinto :create "All";')
    await house.directory.put_alias(Address.parse("list@example.test"), [jane.address, Address.parse("x@other.test")])
    await sent(house, "list@example.test")
    [acceptance] = house.sink.accepted
    assert sorted(places(acceptance)) == [f"{JANE}/All", "x@other.test by mx"]


async def test_route_sends_by_another_host() -> None:
    house, _, _ = await house_of(system=POLICY + 'route "scan.test:2525";')
    await sent(house)
    [acceptance] = house.sink.accepted
    assert places(acceptance) == [f"{JANE} by scan.test:2525"]


async def test_requiretls_concerns_copies_that_leave() -> None:
    house, jane, _ = await house_of(system=POLICY + "requiretls;")
    await house.directory.put_alias(Address.parse("list@example.test"), [jane.address, Address.parse("x@other.test")])
    await sent(house, "list@example.test")
    [acceptance] = house.sink.accepted
    flags = {str(each.recipient): each.recipient.verified_tls for each in acceptance.destinations}
    assert (flags, len(await box(house, jane))) == ({"list@example.test": False, "x@other.test": True}, 1)


@pytest.mark.parametrize(("script", "mailbox"), [("score :set 10; score :add 1;", "INBOX"), ("score :add 1;", "Junk Mail")])
async def test_a_score_that_is_set_replaces_what_the_script_gave_before(script: str, mailbox: str) -> None:
    house, jane, _ = await house_of(system=POLICY + "score :add 300; " + script)
    await sent(house)
    assert len(await box(house, jane, mailbox)) == 1


async def test_a_score_is_added() -> None:
    house, _, _ = await house_of(system='require "vnd.posthouse.filter"; score :add 7;')
    reply = await sent(house)
    assert told(await record(house, reply))[0][1] == "score"


@pytest.mark.parametrize("script", ['require "variables"; fileinto "x";', "error;", "keep", 'require "ihave"; error "stop";'])
async def test_a_script_that_fails_keeps_the_message(script: str) -> None:
    house, jane, _ = await house_of(jane=script)
    reply = await sent(house)
    assert (reply.code, len(await box(house, jane))) == (250, 1)
    [(rule, outcome, detail)] = told(await record(house, reply))
    assert (rule, outcome) == ("main", "pass")
    assert detail.startswith("jane@example.test: the script failed, the message is kept: ")


async def test_scripts_of_users_can_be_switched_off() -> None:
    house, jane, _ = await house_of(jane="discard;")
    house.set("sieve.user_scripts", False)
    await sent(house)
    assert len(await box(house, jane)) == 1


async def test_a_submitted_message_meets_the_system_filters_as_outgoing() -> None:
    script = 'require ["editheader", "vnd.posthouse.filter"]; addheader "X-Out" "yes";'
    house, _, _ = await house_of(system=script)
    await sent(house, "x@other.test", sender=JANE, session=house.session("submission", account=JANE))
    [acceptance] = house.sink.accepted
    assert (places(acceptance), read(acceptance.content)["X-Out"]) == (["x@other.test by mx"], "yes")


async def test_all_forms_and_what_follows_are_one_unit_so_that_a_failure_makes_no_duplicates(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    script = 'require ["editheader", "vacation"]; addheader "X-Seen" "yes"; vacation "Away.";'
    house, jane, omar = await house_of(jane=script)
    commit, seen = house.sink.commit, []

    async def first_fails(*acceptances: Acceptance) -> None:
        seen.append(acceptances)
        if len(seen) == 1:
            raise NoSpace
        await commit(*acceptances)

    monkeypatch.setattr(house.sink, "commit", first_fails)
    assert (await sent(house, JANE, OMAR)).code == 452
    assert (await sent(house, JANE, OMAR)).code == 250
    assert [len(acceptances) for acceptances in seen] == [3, 3]
    assert [len(await box(house, each)) for each in (jane, omar)] == [1, 1]


async def test_copies_into_one_mailbox_are_one() -> None:
    house, jane, _ = await house_of(jane='require ["fileinto", "imap4flags"]; fileinto :flags "\\\\Seen" "INBOX"; keep;')
    await sent(house)
    assert len(await box(house, jane)) == 1
    [acceptance] = house.sink.accepted
    assert not any(isinstance(each, ToNowhere) for each in acceptance.destinations)


@pytest.mark.parametrize(("size_bytes", "aside"), [(100, False), (400_000, True)])
async def test_what_takes_long_runs_beside_the_loop(size_bytes: int, aside: bool, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: FBT001
    house, _, _ = await house_of(jane='require ["body", "regex"]; if body :text :regex "zz[0-9]+" { discard; }')
    ran: list[int] = []

    def noted(*arguments: Any) -> Any:
        ran.append(threading.get_ident())
        return run(*arguments)

    monkeypatch.setattr(runner, "run", noted)
    await sent(house, content=MESSAGE + (b"x" * 70 + b"\r\n") * (size_bytes // 72))
    assert [ident != threading.get_ident() for ident in ran] == [aside]
