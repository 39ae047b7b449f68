"""What operations about suppressed addresses work with: one field of the context."""

from __future__ import annotations

from dataclasses import dataclass

from posthouse.interfaces.suppressions import Suppressions, SuppressionsWriter


@dataclass(frozen=True, slots=True)
class SuppressionDesk:
    """Reading and writing."""

    reader: Suppressions
    writer: SuppressionsWriter
