"""The daily reports: to whom they go, what they say, what becomes of a failure."""

from __future__ import annotations

from dataclasses import dataclass, field

import dkim  # type: ignore[import-untyped]
import pytest

from posthouse.base.errors import Temporary
from posthouse.formats.report_mail import find
from posthouse.mailauth.dkim.generate import generate
from posthouse.model.address import Address
from posthouse.model.mail_reports import DmarcSeen
from posthouse.model.plan import Acceptance
from posthouse.model.signing_key import SigningKey
from posthouse.model.tls_policy import TlsPolicy, TlsResult
from posthouse.pipeline.report_letters import ReportTools
from posthouse.pipeline.send_reports import ReportSender
from posthouse.reporting.tallies import DAY_S, Tallies
from support.house import House

RECORD = "v=DMARC1; p=reject; rua=mailto:dmarc@far.test,mailto:far@collector.test"


@dataclass
class Web:
    posted: list[tuple[str, bytes, str]] = field(default_factory=list)
    broken: bool = False

    async def get(self, host: str, path: str, *, limit_bytes: int) -> bytes:
        raise AssertionError("nothing is fetched here")

    async def post(self, url: str, body: bytes, content_type: str) -> None:
        if self.broken:
            raise Temporary("no answer")
        self.posted.append((url, body, content_type))


class Desk:
    def __init__(self) -> None:
        self.house = House()
        self.web = Web()
        self.tallies = Tallies(self.house.reports, self.house.clock)
        house = self.house
        self.sender = ReportSender(
            ReportTools(
                house.reports,
                house.resolver,
                house.directory,
                house.signing_keys,
                house.sink,
                self.web,
                house.onward.own_mail,
                lambda: house.settings,
                house.clock,
                house.ids,
                "mx.example.test",
            )
        )

    async def next_day(self) -> list[Acceptance]:
        await self.tallies.flush()
        self.house.clock.advance(DAY_S)
        await self.sender.send()
        return self.house.sink.accepted


def seen(record: str = RECORD) -> DmarcSeen:
    return DmarcSeen("far.test", record, "far.test", "far.test", "192.0.2.1", "none", dkim_aligned=True, spf_aligned=True)


def addresses(accepted: list[Acceptance]) -> list[str]:
    return [str(destination.recipient) for acceptance in accepted for destination in acceptance.destinations]


@pytest.mark.spec_part("MON-5")
async def test_a_domain_is_told_once_the_day_is_over() -> None:
    desk = Desk()
    desk.tallies.dmarc(seen())
    desk.tallies.dmarc(seen())
    await desk.tallies.flush()
    assert await desk.sender.send() == 0
    [accepted] = await desk.next_day()
    report = find(accepted.content, accepted.summary)
    assert (report.domain, report.rows[0].count, report.rows[0].source) == ("far.test", 2, "192.0.2.1")
    assert addresses([accepted]) == ["dmarc@far.test"]
    assert len(await desk.next_day()) == 1


@pytest.mark.spec_part("MON-5")
async def test_attack_another_site_gets_reports_only_if_it_agrees() -> None:
    desk = Desk()
    desk.tallies.dmarc(seen("v=DMARC1; p=none; rua=mailto:victim@collector.test"))
    assert addresses(await desk.next_day()) == []
    desk.house.resolver.records[("far.test._report._dmarc.collector.test", "TXT")] = ("v=DMARC1",)
    desk.tallies.dmarc(seen())
    assert addresses(await desk.next_day()) == ["dmarc@far.test", "far@collector.test"]


async def test_a_report_is_signed_in_the_name_of_its_author() -> None:
    desk = Desk()
    await desk.house.add_user("jane@example.test")
    private, public = generate("ed25519-sha256", 2048)
    key = SigningKey("example.test", "s1", "ed25519-sha256", "active", public, 0.0, private)
    await desk.house.signing_keys.add_signing_key(key)
    desk.tallies.dmarc(seen())
    [accepted] = await desk.next_day()
    assert accepted.sender.address == Address.parse("postmaster@example.test")
    assert dkim.verify(accepted.content, dnsfunc=lambda *_, **__: key.record.encode())


@pytest.mark.spec_part("MON-5")
async def test_tls_reports_go_by_mail_or_by_https() -> None:
    desk = Desk()
    where = ("v=TLSRPTv1; rua=mailto:tls@far.test,https://reports.far.test/in",)
    desk.house.resolver.records[("_smtp._tls.far.test", "TXT")] = where
    policy = TlsPolicy("sts", "far.test", lines=("version: STSv1",))
    desk.tallies.tls(TlsResult(policy, "mx.far.test", "192.0.2.9", "certificate-expired", "ended"))
    desk.tallies.tls(TlsResult(policy, "mx.far.test", "192.0.2.9"))
    desk.tallies.tls(TlsResult(TlsPolicy("site", "near.test"), "mx.near.test", "192.0.2.8", "certificate-expired"))
    [accepted] = await desk.next_day()
    assert b"TLS-Report-Domain: far.test" in accepted.content
    assert [row.result for row in find(accepted.content, accepted.summary).rows] == ["success", "certificate-expired"]
    assert [(url, kind) for url, _, kind in desk.web.posted] == [("https://reports.far.test/in", "application/tlsrpt+gzip")]


async def test_what_fails_is_tried_again_for_some_days() -> None:
    desk = Desk()
    desk.house.resolver.records[("_smtp._tls.far.test", "TXT")] = ("v=TLSRPTv1; rua=https://reports.far.test/in",)
    desk.tallies.tls(TlsResult(TlsPolicy("dane", "far.test"), "mx.far.test", "192.0.2.9"))
    desk.web.broken = True
    await desk.next_day()
    desk.web.broken = False
    await desk.next_day()
    assert len(desk.web.posted) == 1


async def test_they_can_be_switched_off() -> None:
    desk = Desk()
    desk.house.set("reports.dmarc", False)
    desk.tallies.dmarc(seen())
    assert await desk.next_day() == []
    desk.house.set("reports.dmarc", True)
    assert await desk.next_day() == []


async def test_what_one_address_took_is_not_sent_to_it_again_because_another_fails() -> None:
    desk = Desk()
    where = ("v=TLSRPTv1; rua=mailto:tls@far.test,https://reports.far.test/in",)
    desk.house.resolver.records[("_smtp._tls.far.test", "TXT")] = where
    desk.web.broken = True
    desk.tallies.tls(TlsResult(TlsPolicy("sts", "far.test"), "mx.far.test", "192.0.2.9"))
    assert addresses(await desk.next_day()) == ["tls@far.test"]
    assert addresses(await desk.next_day()) == ["tls@far.test"]
