"""The authenticate stage: who is checked, what is written, what is refused, and that DNS never holds a message up for long."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from posthouse.formats.folding import fold
from posthouse.formats.mime import summarise
from posthouse.mailauth import results
from posthouse.mailauth.arc_seal import seal
from posthouse.model.address import Address
from posthouse.model.envelope import Recipient, Sender
from posthouse.model.mail_authentication import ArcResult
from posthouse.model.trace import TraceQuery
from support.house import House
from support.signing import Keypair, keypair, signed, with_signature

MESSAGE = b"From: Lena <lena@elsewhere.test>\r\nTo: jane@example.test\r\nSubject: Hello\r\n\r\nHi.\r\n"
JANE = "jane@example.test"
GOOD = {
    ("elsewhere.test", "TXT"): ["v=spf1 ip4:192.0.2.0/24 -all exp=why.elsewhere.test"],
    ("why.elsewhere.test", "TXT"): ["%{i} is not ours"],
    ("_dmarc.elsewhere.test", "TXT"): ["v=DMARC1; p=reject"],
}
STRANGER = "203.0.113.7"


async def house(records: dict[tuple[str, str], list[str]] | None = None) -> House:
    made = House()
    await made.add_user(JANE)
    made.resolver.records = {key: tuple(value) for key, value in (GOOD if records is None else records).items()}
    return made


async def delivered(at: House, content: bytes = MESSAGE, client: str = "192.0.2.9", **session: str) -> tuple[int, bytes]:
    """The reply's code, and the message as it lies in INBOX."""
    reply = await at.deliver(JANE, content=content, session=at.session(client=client, **session))  # type: ignore[arg-type]
    return reply.code, at.sink.accepted[-1].content if reply.code == 250 else b""


def words(content: bytes) -> dict[str, str]:
    """Method and result of the topmost Authentication-Results."""
    root = summarise(content).root
    field = next(each for each in root.headers if each.name == "authentication-results")
    value = content[field.value_start : field.end].decode().replace("\r\n", "")
    return {entry.method: entry.result for entry in results.parse(value)[1]}


async def told(at: House) -> dict[str, str]:
    """The detail of each rule of the stage in the newest trace."""
    record = (await at.traces.search(TraceQuery()))[0]
    return {step.rule: step.detail for step in record.steps if step.stage == "authenticate"}


@pytest.mark.spec_part("MAU-1")
async def test_a_strangers_message_is_marked_under_return_path() -> None:
    at = await house()
    code, content = await delivered(at)
    assert code == 250
    assert content.startswith(b"Return-Path: <lena@elsewhere.test>\r\nAuthentication-Results: mx.example.test;")
    assert words(content) == {"spf": "pass", "dkim": "none", "dmarc": "pass"}
    assert content.endswith(MESSAGE)
    assert (await told(at))["spf-mailfrom"] == "pass: 192.0.2.9 matches ip4:192.0.2.0/24"


async def test_the_summary_is_that_of_the_marked_message() -> None:
    at = await house()
    await delivered(at)
    accepted = at.sink.accepted[-1]
    assert accepted.summary == summarise(accepted.content)


@pytest.mark.parametrize(
    ("service", "client", "account"),
    [
        ("smtp", "127.0.0.1", ""),
        ("smtp", "::1", ""),
        ("smtp", STRANGER, JANE),
        ("submission", STRANGER, JANE),
        ("lmtp", STRANGER, ""),
    ],
)
async def test_clients_that_are_ours_are_not_checked(service: str, client: str, account: str) -> None:
    at = await house()
    code, content = await delivered(at, client=client, service=service, account=account)
    assert code == 250
    assert b"Authentication-Results" not in content


async def test_relay_listed_networks_are_not_checked() -> None:
    at = await house()
    at.set("smtp.relay_networks", ("203.0.113.0/24",))
    session = at.session(client=STRANGER)
    await at.driver.connect(session)
    assert (await at.deliver(JANE, content=MESSAGE, session=session)).code == 250
    assert b"Authentication-Results" not in at.sink.accepted[-1].content


async def test_nothing_is_checked_when_it_is_switched_off() -> None:
    at = await house()
    at.set("mailauth.verify", False)
    assert b"Authentication-Results" not in (await delivered(at, client=STRANGER))[1]


@pytest.mark.parametrize(
    ("action", "policy", "code"),
    [
        ("off", "reject", 250),
        ("mark", "reject", 250),
        ("reject", "reject", 550),
        ("reject", "quarantine", 250),
        ("enforce", "reject", 550),
        ("enforce", "none", 250),
    ],
)
async def test_a_published_policy_is_followed_as_far_as_it_is_set(action: str, policy: str, code: int) -> None:
    at = await house({**GOOD, ("_dmarc.elsewhere.test", "TXT"): [f"v=DMARC1; p={policy}"]})
    at.set("mailauth.dmarc", action)
    assert (await delivered(at, client=STRANGER))[0] == code


async def test_the_refusal_says_whose_policy_it_was() -> None:
    at = await house()
    at.set("mailauth.dmarc", "reject")
    reply = await at.deliver(JANE, content=MESSAGE, session=at.session(client=STRANGER))
    assert (reply.code, reply.enhanced) == (550, "5.7.1")
    assert "policy of elsewhere.test (DMARC)" in reply.text
    assert not at.sink.accepted
    assert (await told(at))["dmarc"].startswith("neither SPF nor DKIM speaks for elsewhere.test")


async def test_a_quarantine_policy_is_worth_a_spam_score_when_enforced() -> None:
    at = await house({**GOOD, ("_dmarc.elsewhere.test", "TXT"): ["v=DMARC1; p=quarantine"]})
    at.set("mailauth.dmarc", "enforce")
    await delivered(at, client=STRANGER)
    record = (await at.traces.search(TraceQuery()))[0]
    assert ("authenticate", "dmarc", "score") in [(step.stage, step.rule, step.verdict) for step in record.steps]


@pytest.mark.parametrize(
    ("entries", "code"),
    [
        (("elsewhere.test=reject",), 550),
        (("test=reject",), 550),
        (("other.test=reject",), 250),
        (("test=reject", "elsewhere.test=mark"), 250),
        (("elsewhere.test=off",), 250),
    ],
)
async def test_single_domains_may_be_treated_otherwise(entries: tuple[str, ...], code: int) -> None:
    at = await house()
    at.set("mailauth.dmarc_domains", entries)
    assert (await delivered(at, client=STRANGER))[0] == code


async def test_spf_alone_refuses_only_where_it_is_set() -> None:
    at = await house({key: value for key, value in GOOD.items() if key[0] != "_dmarc.elsewhere.test"})
    assert (await delivered(at, client=STRANGER))[0] == 250
    at.set("mailauth.spf_fail", "reject")
    reply = await at.deliver(JANE, content=MESSAGE, session=at.session(client=STRANGER))
    assert (reply.code, reply.enhanced) == (550, "5.7.23")
    assert reply.text.endswith("(SPF): 203.0.113.7 is not ours")


async def test_an_aligned_signature_saves_a_forwarded_message() -> None:
    key = keypair("rsa")
    at = await house({**GOOD, ("s1._domainkey.elsewhere.test", "TXT"): [key.record]})
    at.set("mailauth.dmarc", "reject")
    at.set("mailauth.spf_fail", "reject")
    content = with_signature(MESSAGE, key.signer("elsewhere.test"), at.clock.now())
    code, marked = await delivered(at, content, client=STRANGER)
    assert code == 250
    assert words(marked) == {"spf": "fail", "dkim": "pass", "dmarc": "pass"}


async def sealed_by(domain: str, key: Keypair, said: str) -> bytes:
    fields = seal(signed(MESSAGE), key.signer(domain), ArcResult("none"), f"mx.{domain}; {said}", 1_790_000_000.0)
    return b"".join(fold(name, value) for name, value in fields) + MESSAGE


@pytest.mark.parametrize(
    ("trusted", "said", "code"),
    [
        (("list.test",), "dmarc=pass header.from=elsewhere.test", 250),
        (("list.test",), "dmarc=fail header.from=elsewhere.test", 550),
        (("list.test",), "dmarc=pass header.from=other.test", 550),
        (("another.test",), "dmarc=pass header.from=elsewhere.test", 550),
        ((), "dmarc=pass header.from=elsewhere.test", 550),
    ],
)
async def test_a_trusted_sealers_word_stands_against_a_policy(trusted: tuple[str, ...], said: str, code: int) -> None:
    key = keypair("ed25519")
    at = await house({**GOOD, ("s1._domainkey.list.test", "TXT"): [key.record]})
    at.set("mailauth.dmarc", "reject")
    at.set("mailauth.trusted_sealers", trusted)
    assert (await delivered(at, await sealed_by("list.test", key, said), client=STRANGER))[0] == code


@pytest.mark.parametrize(
    ("header", "why"),
    [
        (b"From: a@elsewhere.test\r\nFrom: b@evil.test\r\n", "2 From fields"),
        (b"Subject: x\r\n", "no From field"),
        (b"From: a@elsewhere.test, b@evil.test\r\n", "several domains"),
        (b"From: nobody\r\n", "no address"),
    ],
)
async def test_a_from_that_names_no_one_author_is_an_error(header: bytes, why: str) -> None:
    at = await house()
    _, content = await delivered(at, header + b"\r\nx\r\n")
    assert words(content)["dmarc"] == "permerror"
    assert why in (await told(at))["dmarc"]


async def test_results_that_claim_to_be_ours_are_taken_out() -> None:
    at = await house()
    lie = b"Authentication-Results: MX.example.test; dmarc=pass header.from=bank.test\r\n"
    other = b"Authentication-Results: mx.list.test; dkim=pass\r\n"
    _, content = await delivered(at, lie + other + MESSAGE)
    assert b"bank.test" not in content
    assert content.endswith(other + MESSAGE)
    accepted = at.sink.accepted[-1]
    assert accepted.summary == summarise(accepted.content)


async def test_a_users_own_lie_is_taken_out_too() -> None:
    at = await house()
    lie = b"Authentication-Results: mx.example.test; dmarc=pass\r\n"
    _, content = await delivered(at, lie + MESSAGE, client=STRANGER, service="submission", account=JANE)
    assert b"Authentication-Results" not in content


class SilentResolver:
    """Never answers."""

    async def _silence(self) -> None:
        await asyncio.Event().wait()

    async def mx(self, domain: str) -> Sequence[str]:
        await self._silence()
        return []

    a = aaaa = addresses = txt = ptr = mx

    async def exists(self, domain: str) -> bool:
        await self._silence()
        return False


async def test_silent_dns_costs_no_more_than_the_time_for_it_and_refuses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("support.house.MemoryResolver", SilentResolver)
    at = House()
    await at.add_user(JANE)
    at.set("mailauth.dmarc", "enforce")
    at.set("mailauth.spf_fail", "reject")
    at.set("mailauth.timeout_s", 0.1)
    loop = asyncio.get_running_loop()
    started = loop.time()
    content = with_signature(MESSAGE, keypair("rsa").signer("elsewhere.test"), at.clock.now())
    code, marked = await delivered(at, content)
    assert code == 250
    assert loop.time() - started < 5.0
    assert words(marked) == {"spf": "temperror", "dkim": "temperror", "dmarc": "temperror"}


async def test_what_was_begun_for_an_abandoned_transaction_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("support.house.MemoryResolver", SilentResolver)
    at = House()
    await at.add_user(JANE)
    transaction, _ = await at.driver.begin(at.session(), Sender(Address.parse("lena@elsewhere.test")))
    await at.driver.recipient(transaction, Recipient(Address.parse(JANE)))
    assert transaction.spf is not None
    at.driver.abandon(transaction, "RSET")
    with pytest.raises(asyncio.CancelledError):
        await transaction.spf
