"""A host that says "slow down" is left in peace for a while; one that refuses a mailbox, or greylists, is not."""

from __future__ import annotations

import pytest

from posthouse.interfaces.courier import Answer
from posthouse.model.envelope import Sender
from posthouse.model.queued import QueuedMessage
from posthouse.model.settings import QueueSettings
from posthouse.queue import pushback
from posthouse.queue.lines import Job, Lines
from posthouse.queue.pushback import Patience, is_pushback
from support.house import House
from support.outbound import ScriptedCourier, enqueue, far, make, says, settle


@pytest.mark.parametrize(
    ("replies", "slow"),
    [
        (["421 4.3.2 closing"], True),
        (["450 4.7.1 too many connections from your address"], True),
        (["451 4.7.500 Server busy"], True),
        (["452 4.5.3 too many recipients"], True),
        (["450 rate limit exceeded"], True),
        (["451 4.7.1 Greylisted, please try again later"], False),
        (["450 4.2.1 mailbox busy"], False),
        (["452 4.2.2 over quota"], False),
        (["451 4.3.0 local error"], False),
        (["550 5.7.1 blocked"], False),
        (["421 4.7.0 slow down", "250 ok"], False),
        (["421 4.7.0 slow down", "421 4.7.0 slow down"], True),
        ([], False),
    ],
)
def test_what_counts_as_slow_down(replies: list[str], *, slow: bool) -> None:
    assert is_pushback([Answer(int(reply[:3]), reply) for reply in replies]) is slow


def test_each_rest_is_longer_up_to_a_bound_until_mail_is_taken() -> None:
    patience = Patience()
    rests = [patience.rest_s("a") for _ in range(12)]
    assert rests[:4] == [2, 4, 8, 16]
    assert rests[-1] == pushback.LONGEST_S
    patience.forget("a")
    assert patience.rest_s("a") == 2


def test_attack_many_hosts_that_push_back_take_no_more_room_than_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pushback, "MAX_KNOWN", 3)
    patience = Patience()
    for key in "abcd":
        patience.rest_s(key)
    assert patience.rest_s("a") == 2, "forgotten"
    assert patience.rest_s("d") == 4


def test_a_destination_that_rests_is_passed_over_and_comes_back() -> None:
    now = [100.0]
    lines = Lines(lambda: QueueSettings(), lambda: now[0])
    message = QueuedMessage("Q", "T", Sender(None), 1, 1, 0.0, 1.0, ())
    slow, quick = Job(message, "slow.test", ""), Job(message, "quick.test", "")
    for _ in range(3):
        lines.put(slow)
    assert lines.next() == slow
    lines.ended(slow, reached=True, pushed_back=True)
    lines.put(quick)
    assert lines.next() == quick
    assert lines.next() is None
    assert lines.resumes_at == 102.0
    now[0] = 102.0
    assert lines.next() == slow
    assert lines.next() is None, "one at a time, now"


async def test_the_rest_of_its_mail_waits_in_line_and_others_do_not() -> None:
    house = House()
    for number in range(20):
        await enqueue(house, far(f"u{number}@slow.test"), hop="192.0.2.1:25")
    await enqueue(house, far("x@quick.test"), hop="192.0.2.2:25")
    courier = ScriptedCourier(says(421, "4.7.0 too many messages"))
    await settle(make(house, courier))
    asked = [target.address for target, _ in courier.sent]
    assert asked.count("192.0.2.1") <= 3
    assert asked.count("192.0.2.2") == 1
