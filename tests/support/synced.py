"""Seen from the kernel's side (by strace): is everything that a node has written on disk when it says so?"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.node import Node

CALLS = "write,writev,pwrite64,fsync,fdatasync,rename,renameat,renameat2,ftruncate,sendto,sendmsg"

_ANSWER = re.compile(r"(?:write|writev|sendto)\(\d+<(?:socket|TCP|UNIX)[^,]*, .*(?:250 2\.0\.0|OK |\* \d+ FETCH)")
_WRITE = re.compile(r"(?:pwrite64|write|writev|ftruncate)\(\d+<(/[^>]*)>")
SYNC = re.compile(r"(?:fsync|fdatasync)\(\d+<(/[^>]*)>")
_RENAME = re.compile(r'rename(?:at2?)?\(.*?"([^"]+)".*?"([^"]+)"')
RESUMED = re.compile(r"<\.\.\. \w+ resumed>")


@contextmanager
def watched(node: Node, into: Path) -> Iterator[None]:
    """Writes the node's system calls on files and sockets into a file."""
    pids = [word for pid in node.pids()[1:] for word in ("-p", str(pid))]
    strace = subprocess.Popen(
        ["strace", "-f", "-y", "-s", "64", "-o", str(into), "-e", f"trace={CALLS}", *pids], stderr=subprocess.PIPE, text=True
    )
    try:
        assert strace.stderr is not None
        attached = 0
        while attached < len(pids) // 2:
            attached += "attached" in strace.stderr.readline()
        yield
    finally:
        strace.terminate()
        strace.communicate(timeout=10)


def unsynced_at_answers(lines: list[str], data: Path) -> tuple[int, list[str]]:
    """How many answers left, and what was written but not synced when one did. Traces may be lost, mail may not."""
    answers = 0
    late: list[str] = []
    dirty: set[str] = set()
    for line in lines:
        if _ANSWER.search(line):
            answers += 1
            late += [f"{name} at {line[:120]}" for name in sorted(dirty)]
        elif found := SYNC.search(line):
            dirty.discard(found[1])
        elif (found := _WRITE.search(line)) and found[1].startswith((f"{data}/mail.db-wal", f"{data}/blobs/")):
            dirty.add(found[1])
        elif found := _RENAME.search(line):
            dirty.add(str(Path(found[2]).parent))
    return answers, late
