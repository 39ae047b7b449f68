"""A result that goes on, against a client that applies what it is told to a list of its own (RFC 5267 §4.3.3, §4.3.4)."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from posthouse.mailstore.live_results import LiveSearch, LiveSort, Run, arranged
from posthouse.protocols.imap.sort_commands import SortKey

CRITERIA = (SortKey("SUBJECT", reverse=True), SortKey("SIZE"))
Values = dict[int, tuple[float | str, ...]]
UIDS = st.sets(st.integers(1, 30), max_size=12)
STEPS = st.lists(st.tuples(st.booleans(), UIDS), max_size=12)
VALUES = st.dictionaries(st.integers(1, 30), st.tuples(st.sampled_from("abc"), st.integers(0, 3)))


def take_out(shown: list[int], runs: Sequence[Run]) -> None:
    for run in runs:
        if run.position:
            start = run.position - 1
            assert shown[start : start + len(run.uids)] == list(run.uids)
            del shown[start : start + len(run.uids)]
        else:
            for uid in run.uids:
                shown.remove(uid)


def put_in(shown: list[int], runs: Sequence[Run]) -> None:
    for run in runs:
        if run.position:
            shown[run.position - 1 : run.position - 1] = run.uids
        else:
            shown[:] = sorted([*shown, *run.uids])


@given(UIDS, STEPS)
def test_a_client_that_applies_what_it_is_told_has_the_same_result(first: set[int], steps: list[tuple[bool, set[int]]]) -> None:
    live, shown, expected = LiveSearch(first), sorted(first), set(first)
    for joins, uids in steps:
        if joins:
            put_in(shown, live.join(uids))
            expected |= uids
        else:
            take_out(shown, live.leave(uids))
            expected -= uids
        assert shown == sorted(expected)
        assert live.members == expected


@given(VALUES, UIDS, STEPS)
def test_a_client_that_applies_what_it_is_told_has_the_same_order(
    values: Values, first: set[int], steps: list[tuple[bool, set[int]]]
) -> None:
    order = arranged(first & values.keys(), CRITERIA, values)
    live, shown, expected = LiveSort(order, CRITERIA, {uid: values[uid] for uid in order}), list(order), set(order)
    for joins, uids in steps:
        if joins:
            live.know({uid: values[uid] for uid in uids & values.keys()})
            put_in(shown, live.join(uids))
            expected |= uids & values.keys()
        else:
            take_out(shown, live.leave(uids))
            expected -= uids
        assert shown == arranged(expected, CRITERIA, values)
