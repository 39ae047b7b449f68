"""The memory of right passwords is keyed and bounded."""

from __future__ import annotations

import pytest

from posthouse.base.clock import ManualClock
from posthouse.directory import remembered
from posthouse.directory.remembered import Remembered


def test_parts_cannot_run_into_each_other() -> None:
    memory = Remembered(ManualClock())
    digests = {memory.digest(*parts) for parts in (("ab", "c", ""), ("a", "bc", ""), ("a", "b", "c"), ("", "abc", ""))}
    assert len(digests) == 4


def test_every_process_has_a_key_of_its_own() -> None:
    assert Remembered(ManualClock()).digest("a", "b", "c") != Remembered(ManualClock()).digest("a", "b", "c")


def test_the_oldest_goes_when_it_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembered, "MOST", 3)
    memory = Remembered(ManualClock())
    for octets in (b"1", b"2", b"3", b"1", b"4"):
        memory.add(octets)
    assert [memory.holds(octets, 60.0) for octets in (b"1", b"2", b"3", b"4")] == [True, False, True, True]
