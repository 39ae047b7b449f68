"""Days and moments as IMAP writes them: ``1-Feb-2026``, ``"01-Feb-2026 10:20:30 +0100"`` (RFC 9051 §9)."""

from __future__ import annotations

import re
from datetime import date
from functools import lru_cache

MONTHS = (b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec")
_MONTH = {name.lower(): number for number, name in enumerate(MONTHS, 1)}
_DAY = re.compile(rb"(\d{1,2})-([A-Za-z]{3})-(\d{4})")
_MOMENT = re.compile(rb" ?(\d{1,2}-[A-Za-z]{3}-\d{4}) (\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)")
_EPOCH = date(1970, 1, 1).toordinal()
_DAY_S = 86_400


def day(text: bytes) -> date:
    """``1-Feb-2026`` as a date. Raises ValueError."""
    match = _DAY.fullmatch(text)
    if match is None or (month := _MONTH.get(match[2].lower())) is None:
        raise ValueError("not a date")
    return date(int(match[3]), month, int(match[1]))


def moment(text: bytes) -> float:
    """A date-time, without its quotes, in seconds since 1970. Raises ValueError."""
    match = _MOMENT.fullmatch(text)
    if match is None:
        raise ValueError("not a date and time")
    hour, minute, second = int(match[2]), int(match[3]), int(match[4])
    zone = (int(match[6]) * 60 + int(match[7])) * 60
    if hour > 23 or minute > 59 or second > 60 or zone > 86_340:
        raise ValueError("not a time of day")
    local = (day(match[1]).toordinal() - _EPOCH) * _DAY_S + hour * 3600 + minute * 60 + second
    return float(local - zone if match[5] == b"+" else local + zone)


def render_moment(at: float) -> bytes:
    """Seconds since 1970 as a quoted date-time in UTC; what lies outside the years 1 to 9999 is drawn to its edge."""
    days, rest = divmod(int(at), _DAY_S)
    hour, rest = divmod(rest, 3600)
    return b'"%b %02d:%02d:%02d +0000"' % (_render_day(days), hour, rest // 60, rest % 60)


@lru_cache(maxsize=1024)
def _render_day(days: int) -> bytes:
    when = date.fromordinal(min(max(days + _EPOCH, 1), date.max.toordinal()))
    return b"%02d-%b-%04d" % (when.day, MONTHS[when.month - 1], when.year)
