"""Dates in pieces: the date-parts of RFC 5260 §4.2, of a moment in a zone."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone, tzinfo

from posthouse.formats import dates

_MJD_OF_1970 = 40_587
_ZONE = re.compile(r"([+-])(\d{2})(\d{2})")
_FINAL_ZONE = re.compile(r"[+-]\d{4}(?=\s*(?:\([^()]*\))?\s*\Z)")


def parse_zone(text: str) -> tzinfo | None:
    """``+0130``; None if it is no zone."""
    match = _ZONE.fullmatch(text.strip())
    if match is None or int(match[2]) > 23 or int(match[3]) > 59:
        return None
    minutes = int(match[2]) * 60 + int(match[3])
    return timezone(timedelta(minutes=-minutes if match[1] == "-" else minutes))


def moment_of(value: str, zone: tzinfo | None) -> datetime | None:
    """The date in a field's value (after its last semicolon, as in Received); in ``zone``, or None: in its own."""
    text = value.rpartition(";")[2].strip()
    at = dates.parse(text)
    if at is None:
        return None
    own = _FINAL_ZONE.search(text[-100:])
    return moment(at, zone or (parse_zone(own[0]) if own else None) or UTC)


def moment(at: float, zone: tzinfo) -> datetime:
    """Seconds since 1970 in a zone; cut to the years that a calendar has."""
    return datetime.fromtimestamp(min(max(at, -6e10), 2.5e11), zone)


def _zone_text(when: datetime) -> str:
    return when.strftime("%z")[:5]


def _std11(when: datetime) -> str:
    local = when.timestamp() + (when.utcoffset() or timedelta()).total_seconds()
    return dates.render(local).removesuffix("+0000") + _zone_text(when)


def _iso8601(when: datetime) -> str:
    zone = _zone_text(when)
    return when.strftime("%Y-%m-%dT%H:%M:%S") + f"{zone[:3]}:{zone[3:]}"


def _julian(when: datetime) -> str:
    return str((when.date() - datetime(1970, 1, 1, tzinfo=UTC).date()).days + _MJD_OF_1970)


def _weekday(when: datetime) -> str:
    return str((when.weekday() + 1) % 7)


def _format(pattern: str) -> Callable[[datetime], str]:
    return lambda when: when.strftime(pattern)


PARTS: dict[str, Callable[[datetime], str]] = {
    "year": lambda when: f"{when.year:04}",
    "month": _format("%m"),
    "day": _format("%d"),
    "date": lambda when: when.date().isoformat(),
    "julian": _julian,
    "hour": _format("%H"),
    "minute": _format("%M"),
    "second": _format("%S"),
    "time": _format("%H:%M:%S"),
    "iso8601": _iso8601,
    "std11": _std11,
    "zone": _zone_text,
    "weekday": _weekday,
}
