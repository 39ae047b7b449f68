"""A virus scanner: ClamAV by clamd, any other by ICAP (CON-5). Several stand in series."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from posthouse.model.scan import EngineFacts, ScannedMail, ScanReport
from posthouse.model.virus_engine import VirusEngine


class Scanner(Protocol):
    """One engine. What the mail holds is never an error."""

    @property
    def name(self) -> str:
        """The engine's name in the settings, such as ``clamd``."""
        ...

    async def scan(self, mail: ScannedMail) -> ScanReport:
        """What the engine finds in the message and in each of its parts, within its time limit.
        Raises Temporary when the engine is down, too slow or in trouble; what follows is the caller's setting."""
        ...

    async def about(self) -> EngineFacts:
        """Versions of engine and patterns. Raises Temporary as ``scan``."""
        ...

    async def close(self) -> None:
        """Lets go of connections; a scan under way may fail."""
        ...


MakeScanner = Callable[[VirusEngine], Scanner]
"""Makes the client of an engine that the settings name."""
