"""Stories of messages: order, words, and nothing dangerous for a terminal."""

from __future__ import annotations

import dataclasses

from posthouse.model.trace import TraceRecord, TraceStep
from posthouse.reporting.story import LONGEST_TEXT, sentence, tell

ARRIVAL = TraceRecord(
    trace_id="01JDZZZZZZ0000000000000001",
    at=1_790_000_000.0,
    service="smtp",
    client="192.0.2.1",
    helo="mx.example.org",
    account="",
    sender="bob@example.org",
    recipients=("jane@example.com",),
    message_id="<1@example.org>",
    subject="Hello",
    size_bytes=4300,
    outcome="accepted",
    reply="250 2.0.0 taken",
    steps=(
        TraceStep(1_790_000_000.1, "envelope", "local recipients", "continue", "jane@example.com", "is an account"),
        TraceStep(1_790_000_000.2, "dispose", "mailbox", "delivered", "jane@example.com", "put into INBOX"),
    ),
)


def test_a_story_tells_each_event_with_its_steps_oldest_first() -> None:
    later = dataclasses.replace(
        ARRIVAL, at=1_790_086_400.0, service="", client="", outcome="failed", size_bytes=0, subject="", reply="", steps=()
    )
    assert tell([later, ARRIVAL]) == [
        "2026-09-21 (UTC), trace 01JDZZZZZZ0000000000000001",
        "14:13:20 accepted from 192.0.2.1 (mx.example.org) by smtp for jane@example.com: sender bob@example.org; 4.2 KiB;"
        ' subject "Hello"; message <1@example.org>; answer 250 2.0.0 taken',
        "  14:13:20 passed (envelope local recipients) for jane@example.com: is an account",
        "  14:13:20 delivered (dispose mailbox) for jane@example.com: put into INBOX",
        "2026-09-22 (UTC), trace 01JDZZZZZZ0000000000000001",
        "14:13:20 failed for jane@example.com: sender bob@example.org; message <1@example.org>",
    ]


def test_verdicts_read_as_words() -> None:
    verdicts = ("tag", "score", "delay", "refuse", "defer", "hold", "discard", "redirect", "copy", "requeued")
    steps = tuple(TraceStep(0.0, "", "", verdict) for verdict in verdicts)
    lines = tell([dataclasses.replace(ARRIVAL, steps=steps)])[2:]
    words = ["marked", "scored", "delayed", "refused", "deferred", "held", "discarded", "redirected", "copied", "requeued"]
    assert [line.split()[-1] for line in lines] == words


def test_the_null_sender_and_the_account_are_named() -> None:
    line = sentence(dataclasses.replace(ARRIVAL, sender="", account="jane@example.com", size_bytes=5))
    assert "as jane@example.com" in line
    assert "sender <>; 5 bytes" in line


def test_strangers_text_cannot_reach_the_terminal_as_it_is() -> None:
    evil = "\x1b[2J\r\nfake line\u202e\x00" + "x" * 10_000
    step = TraceStep(0.0, evil, evil, evil, evil, evil)
    fields = dict.fromkeys(
        ("helo", "sender", "subject", "message_id", "reply", "client", "account", "outcome", "service"), evil
    )
    record = dataclasses.replace(ARRIVAL, recipients=(evil,) * 50, steps=(step,), **fields)  # type: ignore[arg-type]
    lines = tell([record])
    assert len(lines) == 3
    for line in lines:
        assert line.isprintable()
        assert len(line) < 30 * LONGEST_TEXT


def test_long_lists_of_recipients_are_cut_with_their_number() -> None:
    record = dataclasses.replace(ARRIVAL, recipients=tuple(f"r{number}@example.com" for number in range(25)))
    assert "r9@example.com and 15 more" in sentence(record)


def test_nothing_gives_no_story() -> None:
    assert tell([]) == []
