"""Virus scanning: the engines and the age of their patterns, updates by hand, a scan of one message (CON-5).

The settings of the group ``antivirus`` have their short forms beside these (``antivirus set action quarantine``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from posthouse.admin.arguments import Document
from posthouse.admin.context import Context
from posthouse.admin.operation import operation
from posthouse.admin.rendering import stamp
from posthouse.admin.virusdesk import VirusDesk
from posthouse.base.errors import Temporary
from posthouse.content.antivirus.asking import engines_named
from posthouse.content.antivirus.mail import scanned
from posthouse.content.antivirus.patterns import EngineState
from posthouse.formats.mime import index
from posthouse.model.scan import WHOLE

_HOUR_S = 3600.0


@dataclass(frozen=True, slots=True)
class EngineRow:
    """``state`` is ``up``, ``down`` or ``old patterns``. ``age_hours`` None: the engine does not tell."""

    name: str
    place: str
    state: str
    engine: str
    patterns: str
    patterns_from: str
    age_hours: float | None
    trouble: str


@dataclass(frozen=True, slots=True)
class Updated:
    """``said`` is the last line of the command."""

    said: str


@dataclass(frozen=True, slots=True)
class Finding:
    """``found`` "" is clean. ``part`` is the MIME part's number, ``*`` the message as a whole."""

    engine: str
    part: str
    found: str


@operation("antivirus status", role="reader", reads=True)
async def status(context: Context) -> Sequence[EngineRow]:
    """Lists the virus engines, whether they answer, and how old their patterns are."""
    return [_row(state) for state in await _desk(context).watch.look()]


@operation("antivirus update", role="administrator")
async def update(context: Context) -> Updated:
    """Gets newer patterns now, by the command in node.toml; remembered results no longer count."""
    said = await _desk(context).updates.update()
    context.bus.publish("virus-patterns", {})
    return Updated(said)


@operation("antivirus scan", role="help-desk", reads=True)
async def scan(context: Context, message: Document) -> Sequence[Finding]:
    """Gives a message to all engines and shows what each says; nothing happens to it.

    Args:
        message: the message as it is sent, headers and all.
    """
    content = message.encode("utf-8", "surrogateescape")
    mail, desk = scanned(content, index(content)), _desk(context)
    out: list[Finding] = []
    for engine in engines_named((await context.configuration.load()).antivirus.engines):
        report, _ = await desk.engines.scan(engine, mail, b"", 0.0)
        found = [Finding(engine.name, each.section, each.name) for each in report.infections]
        found += [Finding(engine.name, section, f"not scanned: {why}") for section, why in report.unscanned]
        out += found or [Finding(engine.name, WHOLE, "")]
    return out


def _desk(context: Context) -> VirusDesk:
    if context.viruses is None:
        raise Temporary("virus engines are asked by a running node")
    return context.viruses


def _row(state: EngineState) -> EngineRow:
    word = "down" if state.trouble else "old patterns" if state.is_old else "up"
    at = state.facts.patterns_at
    return EngineRow(
        state.engine.name,
        state.engine.place,
        word,
        state.facts.engine,
        state.facts.patterns,
        stamp(at) if at is not None else "",
        round(state.age_s / _HOUR_S, 1) if state.age_s is not None else None,
        state.trouble,
    )
