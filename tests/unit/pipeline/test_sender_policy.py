"""As whom accounts may send: own addresses, aliases, delegation; refusal or rewriting; masquerade; rates; devices."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest

from posthouse.base.settings import Value
from posthouse.model.address import Address
from posthouse.model.envelope import Sender
from posthouse.model.session import Session
from posthouse.model.trace import TraceQuery
from posthouse.model.verdict import Reply
from support.house import House

JANE, OMAR, OUT = "jane@example.test", "omar@example.test", "ann@far.test"


async def house(**settings: Value) -> House:
    made = House()
    for user in (JANE, OMAR):
        await made.add_user(user)
    for name, value in {"sender": "refuse", **settings}.items():
        made.set(f"submission.{name}", value)
    return made


async def login(made: House, account: str = JANE, client: str = "192.0.2.9") -> Session:
    found = await made.directory.account(Address.parse(account))
    assert found is not None
    session = made.session("submission", client=client, account=account)
    session.account_id = found.account_id
    return session


def message(author: str, *more: str) -> bytes:
    return "".join(f"{line}\r\n" for line in (f"From: {author}", *more, "To: ann@far.test", "Subject: x", "", "Hi.")).encode()


async def send(
    made: House, sender: str = JANE, author: str = JANE, *more: str, account: str = JANE, to: Sequence[str] = (OUT,)
) -> Reply:
    return await made.deliver(*to, sender=sender, content=message(author, *more), session=await login(made, account))


async def queued(made: House) -> tuple[str, str]:
    """Envelope sender and From of the newest message in the queue."""
    held = list(await made.spool.listing())[-1]
    content = await made.spool.content(held.body_id)
    [line] = [line for line in content.decode().split("\r\n") if line.lower().startswith("from:")]
    return str(held.sender), line


@pytest.mark.spec_part("OUT-3")
@pytest.mark.parametrize(
    ("sender", "author", "code"),
    [
        (JANE, JANE, 250),
        ("JANE@Example.Test", '"Jane Doe" <JANE@EXAMPLE.TEST>', 250),
        ("jane+news@example.test", "jane+news@example.test", 250),
        ("", JANE, 250),
        (JANE, f"{JANE}\r\nSender: {JANE}", 250),
        (OMAR, JANE, 550),
        (JANE, OMAR, 550),
        (JANE, f"{JANE}, {OMAR}", 550),
        (JANE, f"{JANE}\r\nSender: {OMAR}", 550),
        (JANE, f'"{JANE}" <boss@bank.test>', 550),
        ("omar+jane@example.test", JANE, 550),
        ("jane@other.test", JANE, 550),
        (JANE, f"{JANE}\r\nFrom: boss@bank.test", 550),
        (JANE, "<@example.test:boss@bank.test>", 550),
        (JANE, "=?utf-8?q?Jane?= <boss@bank.test>", 550),
        (JANE, f"(\\) {JANE}) boss@bank.test", 550),
        (JANE, "boss@bank.test, nobody:;", 550),
        (JANE, f"Board: {JANE}, boss@bank.test;", 550),
        (JANE, "Board:;", 550),
        (JANE, '"The Board"', 550),
        (JANE, ", ".join([*(f"jane+{number}@example.test" for number in range(200)), "boss@bank.test"]), 550),
    ],
)
async def test_an_account_sends_only_as_itself(sender: str, author: str, code: int) -> None:
    made = await house()
    assert (await send(made, sender, author)).code == code


@pytest.mark.spec_part("OUT-3")
async def test_the_refusal_says_which_address_and_as_whom_the_account_may_send() -> None:
    made = await house(delegates=(f"{JANE}=sales@example.test", f"{JANE}=@shop.test"))
    await made.directory.put_alias(Address.parse("j@example.test"), [Address.parse(JANE)])
    members = Address.parse("all@example.test")
    await made.directory.put_alias(members, [Address.parse(OMAR)])
    await made.directory.add_owners(members, [Address.parse(JANE)])
    for reply in (await send(made, OMAR), await send(made, JANE, OMAR)):
        assert (reply.code, reply.enhanced) == (550, "5.7.1")
        own = f"{JANE}, @shop.test, all@example.test, j@example.test, sales@example.test"
        assert reply.text == f"You may not send as {OMAR}, but as {own}"


async def test_a_refusal_fits_into_a_line_however_many_addresses_there_are() -> None:
    made = await house(delegates=tuple(f"{JANE}=sales-department-{number}@example.test" for number in range(300)))
    reply = await send(made, f"{'x' * 60}@{'y' * 60}.test")
    assert len(reply.text) < 480
    assert re.search(r"but as jane@example\.test, sales-department-0@example\.test, .* and 29\d more$", reply.text)


async def test_an_account_has_only_so_many_messages_waiting_for_their_time() -> None:
    made = await house()
    made.set("queue.hold_messages", 2)

    async def later(hold_until: float, account: str = JANE) -> Reply:
        sender = Sender(Address.parse(account), hold_until=hold_until)
        return await made.deliver(OUT, sender=sender, content=message(account), session=await login(made, account))

    soon = made.clock.now() + 3600
    assert [(await later(soon)).code for _ in range(3)] == [250, 250, 450]
    assert (await later(soon, OMAR)).code == 250, "others have their own"
    assert (await send(made)).code == 250, "what leaves at once does"
    made.clock.advance(7200)
    assert (await later(made.clock.now() + 60)).code == 250, "the others are due"
    made.set("queue.hold_messages", 0)
    assert [(await later(made.clock.now() + 60)).code for _ in range(3)] == [250] * 3


@pytest.mark.spec_part("OUT-3")
async def test_aliases_of_ones_own_may_be_used_shared_ones_only_where_that_is_set() -> None:
    made = await house()
    await made.directory.put_alias(Address.parse("j@example.test"), [Address.parse(JANE)])
    await made.directory.put_alias(Address.parse("jj@example.test"), [Address.parse("j@example.test")])
    await made.directory.put_alias(Address.parse("team@example.test"), [Address.parse(JANE), Address.parse(OMAR)])
    for alias in ("j@example.test", "jj@example.test", "j+x@example.test"):
        assert (await send(made, alias, alias)).code == 250, alias
    assert (await send(made, "team@example.test", "team@example.test")).code == 550
    assert (await send(made, "j@example.test", "j@example.test", account=OMAR)).code == 550
    made.set("submission.shared_aliases", True)
    assert (await send(made, "team@example.test", "team@example.test")).code == 250


@pytest.mark.spec_part("OUT-3")
async def test_a_lists_owners_send_as_the_list_and_its_members_do_not_and_the_trace_says_by_what_right() -> None:
    made = await house()
    members, board = Address.parse("all@example.test"), Address.parse("board@example.test")
    await made.directory.put_alias(members, [Address.parse(OMAR), Address.parse("far@faraway.test")])
    await made.directory.put_alias(board, [members])
    await made.directory.add_owners(members, [Address.parse(JANE)])
    for sender in ("all@example.test", "ALL@example.test", "all+news@example.test"):
        assert (await send(made, sender, f"Everybody <{sender}>")).code == 250, sender
    assert (await send(made, str(members), str(members), account=OMAR)).code == 550
    assert (await send(made, str(board), str(board))).code == 550, "who owns a list does not own what leads to it"
    steps = [step for record in await made.traces.search(TraceQuery(sender=str(members))) for step in record.steps]
    told = {step.detail.lower() for step in steps if step.rule == "permitted"}
    assert told == {f"{JANE} may send as {members}: a list that it owns"}
    await made.directory.remove_owners(members, [Address.parse(JANE)])
    assert (await send(made, str(members), str(members))).code == 550


@pytest.mark.spec_part("OUT-3")
async def test_delegated_addresses_and_domains_may_be_used() -> None:
    made = await house(delegates=(f"{JANE}=sales@example.test", f"{JANE}=@shop.test"))
    assert (await send(made, "sales@example.test", "Sales <sales@example.test>")).code == 250
    assert (await send(made, "anyone@shop.test", "anyone@shop.test")).code == 250
    assert (await send(made, "anyone@sub.shop.test", "anyone@shop.test")).code == 550
    assert (await send(made, "sales@example.test", "sales@example.test", account=OMAR)).code == 550


@pytest.mark.spec_part("OUT-3")
@pytest.mark.spec_part("INB-6")
async def test_where_rewriting_is_set_the_accounts_address_stands_in_envelope_and_from() -> None:
    made = await house(sender="rewrite")
    assert (await send(made, "boss@bank.test", '"The Boss" <boss@bank.test>', "Reply-To: keep@bank.test")).code == 250
    sender, author = await queued(made)
    assert sender == JANE
    assert author == f"From: The Boss <{JANE}>"
    [record] = await made.traces.search(TraceQuery(sender=JANE))
    assert {"rewritten", "rewritten-header"} <= {step.rule for step in record.steps}
    made = await house(sender="rewrite")
    assert (await send(made, "boss@bank.test", f"{OMAR}, {JANE}", f"Sender: {OMAR}")).code == 250
    assert (await queued(made))[1] == f"From: {JANE},"


async def test_anything_goes_where_that_is_set() -> None:
    made = await house(sender="any")
    assert (await send(made, "boss@bank.test", "boss@bank.test")).code == 250


async def test_strangers_are_not_held_to_it() -> None:
    made = await house()
    assert (await made.deliver(JANE, sender=OMAR, content=message(OMAR))).code == 250


async def test_a_strangers_auth_parameter_names_no_account() -> None:
    """The attack: MAIL FROM:<...> AUTH=jane@example.test from outside, so that bounces count against jane."""
    from posthouse.model.envelope import Sender

    made = await house()
    transaction, _ = await made.driver.begin(made.session(), Sender(Address.parse(OUT), auth=JANE))
    assert transaction.sender.auth == ""
    transaction, _ = await made.driver.begin(await login(made), Sender(Address.parse(JANE), auth=OMAR))
    assert transaction.sender.auth == JANE


@pytest.mark.spec_part("OUT-2")
async def test_masquerading_writes_one_domain_in_envelope_and_header() -> None:
    made = await house(masquerade=("host1.example.test=example.test", ".lab.test=example.test"), sender="any")
    author = 'Jane <jane@host1.example.test>, "O, M" <omar@deep.lab.test>'
    assert (await send(made, "jane@host1.example.test", author, "Reply-To: jane@HOST1.example.test")).code == 250
    held = list(await made.spool.listing())[-1]
    content = (await made.spool.content(held.body_id)).decode()
    assert str(held.sender) == JANE
    assert f'From: Jane <{JANE}>,\r\n "O, M" <{OMAR}>' in content
    assert f"Reply-To: {JANE}" in content


@pytest.mark.spec_part("OUT-2")
async def test_masqueraded_senders_are_then_held_to_their_own_addresses() -> None:
    made = await house(masquerade=("host1.example.test=example.test",))
    assert (await send(made, "jane@host1.example.test", "jane@host1.example.test")).code == 250
    assert (await send(made, "omar@host1.example.test", "jane@host1.example.test")).code == 550


async def test_strangers_mail_is_not_masqueraded() -> None:
    made = await house(masquerade=("far.test=example.test",))
    await made.deliver(JANE, sender=OUT, content=message(OUT))
    [record] = await made.traces.search(TraceQuery(recipient=JANE))
    assert record.sender == OUT


@pytest.mark.spec_part("OUT-4")
async def test_senders_must_take_mail_here_where_that_is_set() -> None:
    made = await house(sender="any")
    assert (await send(made, "nobody@example.test")).code == 250
    made.set("submission.sender_must_exist", True)
    reply = await send(made, "nobody@example.test")
    assert (reply.code, reply.enhanced) == (550, "5.1.7")
    assert (await send(made, "x@elsewhere.test")).code == 550
    assert (await send(made)).code == 250
    assert (await send(made, "")).code == 250


@pytest.mark.spec_part("OUT-5")
async def test_rates_hold_for_the_account_its_domain_and_the_node() -> None:
    many = [f"r{number}@far.test" for number in range(4)]
    made = await house(user_rate=3)
    reply = await send(made, to=many)
    assert (reply.code, reply.enhanced) == (450, "4.7.1")
    assert "3 recipients within an hour" in reply.text
    assert (await send(made, OMAR, OMAR, account=OMAR)).code == 250, "another account"
    made.clock.advance(3601)
    assert (await send(made)).code == 250
    for key in ("domain_rate", "node_rate"):
        made = await house(**{key: 3})
        assert (await send(made, to=many[:3])).code == 250
        assert (await send(made, OMAR, OMAR, account=OMAR)).code == 450
        assert (await made.deliver(JANE, session=made.session(client="198.51.100.7"))).code == 250, "strangers do not count"


# Devices


async def reads_mail(made: House, client: str, account: str = JANE) -> None:
    session = await login(made, account, client)
    session.service = "imap"
    made.device_logins.admitted(session)
    import asyncio

    await asyncio.sleep(0)


@pytest.mark.spec_part("OUT-1")
async def test_a_device_sends_as_whoever_reads_mail_beside_it_where_that_is_set() -> None:
    made = await house(device_login_s=600.0)
    device = made.session("submission", client="203.0.113.8")
    assert (await made.deliver(OUT, sender=JANE, content=message(JANE), session=device)).code == 530
    await reads_mail(made, "203.0.113.8")
    assert (await made.deliver(OUT, sender=JANE, content=message(JANE), session=device)).code == 250
    other = made.session("submission", client="203.0.113.9")
    assert (await made.deliver(OUT, sender=JANE, content=message(JANE), session=other)).code == 530
    again = made.session("submission", client="203.0.113.8")
    assert (await made.deliver(OUT, sender=OMAR, content=message(OMAR), session=again)).code == 550, "as itself alone"
    made.clock.advance(601)
    late = made.session("submission", client="203.0.113.8")
    assert (await made.deliver(OUT, sender=JANE, content=message(JANE), session=late)).code == 530


@pytest.mark.spec_part("OUT-1")
async def test_devices_must_log_in_like_everybody_unless_it_is_set() -> None:
    made = await house()
    await reads_mail(made, "203.0.113.8")
    device = made.session("submission", client="203.0.113.8")
    assert (await made.deliver(OUT, sender=JANE, content=message(JANE), session=device)).code == 530


async def test_a_disabled_account_lends_its_login_to_no_device() -> None:
    made = await house(device_login_s=600.0)
    await reads_mail(made, "203.0.113.8")
    await made.directory.change_account(Address.parse(JANE), enabled=False)
    device = made.session("submission", client="203.0.113.8")
    assert (await made.deliver(OUT, sender=JANE, content=message(JANE), session=device)).code == 530


@pytest.mark.parametrize(
    "author", ["boss@bank.test, nobody:;", "Board: jane@example.test, boss@bank.test;", '"boss" bank.test', ""]
)
async def test_attack_an_author_veiled_by_a_group_is_rewritten_too(author: str) -> None:
    """A field with a group in it was left alone, and said to be rewritten."""
    made = await house(sender="rewrite")
    assert (await send(made, JANE, author)).code == 250
    assert await queued(made) == (JANE, f"From: {JANE}")
