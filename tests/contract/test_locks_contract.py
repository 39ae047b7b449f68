"""What interfaces/locks.py promises, held against every backend."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from posthouse.backends.locks import FileLocks
from posthouse.backends.memory.locks import MemoryLocks
from posthouse.interfaces.locks import Locks

Open = Callable[[], Locks]


@pytest.fixture(params=["memory", "files"])
def another(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    """Makes a further process's end of the same node's locks."""
    taken: set[int] = set()
    return (lambda: MemoryLocks(taken)) if request.param == "memory" else lambda: FileLocks(tmp_path / "locks")


def test_one_holder_at_a_time_in_and_between_processes(another: Open) -> None:
    here, there = another(), another()
    assert here.acquire(7)
    assert not here.acquire(7)
    assert not there.acquire(7)
    assert there.acquire(8)
    here.release(7)
    assert there.acquire(7)
    assert not here.acquire(7)


def test_large_numbers_are_locks_of_their_own(another: Open) -> None:
    locks = another()
    assert locks.acquire(0)
    assert locks.acquire(2**62 - 1)
    assert not another().acquire(2**62 - 1)


def _hold(path: Path, pipe: Connection) -> None:
    locks = FileLocks(path)
    pipe.send(locks.acquire(1))
    signal.pause()


def test_a_killed_process_leaves_no_lock(tmp_path: Path) -> None:
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=_hold, args=(tmp_path / "locks", theirs))
    process.start()
    assert ours.recv() is True
    locks = FileLocks(tmp_path / "locks")
    assert not locks.acquire(1)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join(10)
    assert locks.acquire(1)
