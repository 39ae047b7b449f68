"""Holds two walks of one session against each other: who would be treated differently, and why."""

from __future__ import annotations

from collections.abc import Iterator

from posthouse.model.rehearsal import Difference, RecordedSession
from posthouse.model.trace import TraceStep
from posthouse.pipeline.rehearsal.walk import Walked

MAX_WHY = 600
_SILENT = frozenset((("dispose", "committed"), ("route", "plan")))


def differences(recorded: RecordedSession, now: Walked, then: Walked) -> Iterator[Difference]:
    """One for each recipient whose fate or message is another."""
    for whom in dict.fromkeys((*now.fates, *then.fates)):
        before, after = now.fates.get(whom, "nothing"), then.fates.get(whom, "nothing")
        changed = before == after and now.contents.get(whom) != then.contents.get(whom)
        if before == after and not changed:
            continue
        yield Difference(
            source=recorded.source,
            trace_id=recorded.trace_id,
            sender=recorded.sender,
            recipient=whom,
            subject=now.subject or then.subject,
            now=before,
            then=f"{after}, another content" if changed else after,
            why=_why(now, then),
        )


def _why(now: Walked, then: Walked) -> str:
    before, after = _told(now), _told(then)
    new = [words for words in after if words not in before]
    gone = [f"no more: {words}" for words in before if words not in after]
    return "; ".join((*new, *gone))[:MAX_WHY]


def _told(walked: Walked) -> list[str]:
    return [_words(step) for step in walked.steps if (step.stage, step.rule) not in _SILENT]


def _words(step: TraceStep) -> str:
    return f"{step.stage}/{step.rule}: {step.detail}" if step.detail else f"{step.stage}/{step.rule}"
