"""What is said of the disk under the data folder (PLN-2, HA-1): whether it is fit for a mail store, and keeps its word.

Local disks, block devices of a SAN and file systems of a NAS are all fit, if fsync and locks hold. Judges only what a probe has
found; never touches a disk.
"""

from __future__ import annotations

from posthouse.interfaces.probe import Disk, Probe
from posthouse.model.finding import Finding, State

HONEST_SYNC_S = 20e-6
"""No disk syncs faster than this: what does has not written."""
IN_MEMORY = ("tmpfs", "ramfs")
OVER_NETWORK = ("nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "lustre", "gfs2", "ocfs2", "glusterfs", "fuse.")
NO_SYNC = ("nobarrier", "barrier=0", "volatile", "fsync=volatile")
"""With these the file system answers an fsync before the disk has what is synced."""
LOCKS_HERE_ONLY = ("nolock", "local_lock=all", "local_lock=flock", "local_lock=posix", "nobrl")
GIVES_UP = ("soft", "softerr", "softreval")
LOW_PART = 0.1


async def check_disk(probe: Probe) -> list[Finding]:
    """Whether what is acknowledged can be kept."""
    disk = await probe.disk()
    return [*honesty(disk), _room(disk)]


def unfit(disk: Disk) -> str:
    """Why no node may keep its data here, in one line; "" if it may. A node that started would lose or damage mail."""
    if disk.sync_s is None:
        return f"this file system ({disk.file_system}) refuses fsync: nothing could be promised"
    if not disk.locks:
        return f"file locks do not hold on this file system ({disk.file_system}): two nodes could open one store"
    if not disk.databases:
        return f"databases do not work on this file system ({disk.file_system}): memory mapped from files is not shared"
    return ""


def honesty(disk: Disk) -> list[Finding]:
    """All but the room."""
    subject = disk.file_system
    if reason := unfit(disk):
        return [Finding("disk", subject, "wrong", reason, "Put the data folder on another one.")]
    found = [_sync(disk)]
    if risky := _first(disk, LOCKS_HERE_ONLY):
        advice = f"Mount it without {risky}, or see to it that only one machine ever mounts it."
        found.append(_disk(subject, "wrong", f"mounted with {risky}: another machine would not see this one's locks", advice))
    if risky := _first(disk, GIVES_UP):
        advice = "Mount it with hard: then writing waits until the server is there again."
        found.append(_disk(subject, "warning", f"mounted with {risky}: a server that is slow makes writes fail", advice))
    if subject.startswith(OVER_NETWORK):
        advice = "Let one node alone use this folder; it is locked against others. A block device or a local disk is faster."
        found.append(_disk(subject, "note", "the data folder is on a network file system", advice))
    return found


def _sync(disk: Disk) -> Finding:
    assert disk.sync_s is not None
    subject = disk.file_system
    if subject in IN_MEMORY:
        return _disk(subject, "wrong", "the data folder lies in memory", "Put it on a disk.")
    if risky := _first(disk, NO_SYNC):
        advice = f"Mail could be lost when power fails: mount it without {risky}."
        return _disk(subject, "wrong", f"mounted with {risky}: fsync does not wait for the disk", advice)
    if disk.sync_s < HONEST_SYNC_S:
        advice = "Mail could be lost when power fails: turn the disk's volatile cache off, or use another file system."
        return _disk(subject, "warning", f"fsync takes {disk.sync_s * 1e6:.0f} us, too little to be true", advice)
    return _disk(subject, "ok", f"a write with fsync takes {disk.sync_s * 1e3:.2f} ms; locks hold")


def _room(disk: Disk) -> Finding:
    free = disk.free_bytes / max(disk.total_bytes, 1)
    words = f"{free:.0%} of {disk.total_bytes / (1 << 30):.0f} GiB is free"
    if free >= LOW_PART:
        return _disk(disk.file_system, "ok", words)
    return _disk(disk.file_system, "warning", words, "Make room, or mail will be deferred.")


def _first(disk: Disk, options: tuple[str, ...]) -> str:
    return next((option for option in options if option in disk.options), "")


def _disk(subject: str, state: State, found: str, advice: str = "") -> Finding:
    return Finding("disk", subject, state, found, advice)
