"""What is said about spam in the header: ``X-Spam-*`` as mail readers and scripts know it, and ``X-Junkmail-Status`` (CON-8).

And who else says it: such fields of strangers are taken out, the score of a trusted host is taken over. Sources: SpamAssassin's
Mail::SpamAssassin::Conf (what its fields look like).
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from functools import lru_cache

from posthouse.formats import headers
from posthouse.model.spam import SPAM_POINTS, RuleHit, SpamReport
from posthouse.model.summary import HeaderField, Summary

STATUS = "X-Junkmail-Status"
MAX_SHOWN = 60
MAX_WHY_CHARS = 120
_FORGEABLE = re.compile(r"x-(?:spam|spamd|rspamd)(?:-.*)?|x-junkmail.*")
_CLAIM = re.compile(r"\s*score=(-?\d{1,6}(?:\.\d{1,3})?)/(\d{1,6}(?:\.\d{1,3})?)\s*(?:,.*)?", re.S)
_UNPLAIN = re.compile(r"[^\x21-\x7e]+")


@lru_cache(512)
def shown(points: float) -> str:
    """With one digit at most."""
    return f"{round(points, 1) + 0.0:g}" if abs(points) < 1e6 else f"{points:.0f}"


def spam_fields(
    hits: Sequence[RuleHit], failed: Sequence[SpamReport], threshold: float, host: str, *, report: bool
) -> list[tuple[str, str]]:
    """Names and values of the fields, in the order in which they are written; the last one comes on top."""
    total = sum(hit.points for hit in hits)
    spam = total >= threshold
    counted = sorted((hit for hit in hits if hit.points), key=lambda hit: -abs(hit.points))
    tests = ", ".join(f"{hit.rule}={shown(hit.points)}" for hit in counted[:MAX_SHOWN]) or "none"
    status = f"{'Yes' if spam else 'No'}, score={shown(total)} required={shown(threshold)} tests={tests}"
    if failed:
        status += f" failed={','.join(each.engine for each in failed)}"
    fields = []
    if report and counted:
        fields.append(("X-Spam-Report", _report(counted, total, threshold)))
    fields += [("X-Spam-Status", status), ("X-Spam-Score", shown(total))]
    if spam:
        fields.append(("X-Spam-Flag", "YES"))
    fields.append((STATUS, f"score={max(0, math.floor(total))}/{shown(threshold)}, host={host}"))
    return fields


def _report(hits: Sequence[RuleHit], total: float, threshold: float) -> str:
    lines = [f"{shown(hit.points)} {hit.rule} {_UNPLAIN.sub(' ', hit.why).strip()[:MAX_WHY_CHARS]}" for hit in hits[:MAX_SHOWN]]
    left = len(hits) - len(lines)
    more = f"; and {left} more" if left > 0 else ""
    return f"{shown(total)} points, {shown(threshold)} is spam: " + "; ".join(lines) + more


def claims(summary: Summary) -> list[HeaderField]:
    """The fields that say something about spam, in order, whoever wrote them."""
    return [field for field in summary.root.headers if field.name[:2] == "x-" and _FORGEABLE.fullmatch(field.name)]


def claimed_points(content: bytes, summary: Summary) -> float | None:
    """What the topmost ``X-Junkmail-Status`` says, on our scale; None if there is none, or no such thing."""
    field = headers.find(summary.root.headers, STATUS.lower())
    match = _CLAIM.fullmatch(headers.field_value(content, field)) if field is not None else None
    if match is None or float(match[2]) <= 0:
        return None
    return float(match[1]) * SPAM_POINTS / float(match[2])
