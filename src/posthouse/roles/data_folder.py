"""The node's data folder: made with rights for its owner only, and held by one node at a time."""

from __future__ import annotations

import errno
import fcntl
import os
import pwd
import time
from pathlib import Path

from posthouse.roles.config import ConfigError

FOLDERS = ("", "run", "tls")
LOCK_WAIT_S = 5.0


def make(data: Path, user: str) -> None:
    """Makes the folders that are missing, 0700, owned by ``user`` if the node is to become someone else.
    Raises ConfigError."""
    for folder in FOLDERS:
        path = data / folder
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.chmod(0o700)
            if user:
                entry = _entry(user)
                os.chown(path, entry.pw_uid, entry.pw_gid)
        except OSError as error:
            raise ConfigError(f"{path}: {error.strerror or error}") from None


def lock(data: Path, wait_s: float = LOCK_WAIT_S) -> int:
    """Holds the folder until the process ends; gives the lock's descriptor, which children must close. A node that is
    just ending is waited for. Raises ConfigError when another node keeps it, or it is not ours to open."""
    descriptor = _open_lock(data)
    deadline_s = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EACCES):
                os.close(descriptor)
                raise ConfigError(f"{data}: file locks do not work here: {error.strerror}") from None
            if time.monotonic() < deadline_s:
                time.sleep(0.05)
                continue
            holder = os.read(descriptor, 20).decode("ascii", "replace").strip()
            os.close(descriptor)
            raise ConfigError(f"{data}: another node runs here (process {holder or 'unknown'})") from None
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        return descriptor


def _open_lock(data: Path) -> int:
    """Belongs to the folder's owner also when root makes it, so that either may run the node later."""
    path = data / "lock"
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if os.getuid() == 0:
            owner = data.stat()
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from None
    return descriptor


def drop_privileges(user: str) -> None:
    """Becomes ``user`` for good, unless the service manager saw to it. Raises ConfigError when that is not allowed."""
    entry = _entry(user)
    if os.getuid() == os.geteuid() == entry.pw_uid:
        return
    try:
        os.initgroups(user, entry.pw_gid)
        os.setgid(entry.pw_gid)
        os.setuid(entry.pw_uid)
    except OSError as error:
        raise ConfigError(f"node.user: cannot become {user}: {error.strerror or error}") from None


def _entry(user: str) -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(user)
    except KeyError:
        raise ConfigError(f"node.user: there is no user {user}") from None
