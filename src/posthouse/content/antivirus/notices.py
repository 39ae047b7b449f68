"""Mail about viruses: to the `virus-alerts` list, to senders and recipients, about old patterns (CON-6).

What a stranger wrote (subject, addresses) is shown in the body only, one line each, without control characters.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from posthouse.content.antivirus.patterns import EngineState
from posthouse.content.archives.entry import shown
from posthouse.formats import dates
from posthouse.formats.node_letter import Letterhead, node_letter
from posthouse.model.virus_found import VirusFound

Reader = Literal["alerts", "sender", "recipient"]
MAX_SHOWN = 100
_MAX_RECIPIENTS_SHOWN = 10
_SUBJECTS: dict[Reader, str] = {
    "alerts": "Virus alert",
    "sender": "A message of yours was infected",
    "recipient": "An infected message for you was stopped",
}
_BEGINNINGS: dict[Reader, str] = {
    "alerts": "Viruses were found in mail:",
    "sender": "A virus scanner found these messages of yours infected; they were not delivered as you sent them:",
    "recipient": "Mail for you was infected; you did not get it, or not whole:",
}
_HOURS = 3600


def about_viruses(head: Letterhead, reader: Reader, found: Sequence[VirusFound], more: int) -> bytes:
    """``more`` is how many are not among ``found``."""
    lines = [_BEGINNINGS[reader], ""]
    for each in found[:MAX_SHOWN]:
        lines += [*_told(each, reader), ""]
    more += max(0, len(found) - MAX_SHOWN)
    if more:
        lines += [f"... and {more} more.", ""]
    if reader == "alerts":
        lines += ["The trace of a message shows more: posthouse mail trace ID"]
    return node_letter(head, f"{_SUBJECTS[reader]}: {_summed(found)}", lines)


def about_old_patterns(head: Letterhead, states: Sequence[EngineState]) -> bytes:
    """That new viruses may not be known."""
    lines = ["The patterns of these virus engines have not been renewed for too long; new viruses may not be found:", ""]
    for state in states:
        age = f"{(state.age_s or 0) / _HOURS:.0f} hours old"
        lines.append(f"    {state.engine.name} at {state.engine.place}: patterns {shown(state.facts.patterns)}, {age}")
    lines += ["", "posthouse antivirus status shows all engines; posthouse antivirus update fetches patterns now."]
    return node_letter(head, "Virus patterns are old", lines)


def _told(found: VirusFound, reader: Reader) -> list[str]:
    recipients = ", ".join(found.recipients[:_MAX_RECIPIENTS_SHOWN])
    if len(found.recipients) > _MAX_RECIPIENTS_SHOWN:
        recipients += ", ..."
    facts = [
        ("Time", dates.render(found.at)),
        ("Found", f"{found.names} (by {found.engine})"),
        ("The message was", found.done),
        ("From", found.sender or "<>"),
        ("To", recipients if reader != "recipient" else ""),
        ("Subject", found.subject),
        ("Client", found.client if reader == "alerts" else ""),
        ("Trace", found.trace_id),
    ]
    return [f"    {name + ':':<17}{_one_line(value)}" for name, value in facts if value]


def _summed(found: Sequence[VirusFound]) -> str:
    names = dict.fromkeys(name for each in found for name in each.names.split(", "))
    text = ", ".join(list(names)[:3]) + (", ..." if len(names) > 3 else "")
    return _one_line(text).encode("ascii", "replace").decode()[:120]


def _one_line(text: str) -> str:
    return shown(text)
