"""Allowed entries of a domain that publishes DMARC need alignment: whoever forges a friend gets nowhere (CON-12)."""

from __future__ import annotations

import pytest

from posthouse.model.account import Account
from posthouse.model.senders import ListOwner, SenderEntry
from posthouse.model.trace import TraceQuery
from support.house import House
from support.scorers import SaidScorer

JANE = "jane@example.test"
BANK, PLAIN = "service@bank.test", "lena@plain.test"
POLICY = ("v=DMARC1; p=none",)


async def house_of(*patterns: str) -> tuple[House, Account]:
    """A bank with DMARC and SPF for 192.0.2.9, another domain with neither; everything scores 73."""
    house = House()
    house.engines = [SaidScorer(73)]
    house.resolver.records.update(
        {
            ("_dmarc.bank.test", "TXT"): POLICY,
            ("bank.test", "TXT"): ("v=spf1 ip4:192.0.2.9 -all",),
            ("esp.test", "TXT"): ("v=spf1 ip4:192.0.2.9 -all",),
        }
    )
    jane = await house.add_user(JANE)
    await house.senders.add([SenderEntry(ListOwner("user", JANE), "sender", pattern) for pattern in patterns])
    return house, jane


async def sent(house: House, jane: Account, *, author: str, envelope: str, client: str = "192.0.2.9") -> str:
    """Where it goes."""
    content = f"From: {author}\r\nTo: {JANE}\r\nSubject: Hello\r\n\r\nHi.\r\n".encode()
    reply = await house.deliver(JANE, sender=envelope, content=content, session=house.session(client=client))
    assert reply.code == 250
    return ", ".join(box.name for box in await house.store.mailboxes(jane.account_id) if box.exists)


async def told(house: House) -> list[str]:
    found = (await house.traces.search(TraceQuery(recipient=JANE)))[0]
    return [step.detail for step in found.steps if step.rule == "not-allowed"]


@pytest.mark.parametrize(
    ("author", "envelope", "client", "place"),
    [
        (BANK, BANK, "192.0.2.9", "INBOX"),
        (BANK, BANK, "198.51.100.7", "Junk Mail"),
        (BANK, "x@esp.test", "192.0.2.9", "Junk Mail"),
        (BANK, "bounce@news.bank.test", "192.0.2.9", "Junk Mail"),
        ("x@evil.test", BANK, "192.0.2.9", "INBOX"),
        ("x@evil.test", BANK, "198.51.100.7", "Junk Mail"),
        (f"{BANK}, x@evil.test", BANK, "198.51.100.7", "Junk Mail"),
    ],
)
async def test_a_domain_with_dmarc(author: str, envelope: str, client: str, place: str) -> None:
    house, jane = await house_of(BANK)
    assert await sent(house, jane, author=author, envelope=envelope, client=client) == place


async def test_the_trace_says_why_an_entry_did_not_count() -> None:
    house, jane = await house_of("bank.test")
    await sent(house, jane, author=BANK, envelope="x@esp.test")
    assert await told(house) == [
        f"{JANE}: bank.test, on the list of {JANE}, but bank.test publishes a DMARC policy, which this message does not pass"
    ]


@pytest.mark.parametrize("client", ["192.0.2.9", "198.51.100.7"])
async def test_a_domain_without_dmarc_needs_none(client: str) -> None:
    house, jane = await house_of(PLAIN)
    assert await sent(house, jane, author=PLAIN, envelope="x@esp.test", client=client) == "INBOX"


async def test_without_an_answer_from_dns_an_entry_does_not_count() -> None:
    house, jane = await house_of("silent.test")
    house.resolver.records[("_dmarc.silent.test", "FAIL")] = ()
    house.resolver.records[("silent.test", "A")] = ("192.0.2.9",)
    assert await sent(house, jane, author="a@silent.test", envelope="x@esp.test") == "Junk Mail"
    assert "could not be found out" in (await told(house))[0]


async def test_where_dmarc_is_not_looked_up_it_is_for_allowed_senders() -> None:
    house, jane = await house_of(BANK)
    house.set("mailauth.dmarc", "off")
    assert await sent(house, jane, author=BANK, envelope="x@esp.test") == "Junk Mail"


async def test_mail_of_users_and_trusted_hosts_needs_no_proof() -> None:
    house, jane = await house_of(BANK)
    session = house.session(client="10.0.0.1")
    session.relay = "network"
    content = f"X-Junkmail-Status: score=90/50\r\nFrom: {BANK}\r\nTo: {JANE}\r\n\r\nHi.\r\n".encode()
    await house.deliver(JANE, sender=BANK, content=content, session=session)
    assert len(await house.inbox(jane)) == 1


async def test_blocked_senders_are_blocked_whether_they_prove_it_or_not() -> None:
    house, jane = await house_of()
    house.engines = []
    await house.senders.add([SenderEntry(ListOwner("user", JANE), "blocked", "bank.test")])
    assert await sent(house, jane, author=BANK, envelope="x@esp.test", client="198.51.100.7") == "Junk Mail"
