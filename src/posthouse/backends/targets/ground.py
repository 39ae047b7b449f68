"""Where exported files may be put, and how they are written so that they last (PLN-4). Blocking: callers use threads."""

from __future__ import annotations

import os
from pathlib import Path

from posthouse.backends.sources.tree import disk_errors
from posthouse.base.errors import Permanent


def claim(folder: Path) -> None:
    """Makes a folder for the node's user alone, or takes one that is. Raises Permanent for one that others may write to: they
    could lead what is written elsewhere."""
    if not folder.is_absolute():
        raise Permanent("the path must be absolute")
    with disk_errors(str(folder)):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        facts = folder.stat()
    if facts.st_uid != os.geteuid() or facts.st_mode & 0o022:
        raise Permanent(f"{folder} must belong to the node's user, and no one else may write to it")


def write_whole(path: Path, octets: bytes, *, in_place: bool = False, at: float | None = None) -> None:
    """Writes and syncs a file; unless ``in_place``, it is there whole or not at all. ``at``: the time that it gets."""
    fresh = path if in_place else path.with_name(path.name + ".new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(octets)
        file.flush()
        if at is not None:
            os.utime(file.fileno(), (at, at))
        os.fsync(file.fileno())
    if not in_place:
        fresh.rename(path)


def sync_folder(path: Path) -> None:
    """Makes renames in a folder last."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
