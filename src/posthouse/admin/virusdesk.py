"""What the operations on virus scanning work with."""

from __future__ import annotations

from dataclasses import dataclass

from posthouse.content.antivirus.asking import VirusEngines
from posthouse.content.antivirus.patterns import PatternWatch
from posthouse.interfaces.pattern_updates import PatternUpdates


@dataclass(frozen=True, slots=True)
class VirusDesk:
    """``watch`` tells of the engines, ``engines`` scans, ``updates`` gets patterns."""

    engines: VirusEngines
    watch: PatternWatch
    updates: PatternUpdates
