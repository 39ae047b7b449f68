"""The daily aggregate reports to other sites: DMARC (RFC 7489 §7.2, RFC 9990) and TLS (RFC 8460). The steward's clock calls.

A report goes where the domain says, and to another site only if that site says so too. It is signed with the key of its
author's domain. Failing: what cannot be looked up or kept now is tried again the next time, for some days.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from posthouse.base import log
from posthouse.base.clock import Clock
from posthouse.base.errors import MailError
from posthouse.base.ids import Ids
from posthouse.formats import dmarc_report, report_mail, tls_report
from posthouse.formats.dmarc_report import Metadata
from posthouse.formats.folding import fold
from posthouse.formats.mime import summarise
from posthouse.interfaces.directory import Directory
from posthouse.interfaces.mail_reports import ReportBook
from posthouse.interfaces.resolver import Resolver
from posthouse.interfaces.signing_keys import SigningKeys
from posthouse.interfaces.sink import Sink
from posthouse.interfaces.web_fetch import WebFetch
from posthouse.mailauth import dmarc_record
from posthouse.mailauth.dkim.canonical import Bodies
from posthouse.mailauth.dkim.sign import Signer, signature_value
from posthouse.mailauth.dkim.signed_header import Fields
from posthouse.mailauth.message import Message
from posthouse.model.address import Address
from posthouse.model.envelope import Recipient, Sender
from posthouse.model.mail_reports import ReportKind
from posthouse.model.plan import Acceptance, Destination
from posthouse.model.settings import Settings
from posthouse.reporting.tallies import DAY_S, decoded_dmarc, decoded_tls

MAX_ADDRESSES = 5
GIVE_UP_DAYS = 3

_log = log.get("reports")


@dataclass(frozen=True, slots=True)
class ReportTools:
    """What it takes."""

    book: ReportBook
    resolver: Resolver
    directory: Directory
    signing_keys: SigningKeys
    sink: Sink
    web: WebFetch
    onward: Callable[[Recipient], Awaitable[Sequence[Destination]]]
    settings: Callable[[], Settings]
    clock: Clock
    ids: Ids
    node_name: str


class ReportSender:
    """``send`` sends what is due: the days that are over; ``and_today`` also what today has had so far, whose rest then goes
    into a report of its own."""

    def __init__(self, tools: ReportTools) -> None:
        self._tools = tools

    async def send(self, *, and_today: bool = False) -> int:
        """Gives how many reports went out."""
        sent, today = 0, int(self._tools.clock.now() // DAY_S)
        reports = self._tools.settings().reports
        kinds: tuple[tuple[ReportKind, bool], ...] = (("dmarc", reports.dmarc), ("tls", reports.tls))
        for kind, wanted in kinds:
            for day, domain in await self._tools.book.due(kind, today + and_today):
                try:
                    sent += await self._about(kind, day, domain) if wanted else 0
                except MailError as error:
                    _log.warning("report-not-sent", kind=kind, domain=domain, cause=error.cause or error.public)
                    if today - day <= GIVE_UP_DAYS:
                        continue
                await self._tools.book.drop(kind, day, domain)
        return sent

    async def _about(self, kind: ReportKind, day: int, domain: str) -> int:
        """One report to each address that wants it. Raises MailError if none took it: what one took is not sent to it again."""
        entries = await self._tools.book.entries(kind, day, domain)
        if kind == "dmarc":
            dmarc_seen = [(decoded_dmarc(entry), count) for entry, count in entries]
            uris = await self._dmarc_addresses(domain, dmarc_seen[-1][0].record if dmarc_seen else "")
        else:
            uris = tls_report.report_uris(await self._tools.resolver.txt(f"_smtp._tls.{domain}"))
        if not uris or not entries:
            return 0
        sender = await self._sender()
        submitter = self._tools.settings().smtp.hostname or self._tools.node_name
        report_id = f"{day}-{domain}-{self._tools.ids.new()}"
        ends_at = min((day + 1) * DAY_S - 1, int(self._tools.clock.now()))
        about = Metadata(submitter, str(sender), report_id, day * DAY_S, ends_at)
        if kind == "dmarc":
            report = await asyncio.to_thread(dmarc_report.compose, about, domain, dmarc_seen)
        else:
            tls_seen = [(decoded_tls(entry), count) for entry, count in entries]
            report = await asyncio.to_thread(tls_report.compose, about, tls_seen)
        packed = await asyncio.to_thread(report_mail.pack, report)
        failures: dict[str, MailError] = {}
        for uri in uris[:MAX_ADDRESSES]:
            try:
                if uri.lower().startswith("https:"):
                    await self._tools.web.post(uri, packed, "application/tlsrpt+gzip")
                else:
                    await self._mail(kind, sender, uri[len("mailto:") :], about, domain, packed)
            except MailError as error:
                failures[uri] = error
        sent = [uri for uri in uris[:MAX_ADDRESSES] if uri not in failures]
        if not sent:
            raise next(iter(failures.values()))
        _log.info("report-sent", kind=kind, domain=domain, to=sent, not_to=list(failures))
        return 1

    async def _dmarc_addresses(self, domain: str, text: str) -> tuple[str, ...]:
        """Those of the record; addresses elsewhere only if their domain agrees (RFC 7489 §7.1)."""
        record = dmarc_record.read(text)
        found = []
        for uri in record.reports_to[:MAX_ADDRESSES] if record is not None else ():
            address = uri.partition("!")[0]
            at = address.rpartition("@")[2].lower()
            own = at == domain or at.endswith(f".{domain}") or ("." in at and domain.endswith(f".{at}"))
            if own or await self._agrees(domain, at):
                found.append(address)
        return tuple(found)

    async def _agrees(self, domain: str, elsewhere: str) -> bool:
        texts = await self._tools.resolver.txt(f"{domain}._report._dmarc.{elsewhere}")
        return any(text.replace(" ", "").lower().startswith("v=dmarc1") for text in texts)

    async def _sender(self) -> Address:
        """As set; else postmaster of the local domain that the node's name lies in, or of the first with a key."""
        settings = self._tools.settings()
        if settings.reports.sender:
            return Address.parse(settings.reports.sender)
        host = settings.smtp.hostname or self._tools.node_name
        domains = [domain.name for domain in await self._tools.directory.domains()]
        for name in domains:
            if host == name or host.endswith(f".{name}"):
                return Address("postmaster", name)
        for name in domains:
            if await self._tools.signing_keys.active_keys(name):
                return Address("postmaster", name)
        return Address("postmaster", host)

    async def _mail(self, kind: ReportKind, sender: Address, to: str, about: Metadata, domain: str, packed: bytes) -> None:
        try:
            recipient = Recipient(Address.parse(to.partition("?")[0]))
        except ValueError:
            _log.warning("report-address-bad", kind=kind, domain=domain, address=to[:200])
            return
        destinations = tuple(await self._tools.onward(recipient))
        if not destinations:
            return
        trace_id, now = self._tools.ids.new(), self._tools.clock.now()
        name = f"{about.organisation}!{domain}!{about.begins_at}!{about.ends_at}"
        message_id = f"<{trace_id}@{self._tools.node_name}>"
        content = report_mail.compose(
            report_mail.ReportMail(
                kind, str(sender), str(recipient), domain, about.organisation, about.report_id, name, packed, now, message_id
            )
        )
        content = await self._signed(content, sender, now)
        summary = summarise(content)
        await self._tools.sink.commit(Acceptance(trace_id, now, Sender(sender), content, summary, destinations))

    async def _signed(self, content: bytes, sender: Address, now: float) -> bytes:
        keys = await self._tools.signing_keys.active_keys(sender.domain)
        if not keys:
            return content
        message = Message.of(content, summarise(content))

        def fields() -> bytes:
            signers = [Signer(key.domain, key.selector, key.private_key) for key in keys]
            values = [signature_value(signer, Fields(message), Bodies(message.body), now) for signer in signers]
            return b"".join(fold("DKIM-Signature", value) for value in values)

        return await asyncio.to_thread(fields) + content
