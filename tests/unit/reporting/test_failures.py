"""Failures that wait to be told: what is alike is one report, and there are never too many. Row MON-5."""

from __future__ import annotations

from dataclasses import replace

import pytest

from posthouse.base.clock import ManualClock
from posthouse.model.mail_reports import FailureSeen
from posthouse.reporting.failures import MAX_WAITING, Failures, encoded

SEEN = FailureSeen(
    "bank.test", ("mailto:ruf@bank.test",), "bank.test", "dmarc", "192.0.2.1", "", 0.0, "dmarc=fail", (),
    refused=False, header=b"",
)  # fmt: skip


@pytest.mark.spec_part("MON-5")
def test_messages_that_failed_alike_are_one_report() -> None:
    waiting = Failures(ManualClock())
    for client in ("192.0.2.1", "192.0.2.2", "192.0.2.1"):
        waiting.encoded(encoded(replace(SEEN, client=client)))
    assert [(seen.client, count) for seen, count in waiting.take(10, 10)] == [("192.0.2.1", 2), ("192.0.2.2", 1)]
    assert not waiting.take(10, 10)


@pytest.mark.spec_part("MON-5")
def test_attack_no_domain_is_flooded_and_all_together_are_few() -> None:
    clock = ManualClock()
    waiting = Failures(clock)
    for number in range(20):
        waiting.seen(replace(SEEN, client=f"192.0.2.{number}"))
        waiting.seen(replace(SEEN, policy_domain=f"d{number}.test", to=(f"mailto:x@d{number}.test",)))
    taken = waiting.take(3, 10)
    assert len(taken) == 10 and sum(seen.policy_domain == "bank.test" for seen, _ in taken) == 3
    assert not waiting.take(3, 10)
    waiting.seen(SEEN)
    clock.advance(3601.0)
    waiting.seen(replace(SEEN, client="192.0.2.200"))
    taken = waiting.take(3, 10)
    assert len(taken) == 10, "the next hour tells of what waited"
    clock.advance(3601.0)
    assert not [seen for seen, _ in waiting.take(1, 0)] and not waiting.take(100, 100), "what waited in vain is forgotten"


@pytest.mark.spec_part("MON-5")
def test_attack_many_domains_whose_reports_go_to_one_address_count_as_one() -> None:
    waiting = Failures(ManualClock())
    for number in range(20):
        waiting.seen(replace(SEEN, policy_domain=f"d{number}.test", to=("mailto:victim@Collector.test!10m",)))
    assert len(waiting.take(2, 100)) == 2


def test_attack_a_flood_of_kinds_is_held_to_a_bound() -> None:
    waiting = Failures(ManualClock())
    for number in range(MAX_WAITING + 50):
        waiting.seen(replace(SEEN, client=str(number)))
    assert len(waiting.take(10_000, 10_000)) == MAX_WAITING
