"""Addresses of Unix sockets whose path is longer than the kernel takes (108 octets): by the open folder's descriptor."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

_LONGEST = 100


@contextlib.contextmanager
def socket_address(path: Path) -> Iterator[str]:
    """What to give to ``bind`` or ``connect`` for the socket at ``path``. Raises OSError if its folder is not there."""
    if len(os.fsencode(path)) <= _LONGEST:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
