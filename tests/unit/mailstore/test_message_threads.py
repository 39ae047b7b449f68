"""Threads (RFC 5256): the algorithm against the RFC's cases, hostile references, and random mailboxes."""

from __future__ import annotations

import time

from hypothesis import given, settings
from hypothesis import strategies as st

from posthouse.mailstore.threads import NOBODY, Letter, Node, by_references, by_subject


def shape(node: Node) -> object:
    """(index, children) as nested tuples; an index alone for a leaf."""
    children = tuple(shape(child) for child in node.children)
    return (node.at, *children) if children else node.at


def letter(at: int, *references: str, subject: str = "", replied: bool = False, message_id: str = "") -> Letter:
    return Letter(at, float(at), subject, replied, message_id or f"m{at}", references)


def threads(*letters: Letter) -> list[object]:
    return [shape(root) for root in by_references(letters)]


def test_answers_hang_below_what_they_answer() -> None:
    assert threads(letter(1), letter(2, "m1"), letter(3, "m1", "m2"), letter(4, "m1")) == [(1, (2, 3), 4)]


def test_messages_that_are_missing_leave_their_place() -> None:
    assert threads(letter(1, "x"), letter(2, "x")) == [(NOBODY, 1, 2)]
    assert threads(letter(1, "x")) == [1]
    assert threads(letter(1), letter(2, "m1", "x"), letter(3, "m1", "x")) == [(1, 2, 3)]
    assert threads(letter(1, "y", "x"), letter(2, "y", "x"), letter(3, "y")) == [(NOBODY, 1, 2, 3)]


def test_a_shortened_reference_is_corrected_by_the_message_itself() -> None:
    assert threads(letter(1), letter(2, "m1"), letter(3, "m1", "m2"), letter(4, "m1", "m3")) == [(1, (2, (3, 4)))]
    assert threads(letter(4, "m1", "m2"), letter(1), letter(2, "m9")) == [1, (2, 4)]


def test_circles_are_cut() -> None:
    assert threads(letter(1, "m2"), letter(2, "m1")) == [(2, 1)]
    assert threads(letter(1, "m1")) == [1]
    assert sorted(count(threads(letter(1, "m3", "m2"), letter(2, "m1", "m3"), letter(3, "m2", "m1")))) == [1, 2, 3]


def test_a_doubled_message_id_is_another_message() -> None:
    assert threads(letter(1, message_id="a"), letter(2, message_id="a"), letter(3, "a")) == [(1, 3), 2]


def test_siblings_and_threads_stand_by_date() -> None:
    late = Letter(1, 50.0, "", message_id="a")
    assert threads(late, letter(2, "a"), letter(3), letter(4, "m3")) == [(3, 4), (1, 2)]


def test_equal_subjects_are_joined_as_the_rfc_says() -> None:
    assert threads(letter(1, subject="A"), letter(2, subject="A", replied=True)) == [(1, 2)]
    assert threads(letter(1, subject="A"), letter(2, subject="A")) == [(NOBODY, 1, 2)]
    assert threads(letter(1, subject="A", replied=True), letter(2, subject="A")) == [(2, 1)]
    assert threads(letter(1, "x", subject="A"), letter(2, "x", subject="B"), letter(3, subject="A")) == [(NOBODY, 1, 2, 3)]
    twice = (letter(1, "x", subject="A"), letter(2, "x"), letter(3, "y", subject="A"), letter(4, "y"))
    assert threads(*twice) == [(NOBODY, 1, 2, 3, 4)]
    assert threads(letter(1), letter(2)) == [1, 2]


def test_three_of_one_subject_are_one_thread() -> None:
    assert threads(letter(1, subject="A"), letter(2, subject="A"), letter(3, subject="A")) == [(NOBODY, 1, 2, 3)]


def test_threads_by_subject_alone() -> None:
    roots = by_subject([letter(3, subject="A"), letter(1, subject="A"), letter(2, subject="B"), letter(4, subject="A")])
    assert [shape(root) for root in roots] == [(1, 3, 4), 2]


def count(found: object) -> list[int]:
    if isinstance(found, (tuple, list)):
        return [one for part in found for one in count(part)]
    assert isinstance(found, int)
    return [] if found == NOBODY else [found]


IDS = st.sampled_from(["", *"abcdefgh"])


@st.composite
def mailboxes(draw: st.DrawFn) -> list[Letter]:
    size = draw(st.integers(0, 12))
    return [
        Letter(
            at,
            draw(st.floats(0, 5)),
            draw(st.sampled_from(["", "A", "B"])),
            draw(st.booleans()),
            draw(IDS),
            tuple(one for one in draw(st.lists(IDS, max_size=4)) if one),
        )
        for at in range(size)
    ]


@given(mailboxes())
@settings(max_examples=300, deadline=None)
def test_every_message_is_in_one_thread_once(letters: list[Letter]) -> None:
    for tie in (by_references, by_subject):
        roots = tie(letters)
        assert sorted(count([shape(root) for root in roots])) == [one.at for one in letters]
        waiting = list(roots)
        for node in waiting:
            waiting += node.children
            assert node.letter is not None or len(node.children) > 1
            dates = [(child.spokesman.sent_at, child.spokesman.at) for child in node.children]
            assert dates == sorted(dates)


def test_hostile_references_take_no_time() -> None:
    chain = [letter(n, *([f"m{n - 1}"] if n else [])) for n in range(20_000)]
    back = [letter(n, f"m{n + 1}") for n in range(20_000)]
    knots = [letter(n, *(f"m{(n * k) % 3000}" for k in range(2, 60))) for n in range(3000)]
    started_at = time.process_time()
    for letters in (chain, list(reversed(chain)), back, knots):
        roots = by_references(letters)
        size = 0
        waiting = list(roots)
        while waiting:
            node = waiting.pop()
            size += node.letter is not None
            waiting += node.children
        assert size == len(letters)
    assert time.process_time() - started_at < 20
