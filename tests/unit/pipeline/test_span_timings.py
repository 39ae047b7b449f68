"""What the driver tells of how long things take, and that it asks nobody for the time when no one wants to know."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.backends.otlp import trace_number
from posthouse.base.ids import decode, encode
from posthouse.model.trace import Timing, TraceRecord
from support.house import House


class Watcher:
    """Keeps what it is told."""

    def __init__(self, *, on: bool) -> None:
        self.on = on
        self.told: list[tuple[TraceRecord, Sequence[Timing]]] = []

    def watching(self) -> bool:
        return self.on

    def tell(self, record: TraceRecord, timings: Sequence[Timing]) -> None:
        self.told.append((record, timings))


@pytest.mark.parametrize("on", [True, False])
async def test_every_part_of_the_path_is_told_in_order_to_who_wants_it(on: bool) -> None:  # noqa: FBT001
    watcher = Watcher(on=on)
    house = House(spans=watcher)
    await house.add_user("jane@example.test")
    await house.deliver("jane@example.test")
    await house.deliver("victim@faraway.test")
    if not on:
        assert watcher.told == []
        return
    (accepted, parts), (refused, few) = watcher.told
    assert (accepted.outcome, refused.outcome) == ("accepted", "refused")
    names = [timing.name for timing in parts]
    assert names[:3] == ["mail_from", "rcpt_to", "parse"]
    assert names[-1] == "dispose"
    assert [timing.name for timing in few] == ["mail_from", "rcpt_to"]
    assert all(timing.began_at <= timing.ended_at for timing in parts)


@given(st.integers(0, (1 << 128) - 1))
def test_an_identifier_is_a_number_and_back(number: int) -> None:
    assert decode(encode(number)) == number


@pytest.mark.parametrize("text", ["", "x", "0" * 25, "U" * 26, "Z" * 26])
def test_what_is_no_identifier_has_a_trace_number_all_the_same(text: str) -> None:
    with pytest.raises(ValueError, match=r"identifier|substring"):
        decode(text)
    assert 0 < trace_number(text) < 1 << 128
    assert trace_number(text) == trace_number(text)
