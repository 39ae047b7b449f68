"""What a sender may wish about time and priority: HOLDFOR and HOLDUNTIL (RFC 4865), BY (RFC 2852), MT-PRIORITY (RFC 6710).

Both ways: read from MAIL's parameters, and written for the next host. Syntax and bounds are judged here; whether a client may
wish such things at all is the core's business, what becomes of them the queue's.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from posthouse.model.envelope import DeliverBy, Sender
from posthouse.protocols.smtp.replies import CommandRefused

_INTEGER = re.compile(r"[1-9]\d{0,8}", re.A)
_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.A | re.I)
_BY = re.compile(r"(-?\d{1,9});([NR])(T?)", re.A | re.I)
_PRIORITY = re.compile(r"-?[0-9]", re.A)


@dataclass(frozen=True, slots=True)
class FutureRelease:
    """How long mail may be held: seconds from now, and the moment that this makes (seconds since 1970)."""

    max_s: int
    until: float

    def __str__(self) -> str:
        return f"FUTURERELEASE {self.max_s} {date_time(self.until)}"


def date_time(at: float) -> str:
    """As RFC 3339 writes it, in UTC and whole seconds."""
    return datetime.fromtimestamp(int(at), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def read(fields: dict[str, Any], keyword: str, value: str | None, limits: FutureRelease | None) -> None:
    """Puts the field of ``Sender`` that a parameter means into ``fields``. Raises CommandRefused."""
    if keyword in ("HOLDFOR", "HOLDUNTIL"):
        if fields.get("hold_until") or fields.get("hold_for_s"):
            raise CommandRefused(501, "5.5.4", "HOLDFOR and HOLDUNTIL exclude each other")
        assert limits is not None, "they are refused where they are not on offer"
        _READ_HOLD[keyword](fields, value or "", limits)
    elif keyword == "BY":
        fields["by"] = _by(value or "")
    elif _PRIORITY.fullmatch(value or "") is None or value == "-0":
        raise _bad(keyword)
    else:
        fields["priority"] = int(value or "")


def _hold_for(fields: dict[str, Any], value: str, limits: FutureRelease) -> None:
    if _INTEGER.fullmatch(value) is None:
        raise _bad("HOLDFOR")
    if int(value) > limits.max_s:
        raise CommandRefused(501, "5.5.4", f"Mail is held for {limits.max_s} seconds at most")
    fields["hold_for_s"] = int(value)


def _hold_until(fields: dict[str, Any], value: str, limits: FutureRelease) -> None:
    """A moment that has passed is no wish any more."""
    if _DATE_TIME.fullmatch(value) is None:
        raise _bad("HOLDUNTIL")
    try:
        at = datetime.fromisoformat(_whole_microseconds(value.upper())).timestamp()
    except (ValueError, OverflowError):
        raise _bad("HOLDUNTIL") from None
    if at > limits.until:
        raise CommandRefused(501, "5.5.4", f"Mail is held until {date_time(limits.until)} at most")
    fields["hold_until"] = max(at, 1.0)


def _whole_microseconds(text: str) -> str:
    head, dot, rest = text.partition(".")
    digits = re.match(r"\d+", rest)
    return head + dot + digits[0][:6].ljust(6, "0") + rest[digits.end() :] if digits else text


_READ_HOLD: Mapping[str, Callable[[dict[str, Any], str, FutureRelease], None]] = {
    "HOLDFOR": _hold_for,
    "HOLDUNTIL": _hold_until,
}
NAMES = frozenset({"BY", "MT-PRIORITY", *_READ_HOLD})
HOLDS = frozenset(_READ_HOLD)


def _by(value: str) -> DeliverBy:
    match = _BY.fullmatch(value)
    if match is None:
        raise _bad("BY")
    by = DeliverBy(int(match[1]), match[2].upper() == "R", bool(match[3]))
    if by.returns and by.by_s < 1:
        raise CommandRefused(501, "5.5.4", "BY with R needs time that is left")
    return by


def _bad(keyword: str) -> CommandRefused:
    return CommandRefused(501, "5.5.4", f"Malformed value of {keyword}")


def words(sender: Sender, extensions: Mapping[str, str]) -> list[str]:
    """What MAIL says of them to a host with these extensions; ``sender.by`` counts from this moment."""
    found = []
    if sender.by is not None and "DELIVERBY" in extensions:
        found.append(f"BY={sender.by.by_s};{'R' if sender.by.returns else 'N'}{'T' if sender.by.trace else ''}")
    if sender.priority and "MT-PRIORITY" in extensions:
        found.append(f"MT-PRIORITY={sender.priority}")
    return found


def least_by_s(extensions: Mapping[str, str]) -> float:
    """The least time that a host undertakes to deliver in; infinite where it does not undertake that at all."""
    given = extensions.get("DELIVERBY")
    if given is None:
        return math.inf
    return int(given) if _INTEGER.fullmatch(given) else 0
