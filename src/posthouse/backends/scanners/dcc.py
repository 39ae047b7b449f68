"""The Distributed Checksum Clearinghouse as a source of bulk signatures (CON-9): dccifd's protocol, TCP or a Unix socket.

Options, client, HELO, sender and recipients stand one a line, then an empty line and the message; the answer is a line with the
verdict, one with a letter for each recipient, and the field ``X-DCC-...-Metrics`` with how often each checksum was seen. What
counts is the fuzzy ones, which know the same text in other clothes. Source: dccifd(8).
"""

from __future__ import annotations

import re

from posthouse.backends.scanners.exchange import exchange, trouble
from posthouse.model.scanners import ScannerPlace
from posthouse.model.spam import RuleHit, ScoredMail, SpamReport

OPTIONS = "header grey-off"
MANY = 1_000_000
MIN_COUNT = 1_000
POINTS = 15.0
MANY_POINTS = 30.0
MAX_RECIPIENTS = 50
_UNSENDABLE = re.compile(r"[^\x20-\x7e]")
_FIELD = re.compile(r"X-DCC-[^:\s]{0,60}-Metrics:(.{0,2000})", re.I)
_COUNT = re.compile(r"\b(Body|Fuz1|Fuz2)=(\d{1,12}|many|ok2?)\b", re.I)


class DccScorer:
    """``interfaces.scorer.Scorer``."""

    def __init__(self, place: ScannerPlace, *, timeout_s: float, max_bytes: int) -> None:
        self.name = "dcc"
        self.is_here = False
        self._place = place
        self._timeout_s = timeout_s
        self._max_bytes = max_bytes

    async def score(self, mail: ScoredMail) -> SpamReport:
        request = (request_head(mail), mail.content[: self._max_bytes])
        answer = await exchange(self._place, request, timeout_s=self._timeout_s)
        try:
            return SpamReport(self.name, hits_of(answer.decode("utf-8", "replace")))
        except ValueError as error:
            raise trouble(self._place, error) from None


def request_head(mail: ScoredMail) -> bytes:
    """Everything before the message. What a stranger says is cut to printable ASCII: no line can be smuggled in."""
    client = mail.client_address + (f"\r{_plain(mail.client_host)}" if mail.client_host else "")
    recipients = [_plain(each) for each in mail.recipients[:MAX_RECIPIENTS]] or ["unknown"]
    return "\n".join((OPTIONS, client, _plain(mail.helo), _plain(mail.sender), *recipients, "", "")).encode()


def _plain(text: str) -> str:
    return _UNSENDABLE.sub("?", text)[:500]


def hits_of(answer: str) -> tuple[RuleHit, ...]:
    """What an answer tells. Raises ValueError if it is none."""
    lines = answer.split("\n", 2)
    if len(lines) < 2 or lines[0].strip()[:1] not in tuple("AGRST"):
        raise ValueError(f"it answered {answer[:80]!r}")
    if lines[0].strip() == "T":
        raise ValueError("it has trouble itself")
    field = _FIELD.search(re.sub(r"\r?\n[ \t]+", " ", lines[2] if len(lines) > 2 else ""))
    if field is None:
        return ()
    counts = {name.capitalize(): value.lower() for name, value in _COUNT.findall(field[1])}
    if any(value.startswith("ok") for value in counts.values()):
        return ()
    most = max((MANY if value == "many" else int(value) for value in counts.values()), default=0)
    if most < MIN_COUNT:
        return ()
    told = ", ".join(f"{name} {value}" for name, value in counts.items())
    return (RuleHit("DCC", MANY_POINTS if most >= MANY else POINTS, f"seen in bulk by DCC: {told}"),)
