"""Failure reports: which messages domains are told of (fo=), which never, and to whom the reports go. Row MON-5."""

from __future__ import annotations

import email

import dkim  # type: ignore[import-untyped]
import pytest

from posthouse.mailauth.arc_seal import seal
from posthouse.mailauth.dkim.generate import generate
from posthouse.model.mail_authentication import ArcResult
from posthouse.model.mail_reports import FailureSeen
from posthouse.model.plan import Acceptance
from posthouse.model.signing_key import SigningKey
from posthouse.pipeline.report_letters import ReportTools
from posthouse.pipeline.send_failures import FailureSender
from posthouse.reporting.failures import Failures
from support.house import House
from support.signing import keypair, signed, with_signature

JANE = "jane@example.test"
MESSAGE = b"From: Boss <ceo@bank.test>\r\nTo: jane@example.test\r\nSubject: pay\r\n\r\nNow.\r\n"
THEIRS, STRANGER = "192.0.2.9", "203.0.113.7"
RUF = "ruf=mailto:ruf@bank.test"


class NoWeb:
    async def get(self, host: str, path: str, *, limit_bytes: int) -> bytes:
        raise AssertionError("nothing is fetched here")

    async def post(self, url: str, body: bytes, content_type: str) -> None:
        raise AssertionError("failure reports go by mail")


class Site:
    """A house that tells of failures, and the sender of what it tells."""

    def __init__(self, record: str) -> None:
        house = self.house = House()
        house.set("reports.failures", True)
        records = house.resolver.records
        records[("bank.test", "TXT")] = (f"v=spf1 ip4:{THEIRS} -all",)
        records[("s1._domainkey.bank.test", "TXT")] = (keypair("ed25519").record,)
        records[("_dmarc.bank.test", "TXT")] = (record,)
        self.failures = Failures(house.clock)
        self.sender = FailureSender(
            ReportTools(
                house.reports,
                house.resolver,
                house.directory,
                house.signing_keys,
                house.sink,
                NoWeb(),
                house.onward.own_mail,
                lambda: house.settings,
                house.clock,
                house.ids,
                "mx.example.test",
            ),
            self.failures,
        )

    async def gets(self, content: bytes = MESSAGE, client: str = STRANGER, sender: str = "ann@bank.test") -> list[FailureSeen]:
        if await self.house.directory.domain("example.test") is None:
            await self.house.add_user(JANE)
        await self.house.deliver(JANE, sender=sender, content=content, session=self.house.session(client=client))
        return self.house.failed

    async def sends(self) -> list[Acceptance]:
        """The reports about what came in."""
        before = len(self.house.sink.accepted)
        for failure in self.house.failed:
            self.failures.seen(failure)
        await self.sender.send()
        return self.house.sink.accepted[before:]


BROKEN = with_signature(MESSAGE, keypair("ed25519").signer("bank.test"))
CASES = {
    "unsigned, theirs": (MESSAGE, THEIRS),
    "unsigned, forged": (MESSAGE, STRANGER),
    "signed, elsewhere": (BROKEN, STRANGER),
    "signed, theirs": (BROKEN, THEIRS),
    "changed, theirs": (BROKEN.replace(b"Now.", b"No."), THEIRS),
    "forged header, theirs": (BROKEN.replace(b"pay", b"win"), THEIRS),
}
TOLD = {
    "": {"unsigned, forged": "dmarc"},
    "fo=0": {"unsigned, forged": "dmarc"},
    "fo=x": {"unsigned, forged": "dmarc"},
    "fo=1": {
        "unsigned, theirs": "dmarc",
        "unsigned, forged": "dmarc",
        "signed, elsewhere": "dmarc",
        "changed, theirs": "dmarc",
        "forged header, theirs": "dmarc",
    },
    "fo=d": {"changed, theirs": "bodyhash", "forged header, theirs": "signature"},
    "fo=s": {"unsigned, forged": "spf", "signed, elsewhere": "spf"},
    "fo=0:d:s": {
        "unsigned, forged": "dmarc",
        "signed, elsewhere": "spf",
        "changed, theirs": "bodyhash",
        "forged header, theirs": "signature",
    },
}


@pytest.mark.spec_part("MON-5")
@pytest.mark.parametrize("options", TOLD)
async def test_a_domain_is_told_of_what_its_record_asks_for(options: str) -> None:
    told = {}
    for case, (content, client) in CASES.items():
        for failure in await Site(f"v=DMARC1; p=none; {RUF}; {options}").gets(content, client):
            told[case] = failure.failure
    assert told == TOLD[options]


@pytest.mark.spec_part("MON-5")
async def test_nobody_is_told_unless_the_administrator_wants_it() -> None:
    site = Site(f"v=DMARC1; p=none; {RUF}; fo=1")
    site.house.set("reports.failures", False)
    assert await site.gets() == []


async def test_a_domain_that_does_not_ask_is_not_told() -> None:
    assert await Site("v=DMARC1; p=none; fo=1; rua=mailto:d@bank.test").gets() == []


ARF = (
    b"From: <r@bank.test>\r\nTo: jane@example.test\r\nMIME-Version: 1.0\r\n"
    b'Content-Type: multipart/report; report-type=feedback-report; boundary="b"\r\n\r\n'
    b"--b\r\n\r\nx\r\n--b\r\nContent-Type: message/feedback-report\r\n\r\nFeedback-Type: auth-failure\r\n--b--\r\n"
)


@pytest.mark.spec_part("MON-5")
@pytest.mark.parametrize(
    ("content", "sender", "report_address"),
    [
        (ARF, "r@bank.test", ""),
        (b"Auto-Submitted: auto-generated\r\n" + MESSAGE, "r@bank.test", ""),
        (MESSAGE, "", ""),
        (MESSAGE, "r@bank.test", "Jane@Example.test"),
        (b"Received: from a by b; Fri, 20 Nov 2026 10:00:00 +0000\r\n" * 31 + MESSAGE, "r@bank.test", ""),
    ],
)
async def test_attack_nothing_that_may_be_a_report_or_go_round_is_reported(
    content: bytes, sender: str, report_address: str
) -> None:
    site = Site(f"v=DMARC1; p=none; {RUF}; fo=1")
    if report_address:
        site.house.set("reports.addresses", (report_address,))
    assert await site.gets(content, sender=sender) == []


@pytest.mark.spec_part("MON-5")
async def test_a_report_comes_from_nobody_is_signed_and_never_answered() -> None:
    site = Site(f"v=DMARC1; p=none; {RUF}")
    await site.gets()
    private, public = generate("ed25519-sha256", 2048)
    key = SigningKey("example.test", "s1", "ed25519-sha256", "active", public, 0.0, private)
    await site.house.signing_keys.add_signing_key(key)
    [report] = await site.sends()
    assert report.sender.address is None
    [destination] = report.destinations
    assert str(destination.recipient) == "ruf@bank.test" and destination.recipient.notify == frozenset(("NEVER",))
    assert dkim.verify(report.content, dnsfunc=lambda *_, **__: key.record.encode())
    message = email.message_from_bytes(report.content)
    assert message["Auto-Submitted"] == "auto-generated" and message["From"] == "<postmaster@example.test>"
    said = next(part for part in message.walk() if part["Feedback-Type"])
    assert said["SPF-DNS"] == f'txt : bank.test : "v=spf1 ip4:{THEIRS} -all"'
    assert b"pay" not in report.content and b"jane" not in report.content and b"Now." not in report.content


@pytest.mark.spec_part("MON-5")
async def test_attack_another_site_is_told_only_if_it_agrees_and_may_name_another_address_of_its_own() -> None:
    site = Site("v=DMARC1; p=none; ruf=mailto:victim@collector.test,mailto:b@mail.bank.test")
    await site.gets()
    assert [str(each.destinations[0].recipient) for each in await site.sends()] == ["b@mail.bank.test"]
    records = site.house.resolver.records
    records[("bank.test._report._dmarc.collector.test", "TXT")] = (
        "v=DMARC1; ruf=mailto:in@collector.test,mailto:x@other.test",
    )
    sent = await site.sends()
    assert [str(each.destinations[0].recipient) for each in sent] == ["in@collector.test", "b@mail.bank.test"]


@pytest.mark.spec_part("MON-5")
async def test_attack_a_forger_cannot_make_the_node_flood_a_domain() -> None:
    site = Site(f"v=DMARC1; p=none; {RUF}")
    site.house.set("reports.failures_per_domain", 3)
    for number in range(12):
        await site.gets(client=f"203.0.113.{number % 6}")
    sent = await site.sends()
    assert len(sent) == 3
    assert b"Incidents: 2\r\n" in sent[0].content


async def test_dns_that_does_not_answer_costs_a_report_and_nothing_else() -> None:
    site = Site(f"v=DMARC1; p=none; {RUF},mailto:x@collector.test")
    await site.gets()
    site.house.resolver.records[("bank.test._report._dmarc.collector.test", "FAIL")] = ()
    assert await site.sends() == []


async def test_a_message_that_was_refused_is_told_as_refused() -> None:
    site = Site(f"v=DMARC1; p=reject; {RUF}")
    site.house.set("mailauth.dmarc", "reject")
    [failure] = await site.gets()
    assert failure.refused and site.house.sink.accepted == []
    [report] = await site.sends()
    assert b"Delivery-Result: reject\r\n" in report.content


async def test_attack_what_a_trusted_forwarder_vouches_for_is_nobodys_to_hear_of() -> None:
    site = Site(f"v=DMARC1; p=none; {RUF}; fo=1")
    assert len(await site.gets()) == 1, "the same without the forwarder"
    site.house.failed.clear()
    seal_key = keypair("ed25519")
    site.house.resolver.records[("s1._domainkey.list.test", "TXT")] = (seal_key.record,)
    site.house.set("mailauth.trusted_sealers", ("list.test",))
    said = "mx.list.test; dmarc=pass header.from=bank.test"
    fields = seal(signed(MESSAGE), seal_key.signer("list.test"), ArcResult("none"), said, site.house.clock.now())
    sealed = b"".join(f"{name}: {value}\r\n".encode() for name, value in fields) + MESSAGE
    assert await site.gets(sealed) == []


async def test_a_report_to_an_address_here_lies_in_its_mailbox_like_any_other_mail() -> None:
    site = Site("v=DMARC1; p=none; ruf=mailto:jane@example.test")
    site.house.resolver.records[("bank.test._report._dmarc.example.test", "TXT")] = ("v=DMARC1",)
    await site.gets()
    [report] = await site.sends()
    assert report.content.startswith(b"Return-Path: <>\r\n")


@pytest.mark.spec_part("MON-5")
async def test_a_report_about_a_subdomain_is_the_domains_and_suppresses_nobody() -> None:
    site = Site(f"v=DMARC1; p=none; {RUF}; sp=none")
    forged = MESSAGE.replace(b"ceo@bank.test", b"ceo@news.bank.test")
    await site.gets(forged)
    [report] = await site.sends()
    await site.house.directory.add_domain("bank.test")
    site.house.set("reports.addresses", (JANE,))
    await site.house.deliver(JANE, sender="", content=report.content, session=site.house.session(client=STRANGER))
    [received] = await site.house.reports.received("failure", "bank.test")
    assert received.rows[0].detail.startswith("from ceo@news.bank.test")
    assert await site.house.reports.received("feedback") == []
