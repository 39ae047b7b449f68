"""Asking DNS block lists by a resolver (interfaces/blocklists.py, NET-5). Source: RFC 5782.

All zones are asked side by side, each within the time of one check. A zone that has not answered several times in a row is
left alone for a minute, so that a dead list costs nobody's mail its time-out; then one question, which is not waited for long,
tries it again. Failing: open, and that is logged.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from posthouse.base import log
from posthouse.base.clock import Clock
from posthouse.base.errors import MailError
from posthouse.interfaces.blocklists import BlockListZones
from posthouse.interfaces.resolver import Resolver
from posthouse.model.block_list import BlockListZone, ListHit, reversed_address
from posthouse.model.networks import plain_ip
from posthouse.model.settings import Settings

SILENCES = 3
LEFT_ALONE_S = 60.0
TRIAL_S = 0.3
TEXT_LAST_S = 0.02
"""So much before time is up the text is not waited for any more: that something is listed counts without it."""
MAX_TEXT = 200

_log = log.get("block-lists")


@dataclass(frozen=True, slots=True)
class _Question:
    """``label`` is what stands before the zone's name."""

    zone: BlockListZone
    what: str
    label: str


class DnsBlockLists:
    """One per process, on its loop."""

    def __init__(self, resolver: Resolver, zones: BlockListZones, settings: Callable[[], Settings], clock: Clock) -> None:
        self._resolver = resolver
        self._zones = zones
        self._settings = settings
        self._clock = clock
        self._silences: dict[str, tuple[int, float]] = {}

    async def any_for(self, about: Literal["address", "domain"]) -> bool:
        try:
            return any(zone.enabled and zone.about in (about, "both") for zone in await self._zones.zones())
        except MailError as error:
            _log.warning("zones-not-read", cause=error.cause)
            return False

    async def address(self, address: str) -> Sequence[ListHit]:
        ip = plain_ip(address)
        if ip is None or not (zones := await self._usable("address")):
            return ()
        text = str(ip)
        label = reversed_address(text)
        return await self._hits([_Question(zone, text, label) for zone in zones if not zone.exempts_address(text)])

    async def domain(self, *names: str) -> Sequence[ListHit]:
        if not (zones := await self._usable("domain")):
            return ()
        wanted = [name for each in names if (name := each.lower().strip(".")) and not name.startswith("[")]
        asked = dict.fromkeys(
            _Question(zone, one, one)
            for zone in zones
            for name in wanted
            if not zone.exempts_domain(name)
            for one in _looked_up(name)
        )
        found: dict[str, ListHit] = {}
        for hit in await self._hits(list(asked)):
            found.setdefault(hit.zone, hit)
        return list(found.values())

    async def _usable(self, about: str) -> list[BlockListZone]:
        """The zones to ask now."""
        try:
            zones = await self._zones.zones()
        except MailError as error:
            _log.warning("zones-not-read", cause=error.cause)
            return []
        now = self._clock.steady()
        return [
            zone
            for zone in zones
            if zone.enabled and zone.about in (about, "both") and (not self._is_silent(zone) or self._tries_again(zone, now))
        ]

    async def _hits(self, questions: Sequence[_Question]) -> list[ListHit]:
        """All answers that come within the time of one check, in the order of the questions."""
        if not questions:
            return []
        check_s = self._settings().lookup.check_timeout_s
        tasks = [asyncio.create_task(self._ask(question, check_s)) for question in questions]
        try:
            await asyncio.wait(tasks, timeout=check_s)
        finally:
            late = [question.zone for question, task in zip(questions, tasks, strict=True) if not task.done()]
            for task in tasks:
                task.cancel()
        for zone in dict.fromkeys(late):
            self._note_silence(zone, "no answer in time")
        return [hit for task in tasks if task.done() and not task.cancelled() and (hit := task.result()) is not None]

    def _is_silent(self, zone: BlockListZone) -> bool:
        return self._silences.get(zone.zone, (0, 0.0))[0] >= SILENCES

    def _tries_again(self, zone: BlockListZone, now: float) -> bool:
        """Whether a silent zone is due for a trial; then it is for whoever asked, and for nobody else."""
        count, until = self._silences[zone.zone]
        if now < until:
            return False
        self._silences[zone.zone] = (count, now + LEFT_ALONE_S)
        return True

    async def _ask(self, question: _Question, check_s: float) -> ListHit | None:
        zone, name = question.zone, f"{question.label}.{question.zone.zone}"
        if len(name) > 253:
            return None
        until = asyncio.get_running_loop().time() + check_s - TEXT_LAST_S
        try:
            if self._is_silent(zone):
                async with asyncio.timeout(TRIAL_S):
                    judged = zone.judge(await self._resolver.a(name))
            else:
                judged = zone.judge(await self._resolver.a(name))
        except (TimeoutError, MailError) as error:
            self._note_silence(zone, str(error) or "no answer in time")
            return None
        self._silences.pop(zone.zone, None)
        if judged is None:
            return None
        return ListHit(zone.zone, question.what, judged[0], await self._text(name, until), judged[1], zone.action)

    async def _text(self, question: str, until: float) -> str:
        """Why the list names it; a list need not say (RFC 5782 §2.1)."""
        try:
            async with asyncio.timeout_at(until):
                texts = await self._resolver.txt(question)
        except (TimeoutError, MailError):
            return ""
        return "".join(char if char.isprintable() else "?" for char in " ".join(texts)[:MAX_TEXT])

    def _note_silence(self, zone: BlockListZone, why: str) -> None:
        count = self._silences.get(zone.zone, (0, 0.0))[0] + 1
        if count == SILENCES:
            _log.warning("list-left-alone", zone=zone.zone, seconds=LEFT_ALONE_S, cause=why)
        self._silences[zone.zone] = (count, self._clock.steady() + LEFT_ALONE_S)


def _looked_up(name: str) -> list[str]:
    """The name itself, and its last three and last two labels: lists of domains have what was registered."""
    labels = name.split(".")
    return list(dict.fromkeys((name, ".".join(labels[-3:]), ".".join(labels[-2:]))))
