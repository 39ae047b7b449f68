"""The scanners once more, for mail that was held a while and is to go on (CON-7, QTN-1). Called by who releases it."""

from __future__ import annotations

from collections.abc import Callable

from posthouse.content.antivirus.asking import VirusEngines, engines_named
from posthouse.content.antivirus.mail import scanned
from posthouse.content.archives.entry import shown
from posthouse.formats.mime import index
from posthouse.model.settings import Settings
from posthouse.model.verdict import Reason
from posthouse.pipeline.antivirus import STAGE


class Rescan:
    """Asks all engines that are set now; nothing is remembered, for their patterns may be newer."""

    def __init__(self, settings: Callable[[], Settings], engines: VirusEngines) -> None:
        self._settings = settings
        self._engines = engines

    async def __call__(self, content: bytes) -> Reason | None:
        """Why a message must not go on, None if nothing is found in it. Raises Temporary when an engine does not answer: it
        has to be held for longer."""
        mail = scanned(content, index(content))
        for engine in engines_named(self._settings().antivirus.engines):
            report, _ = await self._engines.scan(engine, mail, b"", 0.0)
            if report.infections:
                return Reason(STAGE, engine.name, f"{engine.name} found {shown(report.names)} when it was scanned again")
        return None
