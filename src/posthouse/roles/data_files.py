"""What lies in a node's data folder: databases, sockets, locks. Knows names only, opens nothing but long folders' names."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

LONGEST_SOCKET_PATH = 90
"""The kernel takes 107 octets; the names that we put into the folder are shorter than the rest."""


@dataclass(frozen=True, slots=True)
class Files:
    """What lies in a data folder: databases and sockets."""

    directory: Path
    traces: Path
    greylist: Path
    mail: Path
    search: Path
    outgoing: Path
    spam: Path
    bulk: Path
    gate: Path
    control: Path
    locks: Path
    short_run: Path
    """The folder of sockets, by a name that leaves room for theirs."""

    def courier(self, worker: str) -> Path:
        """Where the worker of this name takes mail for other hosts."""
        return self.short_run / f"{worker}.sock"

    @classmethod
    def under(cls, data: Path) -> Files:
        """Where they are."""
        run = data / "run"
        short = _short(run)
        return cls(
            directory=data / "directory.db",
            traces=data / "traces.db",
            greylist=data / "greylist.db",
            mail=data / "mail.db",
            search=data / "search.db",
            outgoing=data / "outgoing.db",
            spam=data / "spam.db",
            bulk=data / "bulk.db",
            gate=short / "gate.sock",
            control=run / "control.sock",
            locks=run / "locks",
            short_run=short,
        )


def _short(folder: Path) -> Path:
    """A name of ``folder`` that fits into a socket's address, by way of an open descriptor if need be."""
    if len(os.fsencode(folder)) <= LONGEST_SOCKET_PATH:
        return folder
    return Path(f"/proc/self/fd/{os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)}")
