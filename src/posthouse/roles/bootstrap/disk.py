"""Looking at the data folder's disk before a node starts on it (HA-1)."""

from __future__ import annotations

from pathlib import Path

from posthouse.backends.disk import try_disk
from posthouse.base import log
from posthouse.checking.disk import honesty, unfit
from posthouse.roles.config import ConfigError

_log = log.get("disk")


def refuse_unfit(data: Path) -> None:
    """Raises ConfigError where no node can keep a promise; whatever else is doubtful goes to the log, and the node starts."""
    try:
        disk = try_disk(data)
    except OSError as error:
        # A full disk is no reason not to serve: reading goes on, and new mail is put off.
        _log.warning("disk-not-tried", why=str(error))
        return
    if reason := unfit(disk):
        raise ConfigError(f"{data}: {reason}")
    for found in honesty(disk):
        if found.state in ("warning", "wrong"):
            _log.warning("disk-in-doubt", file_system=found.subject, found=found.found, advice=found.advice)
