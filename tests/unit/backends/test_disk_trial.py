"""The trial of a disk's locks and databases: what it takes for unfit, and what only comes late (HA-1)."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

import pytest

from posthouse.backends import disk


def let_go_late(times: int) -> Callable[[int, int], None]:
    """A file system that first still holds the lock of a closed file, and refuses a second one always."""
    refusals = iter(range(times))
    held: set[int] = set()

    def flock(descriptor: int, _: int) -> None:
        if held or next(refusals, None) is not None:
            raise OSError(errno.EAGAIN, "held")
        held.add(descriptor)

    return flock


def test_a_lock_that_is_let_go_a_little_later_holds_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fcntl.flock", let_go_late(3))
    assert disk.try_disk(tmp_path).locks


def test_a_lock_that_is_never_given_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("posthouse.backends.disk._LET_GO_WITHIN_S", 0.1)
    monkeypatch.setattr("fcntl.flock", let_go_late(1_000_000))
    assert not disk.try_disk(tmp_path).locks


def test_a_second_lock_beside_the_first_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fcntl.flock", lambda descriptor, how: None)
    assert not disk.try_disk(tmp_path).locks
