"""Call-forward (INB-5) against a host that answers by a script: what it means, what is kept, and how little it can cost."""

from __future__ import annotations

import asyncio
import time

import pytest

from posthouse.backends.memory.resolver import MemoryResolver
from posthouse.backends.smtp_out import SmtpCourier
from posthouse.base.clock import ManualClock
from posthouse.base.errors import Temporary
from posthouse.model.address import Address
from posthouse.model.route import NextHop
from posthouse.model.settings import Settings
from posthouse.queue.call_forward import CallForward
from posthouse.queue.targets import Targets
from support.scripted_host import Says, ScriptedHost, server_context

SETTINGS = Settings().with_value("smtp.call_forward_timeout_s", 1.0)


def forward(settings: Settings = SETTINGS, clock: ManualClock | None = None) -> CallForward:
    targets = Targets(MemoryResolver(), lambda: settings.queue, lambda: ["mx.example.test"], lambda group: None)
    courier = SmtpCourier(lambda: "mx.example.test", lambda: settings.queue)
    return CallForward(targets, courier, lambda: settings, clock or ManualClock())


def answering(**said: str) -> Says:
    return lambda step, connection, argument: said.get(step)


def hop(host: ScriptedHost, *, lmtp: bool = False) -> NextHop:
    return NextHop("127.0.0.1", host.port, "lmtp" if lmtp else "smtp")


JANE = Address.parse("jane@routed.test")


@pytest.mark.parametrize("lmtp", [False, True])
async def test_a_host_is_asked_with_the_null_sender_and_no_message(lmtp: bool) -> None:  # noqa: FBT001
    async with ScriptedHost(lmtp=lmtp) as host:
        found = await forward().ask(JANE, hop(host, lmtp=lmtp))
        assert (found.known, found.reply) == (True, "250 2.0.0 ok")
        assert [word.split(" SIZE")[0] for word in host.commands[1:3]] == ["MAIL FROM:<>", "RCPT TO:<jane@routed.test>"]
        assert not any(command.startswith(("DATA", "BDAT")) for command in host.commands)
    assert host.heard == []


@pytest.mark.parametrize(
    "reply", ["550 5.1.1 unknown", "550 no such user", "553 5.1.3 bad", "551 5.1.6 moved", "552 5.2.2 full"]
)
async def test_a_refusal_of_the_address_means_that_it_is_unknown(reply: str) -> None:
    async with ScriptedHost(says=answering(RCPT=reply)) as host:
        found = await forward().ask(JANE, hop(host))
    assert not found.known
    assert found.reply == reply


@pytest.mark.parametrize(
    "said",
    [
        {"RCPT": "450 4.2.0 greylisted"},
        {"RCPT": "550 5.7.1 you may not relay"},
        {"MAIL": "550 5.7.1 no null senders"},
        {"MAIL": "451 later"},
        {"GREETING": "554 go away"},
        {"GREETING": "drop"},
        {"GREETING": "stall"},
        {"RCPT": "stall"},
        {"RCPT": "drop"},
        {"RCPT": "421 bye"},
        {"EHLO": "nonsense"},
        {"RCPT": "354 what"},
    ],
    ids=str,
)
async def test_everything_else_is_no_answer_and_comes_in_time(said: dict[str, str]) -> None:
    began = time.monotonic()
    async with ScriptedHost(says=answering(**said)) as host:
        with pytest.raises(Temporary):
            await forward().ask(JANE, hop(host))
    assert time.monotonic() - began < 10.0


async def test_answers_are_kept_for_their_time_and_failures_are_not() -> None:
    clock, down = ManualClock(), True

    def says(step: str, connection: int, argument: str) -> str | None:
        if step == "RCPT" and "unknown" in argument:
            return "550 5.1.1 unknown"
        return "451 4.3.0 later" if step == "RCPT" and down and "late" in argument else None

    async with ScriptedHost(says=says) as host:
        asked = forward(clock=clock)

        def count(name: str) -> int:
            return sum(name in command for command in host.commands)

        unknown, late = Address.parse("unknown@routed.test"), Address.parse("late@routed.test")
        for _ in range(3):
            assert (await asked.ask(JANE, hop(host))).known
            assert not (await asked.ask(unknown, hop(host))).known
            with pytest.raises(Temporary):
                await asked.ask(late, hop(host))
        assert (count("jane@"), count("unknown@"), count("late@")) == (1, 1, 3)
        clock.advance(301)
        assert not (await asked.ask(unknown, hop(host))).known
        assert (await asked.ask(JANE, hop(host))).known
        assert (count("jane@"), count("unknown@")) == (1, 2)
        down = False
        assert (await asked.ask(late, hop(host))).known
        assert host.connections == 1, "the connection is used again"


async def test_a_storm_of_questions_uses_few_connections_and_each_address_once() -> None:
    async with ScriptedHost() as host:
        asked = forward()
        addresses = [Address.parse(f"u{number % 40}@routed.test") for number in range(160)]
        found = await asyncio.gather(*(asked.ask(address, hop(host)) for address in addresses))
        assert all(one.known for one in found)
        assert host.most_open <= 8
        assert sum(command.startswith("RCPT") for command in host.commands) == 40


async def test_more_questions_than_can_wait_are_put_off_at_once() -> None:
    async with ScriptedHost(says=answering(RCPT="stall")) as host:
        asked = forward()
        addresses = [Address.parse(f"u{number}@routed.test") for number in range(500)]
        began = time.monotonic()
        found = await asyncio.gather(*(asked.ask(address, hop(host)) for address in addresses), return_exceptions=True)
        assert all(isinstance(one, Temporary) for one in found)
        assert time.monotonic() - began < 60.0, "one after the other it would take minutes"
        assert host.most_open <= 16, "those given up, and those that came after them"


async def test_a_host_with_tls_is_asked_under_tls() -> None:
    async with ScriptedHost(context=server_context()) as host:
        assert (await forward().ask(JANE, NextHop("127.0.0.1", host.port, "smtp", "required"))).known
        assert "STARTTLS" in host.commands
