"""How results with no rows, and results that are counts, are shown to people (ADM-1)."""

from __future__ import annotations

from dataclasses import dataclass

from posthouse.admin.rendering import people


@dataclass(frozen=True)
class _Counted:
    name: str
    queue: dict[str, int]


def test_counts_of_nothing_are_said_to_be_none() -> None:
    assert people({}) == "(none)"
    assert people(_Counted("mx1", {})).splitlines()[-1].split() == ["queue", "(none)"]


def test_counts_inside_a_record_are_shown_with_what_they_count() -> None:
    assert people(_Counted("mx1", {"waiting": 3, "held": 1})).splitlines()[-1] == "queue  waiting 3, held 1"
