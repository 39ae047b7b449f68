"""What stands in a rehearsal where the path would write: it takes everything and writes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from posthouse.base.errors import Permanent
from posthouse.interfaces.courier import Answer, Parcel
from posthouse.interfaces.mailstore import MailStore, Watched
from posthouse.model.mailbox import DEFAULT_MAILBOXES, MailboxInfo, SpecialUse
from posthouse.model.plan import Acceptance
from posthouse.model.script import Memory
from posthouse.model.trace import TraceQuery, TraceRecord
from posthouse.model.triplet import Outcome, Terms, Triplet, Use


class RehearsalWrites(Permanent):
    """Something would be written."""

    def __init__(self) -> None:
        super().__init__("A rehearsal writes nothing")


class RehearsalSink:
    """``interfaces.sink.Sink``: what would be committed for the message under way."""

    def __init__(self) -> None:
        self.taken: list[Acceptance] = []

    async def commit(self, *acceptances: Acceptance) -> None:
        self.taken += acceptances


class RehearsalTraces:
    """``interfaces.traces.TraceLog``: keeps nothing; the walk reads the transaction itself."""

    def record(self, record: TraceRecord) -> None:
        return None

    async def search(self, query: TraceQuery) -> Sequence[TraceRecord]:
        return []

    async def expire(self, before: float) -> int:
        return 0


class RehearsalMemory:
    """The part of ``interfaces.scripts.ScriptsWriter`` that the path uses."""

    async def remember(self, account_id: int, memories: Sequence[Memory]) -> None:
        return None

    def __getattr__(self, name: str) -> Any:
        raise RehearsalWrites


class RehearsalStore:
    """A mail store to read from; a mailbox that would be made, such as those of an account that had no mail yet, is only said
    to be there."""

    def __init__(self, at_rest: MailStore) -> None:
        self._at_rest = at_rest

    async def create(self, account_id: int, name: str, special_use: SpecialUse = "") -> MailboxInfo:
        return _as_if(account_id, name, special_use)

    async def mailboxes(self, account_id: int) -> Sequence[MailboxInfo]:
        try:
            return await self._at_rest.mailboxes(account_id)
        except RehearsalWrites:
            return [_as_if(account_id, name, use) for name, use in DEFAULT_MAILBOXES]

    async def mailbox(self, account_id: int, name: str) -> MailboxInfo | None:
        try:
            return await self._at_rest.mailbox(account_id, name)
        except RehearsalWrites:
            return next((box for box in await self.mailboxes(account_id) if box.name == name), None)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._at_rest, name)

    def as_store(self) -> MailStore:
        """For the stages."""
        return cast(MailStore, self)


def _as_if(account_id: int, name: str, special_use: SpecialUse) -> MailboxInfo:
    return MailboxInfo(0, account_id, name, 1, 1, 1, 0, 0, 0, 0, (), special_use, subscribed=False, object_id="")


class RehearsalGate:
    """The gate of backends that must not write: the last line of defence."""

    async def call(self, kind: str, arguments: Any, octets: int = 0) -> Any:
        raise RehearsalWrites

    def tell(self, kind: str, payload: Any) -> None:
        return None

    def watch(self, kind: Watched, number: int, *, on: bool) -> None:
        return None


class RehearsalTripletWriter:
    """Nothing is learnt: what is not known yet would have to wait."""

    async def decide(self, asked: Sequence[Triplet], at: float, terms: Terms) -> Sequence[Outcome]:
        return ["new" for _ in asked]

    async def use(self, uses: Sequence[Use], terms: Terms) -> None:
        return None

    async def praise(self, domain: str, network: str, at: float, lifetime_s: float, count: int = 1) -> None:
        return None

    async def forget(self, keys: Sequence[Any]) -> int:
        return 0

    async def expire(self, now: float, statistics_before: float) -> int:
        return 0

    async def settle(self) -> None:
        return None

    async def learn_unknown(self, address: str, reply: str, until: float) -> None:
        return None

    async def forget_unknown(self, address: str) -> bool:
        return False


async def not_handed_over(next_hop: str, parcel: Parcel) -> tuple[Sequence[Answer], str]:
    """``pipeline.hand_over.Deliver``: no host is reached, so that the message goes to the sink."""
    return [Answer(450, f"450 4.4.1 A rehearsal gives {next_hop} nothing")] * len(parcel.recipients), ""
