"""Quarantines in memory: the fake that stages' and operations' tests use, and the oracle of the real one's tests.

It keeps the contract of ``interfaces.quarantine``; nothing in it is durable. What is released reaches mailboxes and queue
through ``accept``, which is ``MemorySink``'s.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace

from posthouse.base.clock import Clock, SystemClock
from posthouse.base.errors import NotFound
from posthouse.base.glob import matches
from posthouse.model.held import HeldCount, HeldMessage, HeldQuery
from posthouse.model.plan import Acceptance, ToMailbox, ToQuarantine
from posthouse.model.verdict import QuarantineKind


class MemoryQuarantine:
    """See ``interfaces.quarantine``. ``clock`` says when something was held."""

    def __init__(self, accept: Callable[[Acceptance], None], clock: Clock | None = None) -> None:
        self._accept = accept
        self._clock = clock or SystemClock()
        self._held: dict[int, HeldMessage] = {}
        self._bodies: dict[int, bytes] = {}
        self._last_id = 0

    def take(self, acceptance: Acceptance) -> None:
        """Takes in the destinations that are ``ToQuarantine``."""
        for destination in acceptance.destinations:
            if isinstance(destination, ToQuarantine):
                self._last_id += 1
                self._bodies[self._last_id] = acceptance.content
                self._held[self._last_id] = _held(acceptance, destination, self._last_id, self._clock.now())

    async def listing(self, query: HeldQuery) -> Sequence[HeldMessage]:
        found = [each for each in reversed(self._held.values()) if _fits(each, query)]
        return found[: query.limit]

    async def get(self, held_id: int) -> HeldMessage | None:
        return self._held.get(held_id)

    async def content(self, body_id: int) -> bytes:
        try:
            return self._bodies[body_id]
        except KeyError:
            raise NotFound("The message is gone") from None

    async def counts(self, domain: str = "") -> Sequence[HeldCount]:
        groups: dict[tuple[QuarantineKind, str], list[HeldMessage]] = defaultdict(list)
        for each in self._held.values():
            if not domain or each.recipient.address.domain == domain.lower():
                groups[each.kind, "" if each.kind == "junk" else each.name].append(each)
        return [
            HeldCount(*key, len(those), sum(each.size_bytes for each in those), min(each.held_at for each in those))
            for key, those in sorted(groups.items())
        ]

    async def due(self, now: float, limit: int) -> Sequence[HeldMessage]:
        found = [each for each in self._held.values() if 0 < each.release_at <= now]
        return sorted(found, key=lambda each: (each.release_at, each.held_id))[:limit]

    async def next_due(self) -> float | None:
        return min((each.release_at for each in self._held.values() if each.release_at > 0), default=None)

    async def release(self, held_id: int, acceptances: Sequence[Acceptance]) -> bool:
        if held_id not in self._held:
            return False
        for acceptance in acceptances:
            self._accept(acceptance)
        await self.delete([held_id])
        return True

    async def delete(self, held_ids: Sequence[int]) -> int:
        there = [held_id for held_id in held_ids if held_id in self._held]
        for held_id in there:
            del self._held[held_id], self._bodies[held_id]
        return len(there)

    async def postpone(self, held_id: int, release_at: float) -> None:
        if held_id in self._held:
            self._held[held_id] = replace(self._held[held_id], release_at=release_at)

    async def expire(self, kind: QuarantineKind, before: float, limit: int) -> Sequence[HeldMessage]:
        old = [each for each in self._held.values() if each.kind == kind and each.held_at < before and not each.release_at]
        gone = sorted(old, key=lambda each: each.held_at)[:limit]
        await self.delete([each.held_id for each in gone])
        return gone


def _held(acceptance: Acceptance, destination: ToQuarantine, held_id: int, now: float) -> HeldMessage:
    onward = destination.onward
    local = onward if isinstance(onward, ToMailbox) else None
    return HeldMessage(
        held_id=held_id,
        trace_id=acceptance.trace_id,
        kind=destination.kind,
        name=destination.name,
        recipient=destination.recipient,
        account_id=local.account_id if local else 0,
        account=local.account.lower() if local else "",
        onward=onward,
        sender=acceptance.sender,
        origin=acceptance.origin,
        stage=destination.stage,
        rule=destination.rule,
        why=destination.why,
        body_id=held_id,
        size_bytes=len(acceptance.content),
        received_at=acceptance.received_at,
        held_at=now,
        release_at=destination.release_at,
        author=", ".join(acceptance.summary.from_addresses),
        subject=acceptance.summary.subject,
    )


def _fits(held: HeldMessage, query: HeldQuery) -> bool:
    address, domain = str(held.recipient.address).lower(), held.recipient.address.domain
    text = query.text.lower()
    return (
        query.kind in (None, held.kind)
        and query.name in ("", held.name)
        and query.account_id in (None, held.account_id)
        and query.trace_id in ("", held.trace_id)
        and query.domain.lower() in ("", domain)
        and (not query.recipient or any(matches(query.recipient.lower(), each) for each in (address, held.account)))
        and (not text or any(text in each.lower() for each in (held.subject, held.author, str(held.sender))))
        and (query.since is None or held.held_at >= query.since)
        and (query.until is None or held.held_at < query.until)
        and (not query.before_id or held.held_id < query.before_id)
    )
