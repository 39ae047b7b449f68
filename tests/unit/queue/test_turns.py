"""Who is served next at one destination: urgent mail first, then domains in turn, and in each its senders."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from posthouse.model.address import Address
from posthouse.model.envelope import Sender
from posthouse.model.queued import QueuedMessage, QueuedRecipient
from posthouse.model.settings import QueueSettings
from posthouse.queue import window
from posthouse.queue.lines import PER_DESTINATION, Lines
from posthouse.queue.turns import Job, Turns
from posthouse.queue.window import Window
from support.outbound import far


def job(sender: str, priority: int = 0, number: int = 0) -> Job:
    who = Sender(Address.parse(sender) if sender else None, priority=priority)
    return Job(QueuedMessage(f"Q{number}", "T", who, 1, 1, 0.0, 1.0, ()), "far.test", "")


def order(*jobs: Job) -> list[str]:
    turns = Turns()
    for each in jobs:
        turns.push(each)
    return [str(turns.pop().message.sender) for _ in range(len(turns))]


def test_senders_take_turns_and_keep_their_own_order() -> None:
    first, second = job("a@x.test", number=1), job("a@x.test", number=2)
    turns = Turns()
    for each in (first, second, job("b@x.test")):
        turns.push(each)
    assert [turns.pop() for _ in range(3)] == [first, job("b@x.test"), second]


def test_a_domain_of_many_senders_has_no_more_turns_than_one_of_a_single_sender() -> None:
    assert order(*(job(f"u{n}@many.test") for n in range(3)), job("a@one.test"), job("a@one.test")) == [
        "u0@many.test", "a@one.test", "u1@many.test", "a@one.test", "u2@many.test",
    ]  # fmt: skip


def test_an_account_has_one_turn_under_whatever_address_it_sends() -> None:
    turns = Turns()
    for sender in ("a@x.test", "b@y.test"):
        turns.push(
            Job(QueuedMessage("Q", "T", Sender(Address.parse(sender), auth="Jane@x.test"), 1, 1, 0.0, 1.0, ()), "far.test", "")
        )
    turns.push(job("omar@z.test"))
    assert [str(turns.pop().message.sender) for _ in range(3)] == ["a@x.test", "omar@z.test", "b@y.test"]


def test_urgent_mail_goes_first_and_bulk_mail_last() -> None:
    jobs = [job("a@x.test", -4), job("b@x.test"), job("c@x.test", 3), job("d@x.test", 9)]
    assert order(*jobs) == ["d@x.test", "c@x.test", "b@x.test", "a@x.test"]


def test_notices_of_the_house_have_their_turn_too() -> None:
    assert order(job("a@x.test"), job("a@x.test"), job("")) == ["a@x.test", "", "a@x.test"]


def test_in_a_full_line_who_has_most_gives_way_to_who_has_little() -> None:
    lines = Lines(lambda: QueueSettings(concurrency=1), lambda: 0.0)
    for number in range(PER_DESTINATION):
        assert lines.put(job("flood@x.test", number=number)) is None
    late = job("flood@x.test", number=-1)
    assert lines.put(late) is late
    assert lines.put(job("one@x.test")) == job("flood@x.test", number=PER_DESTINATION - 1)
    assert lines.put(job("flood@x.test", 1)) == job("flood@x.test", number=PER_DESTINATION - 2)
    assert lines.put(job("bulk@x.test", -1)) == job("bulk@x.test", -1)
    served = []
    while (found := lines.next()) is not None:
        served.append(found)
        lines.ended(found, reached=True)
    assert [str(each.message.sender) for each in served[:3]] == ["flood@x.test", "flood@x.test", "one@x.test"]
    assert served[0].priority == 1
    assert len(served) == PER_DESTINATION


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(-1, 1)), max_size=30), st.integers(1, 10))
def test_fuzz_nothing_is_lost_or_served_twice_whatever_gives_way(jobs: list[tuple[int, int]], bound: int) -> None:
    turns, left_out, pushed = Turns(), [], []
    for number, (sender, priority) in enumerate(jobs):
        each = job(f"s{sender}@d{sender % 2}.test", priority, number)
        pushed.append(each.message.queue_id)
        if len(turns) >= bound:
            out = turns.give_way(each)
            left_out.append((out or each).message.queue_id)
            if out is None:
                continue
        turns.push(each)
        assert len(turns) <= bound
    served = [turns.pop() for _ in range(len(turns))]
    assert sorted([each.message.queue_id for each in served] + left_out) == sorted(pushed)
    assert [each.priority for each in served] == sorted((each.priority for each in served), reverse=True)
    assert turns == Turns(_sizes=turns._sizes)


def message(first_id: int, count: int, sender: str, priority: int = 0) -> QueuedMessage:
    recipients = tuple(
        QueuedRecipient(first_id + n, "Q", far(), "", "", "waiting", 0, 0.0, "", "", delayed_notice=False) for n in range(count)
    )
    return QueuedMessage("Q", "T", Sender(Address.parse(sender), priority=priority), 1, 1, 0.0, 1.0, recipients)


def test_a_full_window_takes_who_has_little_in_it_and_urgent_mail_up_to_a_bound() -> None:
    kept = Window()
    kept.add(message(0, window.USUAL, "flood@x.test"))
    assert kept.is_full
    assert not kept.takes(message(0, 1, "flood@x.test"))
    assert kept.takes(message(0, 1, "one@x.test"))
    assert kept.takes(message(0, 1, "flood@x.test", 1))
    kept.add(message(window.USUAL, window.SHARE, "one@x.test"))
    assert not kept.takes(message(0, 1, "one@x.test"))
    kept.add(message(2 * window.USUAL, window.USUAL // 2, "others@x.test"))
    assert not kept.takes(message(0, 1, "new@x.test", 9))
    kept.remove(range(window.USUAL))
    kept.remove([10**9])
    assert kept.takes(message(0, 1, "new@x.test"))
    assert 0 not in kept
    assert window.USUAL in kept
