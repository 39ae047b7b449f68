"""Looking at a node's surroundings: can a port be reached, is the clock right, does the disk keep what it promised (PLN-2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Disk:
    """The file system under the data folder. ``sync_s`` is the median time of a write with fsync, None where fsync is refused;
    ``locks`` whether a second taker of each kind of file lock was refused; ``options`` those that it is mounted with;
    ``databases`` whether a database with readers beside its writer works, for which memory mapped from files is shared."""

    file_system: str
    sync_s: float | None
    locks: bool
    free_bytes: int
    total_bytes: int
    options: tuple[str, ...] = ()
    databases: bool = True


class Probe(Protocol):
    """Each call has a time-out of its own. Raises Temporary when there is no answer."""

    async def greeting(self, host: str, port: int) -> str:
        """Connects, and gives the first line that the server says by itself, "" if it says nothing soon."""
        ...

    async def clock_offset(self, server: str) -> float:
        """Seconds by which this machine's clock is ahead of an NTP server's (RFC 5905, one exchange)."""
        ...

    async def disk(self) -> Disk:
        """Tries the data folder's disk with a small file of its own."""
        ...
