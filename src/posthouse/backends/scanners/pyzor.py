"""Pyzor as a source of bulk signatures (CON-9): its command, run for each message, asks the servers of its configuration.

``pyzor`` uses its own folder of configuration, ``pyzor:///etc/pyzor`` another. It answers one line a server: address, code and
text, how often the message was reported, and how often as wanted. At most ``AT_ONCE`` run side by side, since each costs a
tenth of a second of processor time. Source: the manual of Pyzor 1.0.
"""

from __future__ import annotations

import asyncio
import math
import re

from posthouse.backends.scanners.exchange import trouble
from posthouse.model.scanners import ScannerPlace
from posthouse.model.spam import RuleHit, ScoredMail, SpamReport

AT_ONCE = 4
MAX_OUTPUT_BYTES = 65_536
MIN_REPORTS = 5
BASE_POINTS = 15.0
MOST_POINTS = 40.0
_LINE = re.compile(r"(\S{1,255})\t\((\d{3}), '([^']{0,200})'\)(?:\t(\d{1,9})\t(\d{1,9}))?")


class PyzorScorer:
    """``interfaces.scorer.Scorer``."""

    def __init__(self, place: ScannerPlace, *, timeout_s: float, max_bytes: int, command: str = "pyzor") -> None:
        self.name = "pyzor"
        self.is_here = False
        self._place = place
        self._timeout_s = timeout_s
        self._max_bytes = max_bytes
        self._command = command
        self._room = asyncio.Semaphore(AT_ONCE)

    async def score(self, mail: ScoredMail) -> SpamReport:
        try:
            async with asyncio.timeout(self._timeout_s), self._room:
                output = await self._run(mail.content[: self._max_bytes])
        except TimeoutError:
            raise trouble(self._place, f"no answer within {self._timeout_s:g} s") from None
        except OSError as error:
            raise trouble(self._place, repr(error)) from error
        try:
            return SpamReport(self.name, hits_of(output.decode("utf-8", "replace")))
        except ValueError as error:
            raise trouble(self._place, error) from None

    async def _run(self, content: bytes) -> bytes:
        home = [f"--homedir={self._place.path}"] if self._place.path else []
        pipe = asyncio.subprocess.PIPE
        words = [self._command, *home, f"--timeout={max(1, math.ceil(self._timeout_s / 2))}", "check"]
        process = await asyncio.create_subprocess_exec(*words, stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.DEVNULL)
        try:
            output, _ = await process.communicate(content)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        return output[:MAX_OUTPUT_BYTES]


def hits_of(output: str) -> tuple[RuleHit, ...]:
    """What the command's output tells; of several servers the largest number counts. Raises ValueError if no server
    answered."""
    answers = [match for line in output.splitlines() if (match := _LINE.fullmatch(line.strip()))]
    good = [match for match in answers if match[2] == "200" and match[4] is not None]
    if not good:
        raise ValueError(f"no server answered: {answers[0][3] if answers else output[:100]!r}")
    reports, wanted = max(int(match[4]) for match in good), max(int(match[5]) for match in good)
    if reports < MIN_REPORTS or wanted:
        return ()
    points = min(MOST_POINTS, BASE_POINTS + 10 * math.log10(reports / MIN_REPORTS))
    return (RuleHit("PYZOR", round(points, 1), f"reported {reports} times to Pyzor"),)
