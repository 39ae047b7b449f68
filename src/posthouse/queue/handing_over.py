"""Handing a message to the first host of several that can be reached: by the queue, or while its sender still waits."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence

from posthouse.base.errors import MailError
from posthouse.interfaces.courier import Answer, Courier, Parcel, Target, Unreachable
from posthouse.queue.require_tls import refusal
from posthouse.queue.targets import Targets

AWAY_S = 30.0
MAX_KNOWN = 1_000


class TurnedAway:
    """Hosts that turned us away a moment ago: for a while the others of their destination are asked before them, so that not
    each message hears it again. ``now`` is on a steady clock, in seconds."""

    def __init__(self) -> None:
        self._until: OrderedDict[tuple[str, int], float] = OrderedDict()

    def last(self, targets: Sequence[Target], now: float) -> Sequence[Target]:
        """The same, those hosts at the end."""
        return sorted(targets, key=lambda target: self._until.get((target.address, target.port), now) > now)

    def note(self, target: Target, now: float) -> None:
        """It turned us away."""
        self._until[target.address, target.port] = now + AWAY_S
        self._until.move_to_end((target.address, target.port))
        if len(self._until) > MAX_KNOWN:
            self._until.popitem(last=False)


def _ignore(_target: Target) -> None:
    """For those who ask once."""


async def hand_over(
    courier: Courier,
    targets: Sequence[Target],
    parcel: Parcel,
    *,
    strict: bool,
    turned_away: Callable[[Target], None] = _ignore,
) -> tuple[Sequence[Answer], str]:
    """One answer for each recipient, and the host that gave them ("" if none could be reached). ``strict``: it may leave over
    verified TLS only, so that hosts which lack it are a final answer. ``turned_away`` is told of hosts that did so."""
    failures: list[Unreachable] = []
    failure = ""
    for target in targets:
        try:
            return await courier.deliver(target, parcel), name_of(target)
        except Unreachable as error:
            failures.append(error)
            if error.pushes_back:
                turned_away(target)
            failure = f"{name_of(target)}: {error.cause}"
    if strict and (last := refusal(failures)):
        return [Answer(550, last)] * len(parcel.recipients), ""
    if failures and all(error.never for error in failures):
        return [Answer(521, f"521 5.3.2 No host takes mail: {failure}")] * len(parcel.recipients), ""
    silent = all(error.silent for error in failures)
    pushes_back = not silent and all(error.silent or error.pushes_back for error in failures)
    answer = Answer(450, f"450 4.4.1 No host could be reached: {failure}", silent=silent, pushes_back=pushes_back)
    return [answer] * len(parcel.recipients), ""


def name_of(target: Target) -> str:
    """A host and its address, for people."""
    return target.host if target.host == target.address else f"{target.host}[{target.address}]"


class DirectHandOver:
    """Hands a message to a next hop at once, without the queue."""

    def __init__(self, targets: Targets, courier: Courier) -> None:
        self._targets = targets
        self._courier = courier

    async def __call__(self, next_hop: str, parcel: Parcel) -> tuple[Sequence[Answer], str]:
        """The answers, and the host that gave them; "" if none was reached, and the answers mean nothing then."""
        try:
            targets = await self._targets.find(parcel.recipients[0].address.domain, next_hop)
        except MailError as error:
            return [Answer(error.code, f"{error.code} {error.enhanced} {error.public}")] * len(parcel.recipients), ""
        return await hand_over(self._courier, targets, parcel, strict=False)
