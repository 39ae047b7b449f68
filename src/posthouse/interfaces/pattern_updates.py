"""Getting newer virus patterns: a command of this machine, such as freshclam (CON-5)."""

from __future__ import annotations

from typing import Protocol


class PatternUpdates(Protocol):
    """One at a time: a second call waits for the first one and shares its answer."""

    @property
    def configured(self) -> bool:
        """Whether there is a command at all."""
        ...

    async def update(self) -> str:
        """Fetches patterns; gives the last line that the command said. Raises Temporary when it failed or took too long,
        Permanent when there is no such command."""
        ...
