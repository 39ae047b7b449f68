"""Greylisting: what waits, what passed, what never came back, and who never waits (GRY-2, GRY-4, GRY-5).

The settings of the group ``greylist`` have their short forms beside these (``greylist set mode on``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from posthouse.admin import setting
from posthouse.admin.arguments import Moment, UsageError
from posthouse.admin.context import Context
from posthouse.admin.operation import operation
from posthouse.admin.rendering import stamp
from posthouse.base.errors import NotFound, Temporary
from posthouse.base.glob import matches
from posthouse.interfaces.triplets import Triplets
from posthouse.model.triplet import DAY_S, Kept, Tally, TripletQuery

ALLOWED = "greylist.allowed_senders"
TOTAL = "(all)"
_MOST = 100_000


@dataclass(frozen=True, slots=True)
class TripletRow:
    """One triplet as shown. ``waited_s``: how long from first seen until it came back in its window; None while it waits."""

    network: str
    sender: str
    recipient: str
    state: str
    first_seen: str
    last_seen: str
    tries: int
    passes: int
    waited_s: int | None


@dataclass(frozen=True, slots=True)
class TallyRow:
    """Attempts of one name. ``lost_share`` is the part of the triplets that had to wait and never came back, in percent."""

    name: str
    passed: int
    delayed: int
    retried: int
    lost: int
    would_wait: int
    lost_share: float


@dataclass(frozen=True, slots=True)
class AllowedRow:
    """One entry of the list."""

    entry: str


def _triplets(context: Context) -> Triplets:
    if context.triplets is None:
        raise Temporary("greylisting has no database here")
    return context.triplets


def _row(kept: Kept) -> TripletRow:
    triplet, standing = kept.triplet, kept.standing
    return TripletRow(
        triplet.network,
        triplet.sender or "<>",
        triplet.recipient or "*",
        "valid" if standing.valid_at else "waiting",
        stamp(standing.first_at),
        stamp(standing.last_at),
        standing.tries,
        standing.passes,
        round(standing.valid_at - standing.first_at) if standing.valid_at else None,
    )


def _tally(tally: Tally) -> TallyRow:
    ended = tally.retried + tally.lost
    share = round(100 * tally.lost / ended, 1) if ended else 0.0
    return TallyRow(tally.name, tally.passed, tally.delayed, tally.retried, tally.lost, tally.would_wait, share)


def _sum(tallies: Sequence[Tally]) -> Tally:
    columns = ("passed", "delayed", "retried", "lost", "would_wait")
    return Tally(TOTAL, **{column: sum(getattr(tally, column) for tally in tallies) for column in columns})


@operation("greylist stats", role="reader", reads=True)
async def stats(
    context: Context,
    pattern: str = "*",
    *,
    domain: bool = False,
    network: bool = False,
    since: Moment | None = None,
    limit: int = 50,
) -> Sequence[TallyRow]:
    """Counts attempts by what became of them: passed at once, delayed, retried in time, and triplets that never came back,
    whose share is the spam that cost nothing. The first line sums up all; then come the busiest recipient domains or client
    networks.

    Args:
        pattern: only names that fit, with * for any run of characters.
        domain: by recipient domain.
        network: by client network.
        since: count from this day on, such as 7d or 2026-11-01; without it, 30 days.
        limit: how many lines to show at most.
    """
    if domain and network:
        raise UsageError("greylist stats: by domain or by network, not both")
    start = since if since is not None else context.clock.now() - 30 * DAY_S
    tallies = await _triplets(context).statistics("network" if network else "domain", start)
    fitting = [tally for tally in tallies if matches(pattern, tally.name)]
    named = fitting[: max(limit - 1, 0)] if domain or network or pattern != "*" else []
    return [_tally(_sum(fitting)), *map(_tally, named)]


@operation("greylist triplets", role="reader", reads=True)
async def triplets(
    context: Context,
    *,
    sender: str = "",
    recipient: str = "",
    network: str = "",
    state: Literal["all", "waiting", "valid"] = "all",
    limit: int = 100,
) -> Sequence[TripletRow]:
    """Lists what is remembered: client network, sender, recipient, newest first.

    Args:
        sender: only these, with * for any run of characters; <> is the null sender.
        recipient: only these, with * for any run of characters.
        network: only these, such as 192.0.2.0/24 or 192.0.*.
        state: waiting for the retry, valid, or all.
        limit: how many to show at most.
    """
    query = TripletQuery(network, sender, recipient, "" if state == "all" else state, limit)
    return [_row(kept) for kept in await _triplets(context).find(query)]


@operation("greylist report", role="reader", reads=True)
async def report(
    context: Context, *, sender: str = "", recipient: str = "", network: str = "", limit: int = 100
) -> Sequence[TripletRow]:
    """Shows which mail would have waited in learning mode: triplets first seen then, newest first. One that was written to
    again is valid by now, and will not wait when greylisting is on.

    Args:
        sender: only these, with * for any run of characters; <> is the null sender.
        recipient: only these, with * for any run of characters.
        network: only these client networks.
        limit: how many to show at most.
    """
    return [_row(kept) for kept in await _triplets(context).find(TripletQuery(network, sender, recipient, "learnt", limit))]


@operation("greylist forget", role="administrator")
async def forget(
    context: Context, *, sender: str = "", recipient: str = "", network: str = "", everything: bool = False
) -> str:
    """Forgets triplets, so that their senders are strangers again.

    Args:
        sender: only these, with * for any run of characters; <> is the null sender.
        recipient: only these, with * for any run of characters.
        network: only these client networks.
        everything: really all of them.
    """
    if not (sender or recipient or network or everything):
        raise UsageError("greylist forget: say which (--sender, --recipient, --network), or --everything")
    query, total = TripletQuery(network, sender, recipient, limit=_MOST), 0
    while count := await _triplets(context).forget(query):
        total += count
    context.bus.publish("greylist", {})
    return f"{total} forgotten"


@operation("greylist expire", role="administrator")
async def expire(context: Context, *, at: Moment | None = None) -> str:
    """Drops now what has ended, as the node does by itself every five minutes: what never came back is counted as lost.

    Args:
        at: what will have ended by then, such as 2026-12-31; without it, now.
    """
    settings = (await context.configuration.load()).greylist
    now = context.clock.now()
    count = await _triplets(context).expire(at if at is not None else now, now - settings.statistics_days * DAY_S)
    return f"{count} dropped"


@operation("greylist allow", role="administrator")
async def allow(context: Context, entry: tuple[str, ...]) -> Sequence[AllowedRow]:
    """Adds senders that never wait. A sender's address can be forged; a network cannot.

    Args:
        entry: addresses, domains (of senders, or of verified client names), client networks.
    """
    if not entry:
        raise UsageError("greylist allow: give at least one address, domain or network")
    known = await _allowed(context)
    fresh = [word for word in dict.fromkeys(each.lower() for each in entry) if word not in known]
    if fresh:
        await setting.apply(context, [(ALLOWED, (*known, *fresh))])
    return [AllowedRow(word) for word in fresh]


@operation("greylist disallow", role="administrator")
async def disallow(context: Context, entry: tuple[str, ...]) -> None:
    """Takes entries from the list of senders that never wait.

    Args:
        entry: entries as they are listed.
    """
    known, gone = await _allowed(context), {each.lower() for each in entry}
    if missing := sorted(gone - {word.lower() for word in known}):
        raise NotFound(f"not on the list: {', '.join(missing)}")
    await setting.apply(context, [(ALLOWED, tuple(word for word in known if word.lower() not in gone))])


@operation("greylist allowed", role="reader", reads=True)
async def allowed(context: Context, pattern: str = "*") -> Sequence[AllowedRow]:
    """Lists the senders that never wait.

    Args:
        pattern: only entries that fit, with * for any run of characters.
    """
    return [AllowedRow(word) for word in await _allowed(context) if matches(pattern, word)]


async def _allowed(context: Context) -> tuple[str, ...]:
    return (await context.configuration.load()).greylist.allowed_senders
