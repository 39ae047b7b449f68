"""Dates of mail: RFC 5322 §3.3 and IMAP's INTERNALDATE (RFC 9051 §9 date-time), both ways.

Times are seconds since 1970-01-01 UTC. Rendering is cached by the second, since every message of one second shares it.
Parsing is lenient (RFC 5322 §4.3: old zones, two-digit years, comments) and answers None for what it cannot read.
"""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from functools import lru_cache

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTH_NUMBER = {name.lower(): number for number, name in enumerate(_MONTHS, 1)}
_ZONES = {"ut": 0, "utc": 0, "gmt": 0, "z": 0, "est": -300, "edt": -240, "cst": -360, "cdt": -300}
_ZONES |= {"mst": -420, "mdt": -360, "pst": -480, "pdt": -420, "bst": 60, "cet": 60, "cest": 120, "jst": 540}
_DATE = re.compile(
    r"(?:[A-Za-z]{3,9}[,.]?[ \t]*+)?(\d{1,2})[ \t-]{1,3}([A-Za-z]{3})[a-z]{0,6}[ \t,-]{1,3}(\d{2,4})[ \t,]{1,3}"
    r"(\d{1,2})[:.](\d{2})(?:[:.](\d{2}))?(?:\.\d{1,9})?[ \t]*+([+-]\d{4}|[A-Za-z]{1,5})?"
)
_C_DATE = re.compile(r"(?:[A-Za-z]{3} )?([A-Za-z]{3}) {1,2}(\d{1,2}) (\d{1,2}):(\d{2}):(\d{2})(?: [A-Z]{3,4})? (\d{4})")
_COMMENT = re.compile(r"\([^()]*+\)")
_INTERNAL = re.compile(r"([ \d]\d)-([A-Za-z]{3})-(\d{4}) (\d{2}):(\d{2}):(\d{2}) ([+-]\d{4})")
_MAX_TEXT = 200


@lru_cache(maxsize=8)
def _render_second(second: int) -> str:
    moment = time.gmtime(second)
    day, month = _DAYS[moment.tm_wday], _MONTHS[moment.tm_mon - 1]
    clock = f"{moment.tm_hour:02}:{moment.tm_min:02}:{moment.tm_sec:02}"
    return f"{day}, {moment.tm_mday} {month} {moment.tm_year:04} {clock} +0000"


def render(at: float) -> str:
    """The RFC 5322 date-time of ``at``, in UTC: ``Tue, 24 Nov 2026 03:59:00 +0000``."""
    return _render_second(int(at))


@lru_cache(maxsize=64)
def parse(text: str) -> float | None:
    """Seconds since 1970 of an RFC 5322 date-time (unfolded), also of the obsolete and of ctime's form; None if neither."""
    text = text[:_MAX_TEXT].strip()
    if "(" in text:
        text = _COMMENT.sub(" ", text).strip()
    match = _DATE.match(text)
    if match is None:
        return _parse_ctime(text)
    day, month, year, hour, minute, second, zone = match.groups()
    return _epoch((year, month, day), (hour, minute, second or "0"), _offset_minutes(zone or "-0000"))


def _parse_ctime(text: str) -> float | None:
    match = _C_DATE.match(text)
    if match is None:
        return None
    month, day, hour, minute, second, year = match.groups()
    return _epoch((year, month, day), (hour, minute, second), 0)


def _epoch(date: tuple[str, str, str], clock: tuple[str, str, str], offset_minutes: int) -> float | None:
    number = _MONTH_NUMBER.get(date[1].lower())
    year = int(date[0])
    if len(date[0]) <= 3:
        year += 2000 if year < 50 else 1900
    if number is None or not 1 <= year <= 9999:
        return None
    try:
        moment = datetime(year, number, int(date[2]), int(clock[0]), int(clock[1]), min(int(clock[2]), 59), tzinfo=UTC)
    except ValueError:
        return None
    return moment.timestamp() - offset_minutes * 60


def _offset_minutes(zone: str) -> int:
    """Minutes east of UTC; a zone that nobody knows counts as UTC (RFC 5322 §4.3)."""
    if zone[0] in "+-":
        minutes = int(zone[1:3]) * 60 + int(zone[3:5])
        return -minutes if zone[0] == "-" else minutes
    return _ZONES.get(zone.lower(), 0)


def render_internal(at: float) -> str:
    """IMAP's date-time without its quotes, in UTC: ``24-Nov-2026 03:59:00 +0000``."""
    moment = time.gmtime(int(at))
    clock = f"{moment.tm_hour:02}:{moment.tm_min:02}:{moment.tm_sec:02}"
    return f"{moment.tm_mday:2}-{_MONTHS[moment.tm_mon - 1]}-{moment.tm_year:04} {clock} +0000"


def parse_internal(text: str) -> float:
    """Seconds since 1970 of IMAP's date-time without its quotes. Raises ValueError if it is none."""
    match = _INTERNAL.fullmatch(text)
    if match is None:
        raise ValueError("not a date-time")
    day, month, year, hour, minute, second, zone = match.groups()
    at = _epoch((year, month, day.strip()), (hour, minute, second), _offset_minutes(zone))
    if at is None:
        raise ValueError("not a date-time")
    return at
