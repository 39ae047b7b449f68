"""Sequence sets against a naive model."""

from __future__ import annotations

import time

from hypothesis import given, settings
from hypothesis import strategies as st

from posthouse.protocols.imap.scanner import Scanner
from posthouse.protocols.imap.sequence import SequenceSet, to_text

BOUND = st.integers(0, 40)
SETS = st.builds(lambda pairs: SequenceSet(tuple(pairs)), st.lists(st.tuples(BOUND, BOUND), min_size=1, max_size=8))


def naive(sequence: SequenceSet, largest: int) -> set[int]:
    out: set[int] = set()
    for low, high in sequence.ranges:
        ends = sorted((low or largest, high or largest))
        out |= set(range(ends[0], ends[1] + 1))
    return out


@given(SETS, st.integers(0, 30))
@settings(max_examples=300, deadline=None)
def test_numbers_are_those_of_the_naive_model(sequence: SequenceSet, largest: int) -> None:
    expected = [n for n in sorted(naive(sequence, largest)) if 1 <= n <= largest]
    assert sequence.numbers(largest) == expected


@given(SETS, st.sets(st.integers(1, 50), max_size=20))
@settings(max_examples=300, deadline=None)
def test_uids_are_those_of_the_naive_model(sequence: SequenceSet, uids: set[int]) -> None:
    ordered = sorted(uids)
    expected = [uid for uid in ordered if uid in naive(sequence, ordered[-1])]
    assert sequence.among(ordered) == expected


@given(st.sets(st.integers(1, 60), min_size=1))
@settings(max_examples=200, deadline=None)
def test_a_set_written_out_is_read_back(numbers: set[int]) -> None:
    ordered = sorted(numbers)
    read = Scanner(to_text(ordered), ()).sequence()
    assert read.numbers(60) == ordered


def test_runs_are_closed_up_and_order_is_kept() -> None:
    assert to_text([1, 2, 3, 4, 5, 7]) == b"1:5,7"
    assert to_text([9, 3, 4, 2]) == b"9,3:4,2"
    assert to_text([]) == b""


def test_the_largest_numbers_cost_nothing() -> None:
    sequence = Scanner(b"1:4294967295", ()).sequence()
    started = time.process_time()
    assert sequence.resolve(3) == [(1, 3)]
    assert sequence.among([5, 9]) == [5, 9]
    assert time.process_time() - started < 0.1


def test_a_range_to_the_end_always_has_the_last_one() -> None:
    sequence = Scanner(b"100:*", ()).sequence()
    assert sequence.among([5, 9]) == [9]
    assert sequence.numbers(9) == [9]
