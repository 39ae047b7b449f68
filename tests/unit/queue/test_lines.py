"""Turns and widths: no destination may take all the places."""

from __future__ import annotations

from posthouse.model.envelope import Sender
from posthouse.model.queued import QueuedMessage
from posthouse.model.settings import QueueSettings
from posthouse.queue.lines import FIRST_WIDTH, PER_DESTINATION, Job, Lines

MESSAGE = QueuedMessage("Q", "T", Sender(None), 1, 1, 0.0, 1.0, ())


def lines(**settings: int) -> Lines:
    return Lines(lambda: QueueSettings(**settings), lambda: 0.0)  # type: ignore[arg-type]


def job(domain: str) -> Job:
    return Job(MESSAGE, domain, "")


def started(waiting: Lines) -> list[str]:
    out = []
    while (found := waiting.next()) is not None:
        out.append(found.domain)
    return out


def test_destinations_take_turns() -> None:
    waiting = lines()
    for domain in "aaabbc":
        waiting.put(job(domain))
    assert started(waiting) == ["a", "b", "c", "a", "b", "a"]


def test_a_destination_starts_narrow_widens_as_it_answers_and_narrows_when_it_does_not() -> None:
    waiting = lines(concurrency_per_destination=5)
    for _ in range(50):
        waiting.put(job("a"))
    assert len(started(waiting)) == FIRST_WIDTH
    for expected in (2, 2, 1, 1):
        waiting.ended(job("a"), reached=True)
        assert len(started(waiting)) == expected
    waiting.ended(job("a"), reached=False)
    assert started(waiting) == []


def test_many_destinations_that_stall_leave_places_for_the_others() -> None:
    waiting = lines(concurrency=100, concurrency_per_destination=10)
    for number in range(30):
        for _ in range(20):
            waiting.put(job(f"stalled{number}"))
    assert len(started(waiting)) == 30 * FIRST_WIDTH
    waiting.put(job("quick"))
    assert started(waiting) == ["quick"]


def test_the_limit_for_all_holds() -> None:
    waiting = lines(concurrency=4)
    for number in range(10):
        waiting.put(job(f"d{number}"))
    assert len(started(waiting)) == 4
    waiting.ended(job("d0"), reached=True)
    assert started(waiting) == ["d4"]


def test_a_full_line_refuses_and_asks_for_more_when_it_is_nearly_empty() -> None:
    waiting = lines(concurrency=1)
    assert all(waiting.put(job("a")) is None for _ in range(PER_DESTINATION))
    late = job("a")
    assert waiting.put(late) is late
    asked = []
    while (found := waiting.next()) is not None:
        asked.append(waiting.ended(found, reached=True))
    assert asked.count(True) == 1
    assert asked.index(True) < PER_DESTINATION - 1


def test_a_rate_spaces_out_the_deliveries_to_each_destination() -> None:
    now = [1000.0]
    waiting = Lines(lambda: QueueSettings(rate_per_destination=30), lambda: now[0])
    for domain in "aaab":
        waiting.put(job(domain))
    assert started(waiting) == ["a", "b"]
    assert waiting.resumes_at == 1002.0
    now[0] = 1001.9
    waiting.ended(job("a"), reached=True)
    waiting.ended(job("b"), reached=True)
    assert started(waiting) == []
    now[0] = 1002.0
    assert started(waiting) == ["a"]
    waiting.ended(job("a"), reached=True)
    waiting.put(job("b"))
    assert started(waiting) == ["b"]
    now[0] = 1004.0
    assert started(waiting) == ["a"]
    assert waiting.resumes_at == 1006.0


def test_a_line_that_is_emptied_is_gone_and_one_that_rests_goes_on_when_it_is_relieved() -> None:
    waiting = lines()
    for domain in "aaaab":
        waiting.put(job(domain))
    waiting.take_out("a", lambda job: True)
    waiting.take_out("c", lambda job: True)
    waiting.rest("b", 60.0)
    waiting.rest("b", 1.0)
    assert started(waiting) == []
    assert waiting.resumes_at == 60.0
    waiting.relieve("b")
    waiting.relieve("a")
    assert started(waiting) == ["b"]
    asked: list[Job] = []
    for _ in range(4):
        waiting.put(job("a"))
    waiting.take_out("a", lambda job: (asked.append(job), len(asked) % 2 == 0)[1])  # type: ignore[func-returns-value]
    assert len(asked) == 4 and started(waiting) == ["a", "a"]
