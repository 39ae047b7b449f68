"""What happens to spam and to senders on lists, recipient by recipient (CON-11, CON-12, CON-13)."""

from __future__ import annotations

import email
from email.header import decode_header, make_header

import pytest

from posthouse.base.errors import Permanent
from posthouse.model.account import Account
from posthouse.model.address import Address
from posthouse.model.junk import JunkTerms, TermsOwner
from posthouse.model.limits import Limits, UserTerms
from posthouse.model.plan import ToMailbox, ToQuarantine, ToQueue
from posthouse.model.route import NextHop, Route
from posthouse.model.script import SYSTEM, ScriptOwner
from posthouse.model.senders import SYSTEM_LIST, EntryKind, ListOwner, SenderEntry, normal_pattern
from posthouse.model.trace import TraceQuery
from posthouse.model.verdict import Reply
from support.house import House
from support.scorers import SaidScorer

JANE, OMAR = "jane@example.test", "omar@example.test"
USER, DOMAIN = ListOwner("user", JANE), ListOwner("domain", "example.test")
FRIEND = "friend@good.test"


def message(author: str = "lena@elsewhere.test", *, to: str = JANE, subject: str = "Offer", more: str = "") -> bytes:
    return f"From: {author}\r\nTo: {to}\r\nSubject: {subject}\r\n{more}\r\nBuy now.\r\n".encode()


async def house_of(points: float = 0.0) -> tuple[House, Account, Account]:
    house = House()
    house.engines = [SaidScorer(points)]
    return house, await house.add_user(JANE), await house.add_user(OMAR)


async def entry(house: House, owner: ListOwner, kind: EntryKind, *patterns: str) -> None:
    await house.senders.add([SenderEntry(owner, kind, normal_pattern(pattern)) for pattern in patterns])


async def said(house: House, **terms: object) -> None:
    await house.junk_book.put_terms(TermsOwner("user", JANE), JunkTerms(**terms))  # type: ignore[arg-type]


async def told(house: House, reply: Reply | None = None) -> list[tuple[str, str]]:
    trace_id = reply.text.rpartition(" ")[2] if reply and reply.code == 250 else ""
    found = (await house.traces.search(TraceQuery(trace_id=trace_id)))[0]
    return [(step.rule, step.detail) for step in found.steps if step.stage == "junk"]


async def where(house: House, account: Account) -> str:
    """The one mailbox that has the message, or what is there instead."""
    found = [box.name for box in await house.store.mailboxes(account.account_id) if box.exists]
    return ", ".join(found) or "nowhere"


# --- CON-11: what points come to


async def test_spam_goes_into_junk_mail_and_ham_into_the_inbox() -> None:
    house, jane, _ = await house_of(73)
    reply = await house.deliver(JANE, content=message())
    assert await where(house, jane) == "Junk Mail"
    assert await told(house, reply) == [("spam", f"{JANE}: 73 of 50 points: moved into Junk Mail")]
    house, jane, _ = await house_of(49.9)
    reply = await house.deliver(JANE, content=message())
    assert (await where(house, jane), await told(house, reply)) == ("INBOX", [])


async def test_moved_spam_is_marked_for_mail_readers_and_keeps_its_subject() -> None:
    house, jane, _ = await house_of(73)
    await house.deliver(JANE, content=message())
    box = await house.store.mailbox(jane.account_id, "Junk Mail")
    assert box is not None
    _, [row] = await house.store.rows(box.mailbox_id)
    assert box.keywords == ("$Junk",)
    assert row.flags == 1 << 6
    [content] = await house.inbox(jane, "Junk Mail")
    assert b"\r\nSubject: Offer\r\n" in content


async def test_junk_mail_is_known_by_its_use_whatever_its_name() -> None:
    house, jane, _ = await house_of(73)
    await house.store.delete(jane.account_id, "Junk Mail")
    await house.store.create(jane.account_id, "Müll", "\\Junk")
    await house.deliver(JANE, content=message())
    assert await where(house, jane) == "Müll"


async def test_junk_mail_is_made_if_there_is_none() -> None:
    house, jane, _ = await house_of(73)
    await house.store.delete(jane.account_id, "Junk Mail")
    await house.deliver(JANE, content=message())
    assert await where(house, jane) == "Junk Mail"
    box = await house.store.mailbox(jane.account_id, "Junk Mail")
    assert box is not None
    assert box.special_use == "\\Junk"


async def test_without_a_junk_mail_that_can_be_made_spam_is_tagged(monkeypatch: pytest.MonkeyPatch) -> None:
    house, jane, _ = await house_of(73)
    await house.store.delete(jane.account_id, "Junk Mail")

    async def full(*_: object) -> None:
        raise Permanent("Too many mailboxes")

    monkeypatch.setattr(house.store, "create", full)
    await house.deliver(JANE, content=message())
    [content] = await house.inbox(jane)
    assert b"\r\nSubject: Spam? Offer\r\n" in content


async def test_pop_users_get_a_tag_in_front_of_the_subject() -> None:
    house, jane, omar = await house_of(73)
    await house.limits.put_class("pop", Limits())
    await house.limits.put_user_terms(Address.parse(JANE), UserTerms(cos="pop"))
    await house.junk_book.put_terms(TermsOwner("class", "pop"), JunkTerms(action="tag"))
    await house.deliver(JANE, OMAR, content=message())
    assert (await where(house, jane), await where(house, omar)) == ("INBOX", "Junk Mail")
    [tagged], [plain] = await house.inbox(jane), await house.inbox(omar, "Junk Mail")
    assert b"\r\nSubject: Spam? Offer\r\n" in tagged
    assert b"\r\nSubject: Offer\r\n" in plain
    assert tagged.replace(b"Spam? ", b"") == plain


@pytest.mark.parametrize(
    ("subject", "read"),
    [
        ("=?utf-8?q?Gr=C3=BC=C3=9Fe?=", "Spam? Grüße"),
        ("=?utf-8?b?R3LDvMOfZQ==?=\r\n =?utf-8?q?_aus_K=C3=B6ln?=", "Spam? Grüße aus Köln"),
        ("Spam? Offer", "Spam? Offer"),
        ("=?utf-8?q?Spam=3F?= Offer", "Spam? Offer"),
        ("", "Spam? "),
        ("=?utf-8?q?broken", "Spam? =?utf-8?q?broken"),
        ("=?utf-8?q?=F0=9F?=", "Spam? \ufffd"),
    ],
)
async def test_tagged_subjects_stay_readable(subject: str, read: str) -> None:
    house, jane, _ = await house_of(73)
    await said(house, action="tag")
    await house.deliver(JANE, content=message(subject=subject))
    [content] = await house.inbox(jane)
    parsed = email.message_from_bytes(content)
    found = str(make_header(decode_header(parsed["Subject"])))
    assert found.strip() == read.strip()
    assert len(parsed.get_all("Subject", [])) == 1


async def test_an_encoded_subject_cannot_bring_fields_of_its_own() -> None:
    house, jane, _ = await house_of(73)
    await said(house, action="tag")
    await house.deliver(JANE, content=message(subject="=?utf-8?q?a=0D=0AX-Spam-Flag:_NO=0D=0A=0D=0Abody?="))
    [content] = await house.inbox(jane)
    parsed = email.message_from_bytes(content)
    assert parsed.get_all("X-Spam-Flag") == ["YES"]
    assert parsed.get_payload() == "Buy now.\r\n"


async def test_a_message_without_a_subject_gets_one() -> None:
    house, jane, _ = await house_of(73)
    await said(house, action="tag")
    await house.deliver(JANE, content=b"From: a@b.test\r\n\r\nBuy now.\r\n")
    [content] = await house.inbox(jane)
    assert email.message_from_bytes(content)["Subject"].strip() == "Spam?"


async def test_spam_goes_into_the_recipients_quarantine() -> None:
    house, _, _ = await house_of(73)
    await said(house, action="quarantine")
    reply = await house.deliver(JANE, content=message())
    assert reply.code == 250
    [held] = [each for accepted in house.sink.accepted for each in accepted.destinations]
    assert isinstance(held, ToQuarantine)
    assert (held.kind, held.name, held.rule) == ("junk", JANE, "spam")
    assert isinstance(held.onward, ToMailbox)


async def test_spam_above_a_bound_is_refused_in_the_session() -> None:
    house, jane, _ = await house_of(300)
    await said(house, reject_points=300.0)
    reply = await house.deliver(JANE, content=message())
    assert (reply.code, reply.enhanced) == (550, "5.7.1")
    assert await where(house, jane) == "nowhere"
    assert house.spool_is_empty()
    house.engines = [SaidScorer(299)]
    await house.deliver(JANE, content=message())
    assert await where(house, jane) == "Junk Mail"


async def test_where_recipients_differ_nothing_is_refused_and_nobody_gets_a_bounce() -> None:
    house, jane, omar = await house_of(400)
    await said(house, action="reject")
    reply = await house.deliver(JANE, OMAR, content=message())
    assert reply.code == 250
    assert (await where(house, jane), await where(house, omar)) == ("Junk Mail", "Junk Mail")
    assert house.spool_is_empty()
    await house.junk_book.put_terms(TermsOwner("user", OMAR), JunkTerms(action="reject"))
    assert (await house.deliver(JANE, OMAR, content=message())).code == 550


async def test_deliver_leaves_spam_alone() -> None:
    house, jane, _ = await house_of(400)
    await said(house, action="deliver")
    await house.deliver(JANE, content=message())
    assert await where(house, jane) == "INBOX"


async def test_another_bound_for_spam() -> None:
    house, jane, omar = await house_of(60)
    await said(house, spam_points=80.0)
    await house.deliver(JANE, OMAR, content=message())
    assert (await where(house, jane), await where(house, omar)) == ("INBOX", "Junk Mail")


async def test_points_of_other_stages_count() -> None:
    house, jane, _ = await house_of(30)
    await house.scripts.put_script(SYSTEM, "main", 'require "vnd.posthouse.filter"; score :add 25;', 0.0)
    await house.scripts.activate(SYSTEM, "main")
    reply = await house.deliver(JANE, content=message())
    assert reply.code == 250
    assert await where(house, jane) == "Junk Mail"
    [content] = await house.inbox(jane, "Junk Mail")
    status = " ".join(str(email.message_from_bytes(content)["X-Spam-Status"]).split())
    assert status == "Yes, score=55 required=50 tests=SAID=30, PRIORITY_FILTERS_MAIN=25"


async def test_mail_for_another_system_goes_on_with_its_score() -> None:
    house, _, _ = await house_of(73)
    await house.routes.put_route(Route("backend.test", NextHop.parse("192.0.2.7:25")))
    reply = await house.deliver("lee@backend.test", content=message())
    assert reply.code == 250
    [going] = house.sink.accepted
    assert isinstance(going.destinations[0], ToQueue)
    assert going.content.startswith(b"X-Junkmail-Status: score=73/50, host=mx.example.test\r\n")
    assert b"\r\nSubject: Offer\r\n" in going.content
    await entry(house, ListOwner("user", "lee@backend.test"), "blocked", "elsewhere.test")
    await house.deliver("lee@backend.test", content=message())
    assert b"\r\nSubject: Spam? Offer\r\n" in house.sink.accepted[-1].content


async def test_spam_of_users_to_elsewhere_is_not_touched() -> None:
    house, _, _ = await house_of(400)
    session = house.session("submission", account=OMAR)
    reply = await house.deliver("x@far.test", sender=OMAR, content=message(OMAR), session=session)
    assert reply.code == 250
    assert b"X-Spam" not in house.sink.accepted[0].content


async def test_no_answer_goes_to_spam() -> None:
    house, jane, _ = await house_of(73)
    owner = ScriptOwner("user", jane.account_id)
    await house.scripts.put_script(owner, "main", 'require "vacation"; vacation "I am away";', 0.0)
    await house.scripts.activate(owner, "main")
    await house.deliver(JANE, content=message())
    assert await where(house, jane) == "Junk Mail"
    assert house.spool_is_empty()
    house.engines = []
    await house.deliver(JANE, content=message())
    assert not house.spool_is_empty()


async def test_a_users_filter_has_the_last_word() -> None:
    house, jane, _ = await house_of(73)
    owner = ScriptOwner("user", jane.account_id)
    script = 'require ["fileinto", "mailbox", "spamtest", "relational", "comparator-i;ascii-numeric"];'
    script += 'if spamtest :value "ge" :comparator "i;ascii-numeric" "2" { fileinto :create "Mine"; }'
    await house.scripts.put_script(owner, "main", script, 0.0)
    await house.scripts.activate(owner, "main")
    await house.deliver(JANE, content=message())
    assert await where(house, jane) == "Mine"


# --- CON-12: lists, in their order

LEVELS = {"user": USER, "domain": DOMAIN, "system": SYSTEM_LIST}


@pytest.mark.parametrize("allowing", LEVELS)
@pytest.mark.parametrize("blocking", LEVELS)
async def test_allowed_senders_go_before_blocked_ones_on_whatever_lists(allowing: str, blocking: str) -> None:
    house, jane, _ = await house_of(400)
    await entry(house, LEVELS[blocking], "blocked", "elsewhere.test")
    await entry(house, LEVELS[allowing], "sender", "lena@elsewhere.test")
    reply = await house.deliver(JANE, content=message())
    assert await where(house, jane) == "INBOX"
    assert (await told(house, reply))[0][0] == "allowed-sender"


@pytest.mark.parametrize("allowing", LEVELS)
@pytest.mark.parametrize("blocking", LEVELS)
async def test_allowed_recipients_go_before_blocked_senders(allowing: str, blocking: str) -> None:
    house, jane, _ = await house_of(400)
    await entry(house, LEVELS[blocking], "blocked", "lena@elsewhere.test")
    await entry(house, LEVELS[allowing], "recipient", "list@lists.test")
    reply = await house.deliver(JANE, content=message(to="Our list <LIST@lists.test>"))
    assert await where(house, jane) == "INBOX"
    assert (await told(house, reply))[0][0] == "allowed-recipient"
    await house.deliver(JANE, content=message())
    assert "Junk Mail" in await where(house, jane)


async def test_an_allowed_sender_is_named_before_an_allowed_recipient() -> None:
    house, _, _ = await house_of(400)
    await entry(house, USER, "recipient", JANE)
    await entry(house, SYSTEM_LIST, "sender", "elsewhere.test")
    reply = await house.deliver(JANE, content=message())
    assert await told(house, reply) == [
        ("allowed-sender", f"{JANE}: elsewhere.test, on the list of the site: goes on"),
    ]


@pytest.mark.parametrize("level", LEVELS)
async def test_a_blocked_sender_is_junk_whatever_the_points(level: str) -> None:
    house, jane, omar = await house_of(-20)
    await entry(house, LEVELS[level], "blocked", "*@*where.test")
    await house.deliver(JANE, OMAR, content=message())
    others = "INBOX" if level == "user" else "Junk Mail"
    assert (await where(house, jane), await where(house, omar)) == ("Junk Mail", others)


@pytest.mark.parametrize(
    ("pattern", "author", "envelope"),
    [
        ("lena@elsewhere.test", "LENA@Elsewhere.Test", "bounce@esp.test"),
        ("lena@elsewhere.test", "other@else.test", "Lena@elsewhere.test"),
        ("bücher.example", "info@xn--bcher-kva.example", "bounce@esp.test"),
        ("news-*@lists.test", '"News" <news-42@lists.test>', ""),
    ],
)
@pytest.mark.parametrize("kind", ["sender", "blocked"])
async def test_senders_are_found_in_from_and_in_the_envelope(kind: EntryKind, pattern: str, author: str, envelope: str) -> None:
    house, jane, _ = await house_of(60 if kind == "sender" else 0)
    await entry(house, USER, kind, pattern)
    await house.deliver(JANE, sender=envelope, content=message(author))
    assert await where(house, jane) == ("INBOX" if kind == "sender" else "Junk Mail")


@pytest.mark.parametrize(
    "author",
    [
        f'"{FRIEND}" <spammer@bad.test>',
        f"=?utf-8?q?{FRIEND.replace('@', '=40')}?= <spammer@bad.test>",
        f"{FRIEND} <spammer@bad.test>",
        f"spammer@bad.test, {FRIEND}",
        f"{FRIEND}, spammer@bad.test",
        f"spammer@bad.test ({FRIEND})",
        f"{FRIEND}.bad.test",
        f"spammer@bad.test\r\nFrom: {FRIEND}",
        f"spammer@bad.test\r\nSender: {FRIEND}\r\nReply-To: {FRIEND}",
        f"=?utf-8?q?{FRIEND.replace('@', '=40')}?=@bad.test",
    ],
)
async def test_a_friends_address_in_other_clothes_allows_nothing(author: str) -> None:
    house, jane, _ = await house_of(73)
    await entry(house, USER, "sender", FRIEND)
    await house.deliver(JANE, content=message(author))
    assert await where(house, jane) == "Junk Mail"


@pytest.mark.parametrize("author", ["friend@good.test, spammer@bad.test", "friend@good.test\r\nFrom: spammer@bad.test"])
async def test_a_blocked_author_among_others_is_blocked(author: str) -> None:
    house, jane, _ = await house_of(0)
    await entry(house, USER, "blocked", "spammer@bad.test")
    await house.deliver(JANE, content=message(author))
    assert await where(house, jane) == "Junk Mail"


@pytest.mark.parametrize(
    ("blocked", "points", "reply_code", "place"),
    [("junk", 0, 250, "Junk Mail"), ("reject", 0, 550, "nowhere"), ("discard", 0, 250, "nowhere")],
)
async def test_what_happens_to_blocked_senders_is_set(blocked: str, points: float, reply_code: int, place: str) -> None:
    house, jane, _ = await house_of(points)
    house.set("junk.blocked", blocked)
    await entry(house, USER, "blocked", "elsewhere.test")
    reply = await house.deliver(JANE, content=message())
    assert (reply.code, await where(house, jane)) == (reply_code, place)
    assert house.spool_is_empty()


async def test_a_blocked_sender_is_certain_spam_for_the_bound() -> None:
    house, _, _ = await house_of(0)
    await said(house, reject_points=300.0)
    await entry(house, USER, "blocked", "elsewhere.test")
    assert (await house.deliver(JANE, content=message())).code == 550


async def test_lists_of_the_account_hold_for_its_aliases_and_details() -> None:
    house, jane, _ = await house_of(73)
    await house.directory.put_alias(Address.parse("info@example.test"), [Address.parse(JANE)])
    await entry(house, USER, "sender", "elsewhere.test")
    await house.deliver("info@example.test", content=message())
    await house.deliver("jane+shop@example.test", content=message())
    assert await where(house, jane) == "INBOX"


async def test_lists_hold_for_mail_from_inside_too() -> None:
    house, jane, _ = await house_of(0)
    await entry(house, USER, "blocked", OMAR)
    await house.deliver(JANE, sender=OMAR, content=message(OMAR), session=house.session("submission", account=OMAR))
    assert await where(house, jane) == "Junk Mail"


# --- CON-13: the Junk Mail Filter


async def test_a_filter_that_is_off_lets_points_have_no_effect() -> None:
    house, jane, _ = await house_of(400)
    await said(house, mode="off", reject_points=300.0)
    reply = await house.deliver(JANE, content=message())
    assert await where(house, jane) == "INBOX"
    assert (await told(house, reply))[0][0] == "off"
    await said(house, mode="off")
    await entry(house, USER, "blocked", "elsewhere.test")
    house.engines = []
    await house.deliver(JANE, content=message())
    assert await where(house, jane) == "INBOX, Junk Mail"


async def test_the_exclusive_filter_lets_only_allowed_senders_into_the_inbox() -> None:
    house, jane, _ = await house_of(-10)
    await said(house, mode="exclusive")
    reply = await house.deliver(JANE, content=message())
    assert (await where(house, jane), (await told(house, reply))[0][0]) == ("Junk Mail", "exclusive")
    await entry(house, USER, "sender", FRIEND)
    await house.deliver(JANE, content=message(FRIEND))
    assert await where(house, jane) == "INBOX, Junk Mail"


async def test_exclusive_strangers_are_not_refused_as_spam_nor_called_junk() -> None:
    house, jane, _ = await house_of(0)
    await said(house, mode="exclusive", action="reject", reject_points=1.0)
    reply = await house.deliver(JANE, content=message())
    assert (reply.code, await where(house, jane)) == (250, "Junk Mail")
    box = await house.store.mailbox(jane.account_id, "Junk Mail")
    assert box is not None
    assert box.keywords == ()
