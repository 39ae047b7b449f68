"""A message's path in plain words, from the records of its trace (MON-1); what ``mail trace`` shows.

Reads TraceRecords only. Much of their text comes from strangers, so nothing but printable characters gets out, and no line
grows without end: the story may be shown on a terminal.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from posthouse.model.trace import TraceRecord, TraceStep

LONGEST_TEXT = 200
MOST_NAMED = 10

_VERBS = {
    "continue": "passed",
    "tag": "marked",
    "score": "scored",
    "delay": "delayed",
    "refuse": "refused",
    "defer": "deferred",
    "hold": "held",
    "discard": "discarded",
    "redirect": "redirected",
    "copy": "copied",
}


def tell(records: Sequence[TraceRecord]) -> list[str]:
    """The story of one trace id, oldest first: a sentence for each record, and an indented one for each of its steps."""
    lines: list[str] = []
    day = ""
    for record in sorted(records, key=lambda record: record.at):
        today = datetime.fromtimestamp(record.at, UTC).strftime("%Y-%m-%d")
        if today != day:
            day = today
            lines.append(f"{day} (UTC), trace {_plain(record.trace_id)}")
        lines.append(f"{_time(record.at)} {sentence(record)}")
        lines += [f"  {_time(step.at)} {_step(step)}" for step in record.steps]
    return lines


def sentence(record: TraceRecord) -> str:
    """One record in one line: what happened, from whom, for whom, and the answer."""
    words = [_plain(record.outcome)]
    if record.client:
        words.append(f"from {_plain(record.client)}" + (f" ({_plain(record.helo)})" if record.helo else ""))
    if record.service:
        words.append(f"by {_plain(record.service)}")
    if record.account:
        words.append(f"as {_plain(record.account)}")
    if record.recipients:
        words.append(f"for {_names(record.recipients)}")
    facts = [f"sender {_plain(record.sender) or '<>'}"]
    if record.size_bytes:
        facts.append(_size(record.size_bytes))
    if record.subject:
        facts.append(f'subject "{_plain(record.subject)}"')
    if record.message_id:
        facts.append(f"message {_plain(record.message_id)}")
    if record.reply:
        facts.append(f"answer {_plain(record.reply)}")
    return " ".join(words) + ": " + "; ".join(facts)


def _step(step: TraceStep) -> str:
    verb = _VERBS.get(step.verdict, _plain(step.verdict))
    rule = " ".join(word for word in (_plain(step.stage), _plain(step.rule)) if word)
    whom = f" for {_plain(step.recipient)}" if step.recipient else ""
    detail = f": {_plain(step.detail)}" if step.detail else ""
    return f"{verb}{f' ({rule})' if rule else ''}{whom}{detail}"


def _names(recipients: Sequence[str]) -> str:
    named = ", ".join(_plain(recipient) for recipient in recipients[:MOST_NAMED])
    more = len(recipients) - MOST_NAMED
    return f"{named} and {more} more" if more > 0 else named


def _size(size_bytes: int) -> str:
    if size_bytes < 1024:
        return f"{size_bytes} bytes"
    return f"{size_bytes / 1024:.1f} KiB" if size_bytes < 1 << 20 else f"{size_bytes / (1 << 20):.1f} MiB"


def _plain(text: str) -> str:
    """``text`` on one line without control characters, cut at LONGEST_TEXT."""
    cut = text if len(text) <= LONGEST_TEXT else text[: LONGEST_TEXT - 1] + "…"
    return "".join(char if char.isprintable() else "�" for char in cut)


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M:%S")
