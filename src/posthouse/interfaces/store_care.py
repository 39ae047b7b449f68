"""What keeps a mail store sound and small: for the steward's schedule and for operations (STO-1, STO-7).

Everything runs beside the mail, in small steps at low priority, and can be ended at any moment: what is half done is done
again.
A store that looks after itself (a database service) may do nothing in some of these.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Scrubbing:
    """How far the reading of all contents is: ``done`` of ``total`` (about) while ``running``. ``damaged``: contents known to
    be damaged now. ``finished_at``: when it last came to its end, seconds since 1970, 0 for never."""

    running: bool
    done: int
    total: int
    damaged: int
    finished_at: float


@dataclass(frozen=True, slots=True)
class StoreSpace:
    """Octets: of the database, of what is free in it, of large contents in files. ``dictionaries``: learnt from the mail."""

    database_bytes: int
    free_bytes: int
    file_bytes: int
    dictionaries: int


class StoreCare(Protocol):
    """Each of the long ones returns when it has come to its end; a second call of ``scrub`` waits for the first."""

    async def scrubbing(self) -> Scrubbing:
        """Cheap."""
        ...

    async def space(self) -> StoreSpace:
        """Looks at every file."""
        ...

    async def scrub(self) -> Sequence[str]:
        """Reads every content and compares its digest; notes what is damaged; gives a line for each damaged one."""
        ...

    async def repair(self) -> Sequence[str]:
        """Puts right what can be put right without guessing; gives a line for each thing that it did or could not do.

        Counters are made anew; rows that belong to nothing go, what they held being set aside first; contents that cannot be
        read (those that ``scrub`` noted, and missing ones) are set aside, and a marked message stands in their place."""
        ...

    async def compact(self) -> int:
        """Compresses anew what was stored otherwise, gives all free room back to the file system; gives how many octets."""
        ...

    async def learn(self) -> bool:
        """Learns from new small messages how to compress the next, if there are enough; whether it did."""
        ...

    async def sweep(self) -> int:
        """Removes files that nothing names and that are old; gives how many."""
        ...

    async def forget_vanished(self, before: float) -> int:
        """Forgets which messages went before ``before``; gives how many. Whoever asks for changes since then is told of all
        UIDs that are not there."""
        ...
