"""SpamAssassin's daemon as a spam engine (CON-8): the SPAMC protocol, version 1.5, over TCP or a Unix socket.

``REPORT`` gives the total in the ``Spam:`` header and, in the text, a table of the rules with their points. How the table looks
is the site's choice (``report``, in SpamAssassin's configuration): what it does not tell stands as one rule ``SPAMASSASSIN``.
Scale: ten points for each of SpamAssassin's, so that its usual 5 is our 50. Source: spamd/PROTOCOL of SpamAssassin.
"""

from __future__ import annotations

import re

from posthouse.backends.scanners.exchange import exchange, trouble
from posthouse.backends.scanners.rule_names import rule_name, rule_why
from posthouse.model.scanners import ScannerPlace
from posthouse.model.spam import RuleHit, ScoredMail, SpamReport

SCALE = 10.0
MAX_RULES = 500
MAX_POINTS = 100_000.0
_STATUS = re.compile(rb"SPAMD/\d+\.\d+ (\d{1,3}) ([!-~]{1,40})")
_SPAM = re.compile(r"(?:True|False|Yes|No) ; (-?\d{1,9}(?:\.\d{1,9})?) / -?\d{1,9}(?:\.\d{1,9})?", re.I)
_ROW = re.compile(r"[ *]{0,3}(-?\d{1,6}(?:\.\d{1,3})?) ([A-Z][A-Z0-9_]{1,80}) +(\S.*)")
_CONTINUED = re.compile(r" {20,}(\S.*)")
_ROUNDING = 0.06
"""The table gives one digit; a share that is left over and smaller than this for each row is rounding."""


class SpamdScorer:
    """``interfaces.scorer.Scorer``."""

    def __init__(self, place: ScannerPlace, *, timeout_s: float, max_bytes: int, user: str = "") -> None:
        self.name = "spamassassin"
        self.is_here = False
        self._place = place
        self._timeout_s = timeout_s
        self._max_bytes = max_bytes
        self._user = user

    async def score(self, mail: ScoredMail) -> SpamReport:
        content = mail.content[: self._max_bytes]
        head = f"REPORT SPAMC/1.5\r\nContent-length: {len(content)}\r\n"
        if self._user:
            head += f"User: {self._user}\r\n"
        answer = await exchange(self._place, (head.encode() + b"\r\n", content), timeout_s=self._timeout_s)
        try:
            return SpamReport(self.name, hits_of(answer))
        except ValueError as error:
            raise trouble(self._place, error) from None


def hits_of(answer: bytes) -> tuple[RuleHit, ...]:
    """What an answer to REPORT tells. Raises ValueError if it is none."""
    head, _, body = answer.partition(b"\r\n\r\n")
    status, _, fields = head.partition(b"\r\n")
    match = _STATUS.match(status)
    if match is None or int(match[1]) != 0:
        raise ValueError(f"it answered {status[:80]!r}")
    total = _total(fields.decode("utf-8", "replace"))
    hits = _rows(body.decode("utf-8", "replace"))
    left = total - sum(hit.points for hit in hits)
    if abs(left) > _ROUNDING * SCALE * (len(hits) + 1):
        hits.append(RuleHit("SPAMASSASSIN", round(left, 2), "what its report does not tell rule by rule"))
    return tuple(hits)


def _total(fields: str) -> float:
    for line in fields.split("\r\n"):
        name, _, value = line.partition(":")
        if name.strip().lower() == "spam":
            match = _SPAM.fullmatch(value.strip())
            if match is None:
                break
            return max(-MAX_POINTS, min(MAX_POINTS, float(match[1]) * SCALE))
    raise ValueError("it told no score")


def _rows(text: str) -> list[RuleHit]:
    hits: list[RuleHit] = []
    last = False
    for line in text.splitlines():
        if match := _ROW.fullmatch(line):
            points = round(float(match[1]) * SCALE, 2)
            hits.append(RuleHit(rule_name(match[2]), points, rule_why(match[3])))
            last = True
            if len(hits) >= MAX_RULES:
                break
        elif last and (more := _CONTINUED.fullmatch(line)):
            hit = hits.pop()
            hits.append(RuleHit(hit.rule, hit.points, rule_why(f"{hit.why} {more[1]}")))
        else:
            last = False
    return hits
