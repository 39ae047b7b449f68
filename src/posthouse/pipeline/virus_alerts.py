"""Tells people of viruses and of old patterns (CON-6): collected from all workers, bundled, and sent as the node's own mail.

Runs in the steward. Each receiver gets a first mail at once and then at most one in ``antivirus.alert_interval_s``, with all
that happened meanwhile. Senders are told only if their address is no forgery. What is lost in a crash is news, not mail.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from posthouse.content.antivirus.notices import MAX_SHOWN, Reader, about_old_patterns, about_viruses
from posthouse.content.antivirus.patterns import EngineState
from posthouse.formats.node_letter import Letterhead
from posthouse.model.address import Address
from posthouse.model.settings import Settings
from posthouse.model.virus_found import VirusFound
from posthouse.pipeline.node_letters import LetterTools, send_letter

LIST_NAME = "virus-alerts"
MAX_WAITING = 1_000
MAX_RECEIVERS = 5_000
_MAX_DOMAINS = 20


@dataclass(slots=True)
class _Box:
    """What one receiver is to be told. ``more`` counts what did not find room."""

    found: list[VirusFound] = field(default_factory=list)
    more: int = 0
    last_s: float = float("-inf")


class VirusAlerts:
    """``heard`` takes news at any time, ``send_due`` is called from time to time."""

    def __init__(self, settings: Callable[[], Settings], tools: LetterTools) -> None:
        self._settings = settings
        self._tools = tools
        self._waiting: list[VirusFound] = []
        self._boxes: OrderedDict[tuple[Reader, str], _Box] = OrderedDict()

    def heard(self, found: VirusFound) -> None:
        """Another message was infected. When there is no room, the newest are left out."""
        if len(self._waiting) < MAX_WAITING:
            self._waiting.append(found)

    async def send_due(self) -> int:
        """Gives how many mails were sent. Raises MailError; what was not sent stays due."""
        while self._waiting:
            await self._sort(self._waiting[0])
            del self._waiting[0]
        now, interval_s, sent = self._tools.clock.steady(), self._settings().antivirus.alert_interval_s, 0
        for (reader, address), box in list(self._boxes.items()):
            if not box.found or now - box.last_s < interval_s:
                continue
            write = partial(about_viruses, reader=reader, found=tuple(box.found), more=box.more)
            sent += await self._send(Address.parse(address), write)
            box.found, box.more, box.last_s = [], 0, now
        return sent

    async def patterns_are_old(self, states: Sequence[EngineState]) -> bool:
        """Tells whoever there is; False if there is nobody. Raises MailError."""
        told = False
        for address in await self._of_the_site():
            told = await self._send(address, partial(about_old_patterns, states=states)) or told
        return told

    async def _sort(self, found: VirusFound) -> None:
        chosen = self._settings().antivirus
        if chosen.alerts:
            self._put("alerts", chosen.alerts, found)
        domains = dict.fromkeys(address.rpartition("@")[2].lower() for address in found.recipients)
        for domain in list(domains)[:_MAX_DOMAINS]:
            address = await self._existing(LIST_NAME, domain)
            if address is not None and str(address).lower() != chosen.alerts.lower():
                self._put("alerts", str(address), found)
        if chosen.notify_senders and found.sender and found.genuine and not found.refused:
            self._put("sender", found.sender, found)
        if chosen.notify_recipients:
            for each in found.local:
                self._put("recipient", each, found)

    def _put(self, reader: Reader, address: str, found: VirusFound) -> None:
        key = (reader, address)
        box = self._boxes.get(key)
        if box is None:
            box = self._boxes[key] = _Box()
            if len(self._boxes) > MAX_RECEIVERS:
                self._boxes.popitem(last=False)
        self._boxes.move_to_end(key)
        if len(box.found) < MAX_SHOWN:
            box.found.append(found)
        else:
            box.more += 1

    async def _existing(self, local: str, domain: str) -> Address | None:
        """The address, if it leads somewhere in a domain of ours."""
        if not domain or await self._tools.directory.domain(domain) is None:
            return None
        address = Address(local, domain)
        known = await self._tools.directory.alias(address) or await self._tools.directory.account(address)
        return address if known is not None else None

    async def _of_the_site(self) -> Sequence[Address]:
        """Who is told what concerns no message: the receiver of alerts, else the list or the postmaster of the default domain,
        or of the first domain there is."""
        settings = self._settings()
        if settings.antivirus.alerts:
            return (Address.parse(settings.antivirus.alerts),)
        domains = [each.name for each in await self._tools.directory.domains()]
        for domain in [settings.auth.default_domain, *domains[:_MAX_DOMAINS]]:
            for local in (LIST_NAME, "postmaster"):
                address = await self._existing(local, domain)
                if address is not None:
                    return (address,)
        return ()

    async def _send(self, to: Address, write: Callable[[Letterhead], bytes]) -> bool:
        return await send_letter(self._tools, to, write, "tells of viruses")
