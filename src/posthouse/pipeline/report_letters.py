"""What all reports to other sites have in common: their author, to whom they may go, their signature (MON-5).

A report goes where the domain says, and to another site only if that site says so too (RFC 9990 §4, RFC 9991; RFC 7489 §7.1).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from posthouse.base.clock import Clock
from posthouse.base.ids import Ids
from posthouse.formats.mime import summarise
from posthouse.interfaces.directory import Directory
from posthouse.interfaces.mail_reports import ReportBook
from posthouse.interfaces.resolver import Resolver
from posthouse.interfaces.signing_keys import SigningKeys
from posthouse.interfaces.sink import Sink
from posthouse.interfaces.web_fetch import WebFetch
from posthouse.mailauth.dmarc import TreeWalks
from posthouse.mailauth.dmarc_record import mail_uris
from posthouse.mailauth.message import Message
from posthouse.model.address import Address
from posthouse.model.envelope import Recipient, Sender
from posthouse.model.plan import Acceptance, Destination, ToMailbox
from posthouse.model.settings import Settings
from posthouse.pipeline.own_signature import sign

MAX_ADDRESSES = 5


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

    @property
    def submitter(self) -> str:
        """Who reports."""
        return self.settings().smtp.hostname or self.node_name


async def author(tools: ReportTools) -> Address:
    """As set; else postmaster of the local domain that the node's name lies in, or of the first with a key."""
    if tools.settings().reports.sender:
        return Address.parse(tools.settings().reports.sender)
    host = tools.submitter
    domains = [domain.name for domain in await tools.directory.domains()]
    for name in domains:
        if host == name or host.endswith(f".{name}"):
            return Address("postmaster", name)
    for name in domains:
        if await tools.signing_keys.active_keys(name):
            return Address("postmaster", name)
    return Address("postmaster", host)


async def allowed(tools: ReportTools, domain: str, uris: Sequence[str], tag: str) -> tuple[str, ...]:
    """The addresses in rua= or ruf= (``tag``) of ``domain`` that a report may go to: those of its own organization, and
    those elsewhere whose domain agrees; that may name another address of its own instead. Raises Temporary."""
    walks = TreeWalks(tools.resolver)
    found: dict[str, None] = {}
    for uri in uris[:MAX_ADDRESSES]:
        address = _bare(uri)
        at = address.rpartition("@")[2].lower()
        if at == domain or (await walks.of(at)).organizational == (await walks.of(domain)).organizational:
            found[address] = None
        else:
            found.update(dict.fromkeys(await _agreed(tools, domain, at, address, tag)))
    return tuple(found)


async def _agreed(tools: ReportTools, domain: str, elsewhere: str, address: str, tag: str) -> Sequence[str]:
    for text in await tools.resolver.txt(f"{domain}._report._dmarc.{elsewhere}"):
        pieces = [piece.partition("=") for piece in text.split(";")]
        tags = {name.strip().lower(): value.strip() for name, _, value in pieces}
        if tags.get("v", "").upper() == "DMARC1":
            instead = [_bare(uri) for uri in mail_uris(tags.get(tag, ""))]
            return [each for each in instead if each.rpartition("@")[2].lower() == elsewhere][:MAX_ADDRESSES] or [address]
    return ()


def _bare(uri: str) -> str:
    """With its ``mailto:``, without a bound on the size and without fields."""
    return uri.partition("!")[0].partition("?")[0]


async def post(tools: ReportTools, to: Recipient, sender: Sender, write: Callable[[str, float], bytes], by: Address) -> bool:
    """Signs what ``write`` makes of a Message-ID and the time, and sends it; False if the address leads nowhere.
    Raises MailError."""
    destinations = tuple(await tools.onward(to))
    if not destinations:
        return False
    trace_id, now = tools.ids.new(), tools.clock.now()
    content = write(f"<{trace_id}@{tools.node_name}>", now)
    if keys := await tools.signing_keys.active_keys(by.domain):
        content = await sign(Message.of(content, summarise(content)), keys, now)
    if any(isinstance(each, ToMailbox) for each in destinations):
        content = f"Return-Path: <{sender}>\r\n".encode() + content
    await tools.sink.commit(Acceptance(trace_id, now, sender, content, summarise(content), destinations))
    return True
