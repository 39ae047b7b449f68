"""Rspamd as a spam engine (CON-8): ``POST /checkv2`` of its HTTP protocol, with the envelope in header fields.

Scale: Rspamd marks mail (``add header``) from 6 points and refuses it from 15, its ``required_score``; so its mark is our 50 if
each of its points counts 125 / required_score of ours, 8.3 as it comes. Where a site has moved its bounds, what it would mark
or refuse has at least 50 points here all the same. Source: https://rspamd.com/doc/developers/protocol.html.
"""

from __future__ import annotations

import math
import re
from typing import Any

import httptools
import msgspec

from posthouse.backends.scanners.exchange import exchange, trouble
from posthouse.backends.scanners.rule_names import rule_name, rule_why
from posthouse.model.scanners import ScannerPlace
from posthouse.model.spam import SPAM_POINTS, RuleHit, ScoredMail, SpamReport

POINTS_OF_REQUIRED = 125.0
MAX_RULES = 500
MAX_POINTS = 100_000.0
MAX_RECIPIENTS = 100
_MARKED = frozenset(("add header", "rewrite subject", "reject", "quarantine"))
_UNSENDABLE = re.compile(r"[^\x20-\x7e]")


class _Symbol(msgspec.Struct):
    score: float = 0.0
    description: str = ""
    options: list[Any] = []


class _Answer(msgspec.Struct):
    action: str
    score: float
    required_score: float = 15.0
    symbols: dict[str, _Symbol] = {}
    error: str = ""


class RspamdScorer:
    """``interfaces.scorer.Scorer``."""

    def __init__(self, place: ScannerPlace, *, timeout_s: float, max_bytes: int) -> None:
        self.name = "rspamd"
        self.is_here = False
        self._place = place
        self._timeout_s = timeout_s
        self._max_bytes = max_bytes

    async def score(self, mail: ScoredMail) -> SpamReport:
        content = mail.content[: self._max_bytes]
        head = request_head(mail, len(content), f"{self._place.host}:{self._place.port}")
        answer = await exchange(self._place, (head, content), timeout_s=self._timeout_s, half_close=False)
        try:
            return SpamReport(self.name, hits_of(body_of(answer)))
        except ValueError as error:
            raise trouble(self._place, error) from None


def request_head(mail: ScoredMail, size_bytes: int, host: str) -> bytes:
    """The request's line and fields. What a stranger says is cut to printable ASCII: no line can be smuggled in."""
    fields = [
        ("Host", host),
        ("Connection", "close"),
        ("Content-Length", str(size_bytes)),
        ("IP", mail.client_address),
        ("Helo", mail.helo),
        ("Hostname", mail.client_host),
        ("From", mail.sender),
        *(("Rcpt", recipient) for recipient in mail.recipients[:MAX_RECIPIENTS]),
        ("User", mail.sender if mail.outgoing else ""),
    ]
    lines = [f"{name}: {_UNSENDABLE.sub('?', value)[:1000]}\r\n" for name, value in fields if value]
    return ("POST /checkv2 HTTP/1.1\r\n" + "".join(lines) + "\r\n").encode()


class _Reading:
    """What httptools calls while it parses one answer."""

    def __init__(self) -> None:
        self.body = bytearray()
        self.whole = False

    def on_body(self, piece: bytes) -> None:
        self.body += piece

    def on_message_complete(self) -> None:
        self.whole = True


def body_of(answer: bytes) -> bytes:
    """The body of an HTTP answer. Raises ValueError unless it is a whole one with status 200."""
    reading = _Reading()
    parser = httptools.HttpResponseParser(reading)
    try:
        parser.feed_data(answer)
        status = parser.get_status_code()
    except httptools.HttpParserError as error:
        raise ValueError(f"not an HTTP answer: {error}") from None
    if status != 200:
        raise ValueError(f"HTTP status {status}")
    if not reading.whole and b"content-length" in answer.partition(b"\r\n\r\n")[0].lower():
        raise ValueError("the answer is cut off")
    return bytes(reading.body)


def hits_of(body: bytes) -> tuple[RuleHit, ...]:
    """What a JSON answer tells. Raises ValueError if it is none."""
    try:
        answer = msgspec.json.decode(body, type=_Answer)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(f"not what is documented: {error}") from None
    if answer.error:
        raise ValueError(answer.error[:200])
    required = answer.required_score if math.isfinite(answer.required_score) and answer.required_score > 0 else 15.0
    scale = POINTS_OF_REQUIRED / required
    hits = [
        RuleHit(rule_name(name), _points(symbol.score * scale), rule_why(_why(symbol)))
        for name, symbol in list(answer.symbols.items())[:MAX_RULES]
    ]
    left = _points(answer.score * scale) - sum(hit.points for hit in hits)
    if abs(left) > 0.01 * (len(hits) + 1):
        hits.append(RuleHit("RSPAMD", round(left, 2), "what its symbols do not tell"))
    total = sum(hit.points for hit in hits)
    if answer.action in _MARKED and total < SPAM_POINTS:
        hits.append(RuleHit("RSPAMD_ACTION", round(SPAM_POINTS - total, 2), f"its bounds say: {rule_why(answer.action)}"))
    return tuple(hit for hit in hits if hit.points)


def _points(value: float) -> float:
    return round(max(-MAX_POINTS, min(MAX_POINTS, value)), 2) if math.isfinite(value) else 0.0


def _why(symbol: _Symbol) -> str:
    options = ", ".join(str(each) for each in symbol.options[:3])
    return f"{symbol.description} ({options})" if symbol.description and options else symbol.description or options
