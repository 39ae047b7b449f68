"""Every reply code at every step, and hosts that lie about what they can: nothing is lost, and no lie is taken for success."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from posthouse.backends.smtp_out import SmtpCourier
from posthouse.interfaces.courier import Parcel, Target, Unreachable
from posthouse.model.address import Address
from posthouse.model.envelope import DeliverBy, Recipient, Sender
from support.scripted_host import EXTENSIONS, ScriptedHost

pytestmark = pytest.mark.spec_part("OUT-6")

MakeCourier = Callable[..., SmtpCourier]
SENDER = Sender(Address.parse("jane@example.test"))
ONE = Parcel(SENDER, (Recipient(Address.parse("x@faraway.test")),), b"Subject: x\r\n\r\nNOOP\r\nNOOP\r\nbody\r\n")
DONE, RETRY, FAIL, ELSEWHERE = "done", "retry", "fail", "elsewhere"

EXPECTED: dict[str, Callable[[int], str]] = {
    "GREETING": lambda code: DONE if code == 220 else ELSEWHERE,
    "EHLO": lambda code: DONE if code == 250 or code >= 500 else ELSEWHERE,
    "MAIL": lambda code: {2: DONE, 3: ELSEWHERE, 4: RETRY, 5: FAIL}[code // 100] if code != 421 else ELSEWHERE,
    "RCPT": lambda code: {2: DONE, 3: ELSEWHERE, 4: RETRY, 5: FAIL}[code // 100] if code != 421 else ELSEWHERE,
    "DATA": lambda code: DONE if code == 354 else {2: ELSEWHERE, 3: ELSEWHERE, 4: RETRY, 5: FAIL}[code // 100],
    "END": lambda code: {2: DONE, 3: RETRY, 4: RETRY, 5: FAIL}[code // 100],
}
"""The table: from a step and the code that it is answered with to what becomes of the message. 5xx to EHLO leads to HELO."""


async def outcome(courier: SmtpCourier, port: int, parcel: Parcel = ONE) -> str:
    try:
        [answer] = await courier.deliver(Target("mx.faraway.test", "127.0.0.1", port), parcel)
    except Unreachable:
        return ELSEWHERE
    return {2: DONE, 4: RETRY, 5: FAIL}[answer.code // 100]


@pytest.mark.parametrize("step", EXPECTED)
async def test_every_code_at_every_step_is_answered_by_the_table(make_courier: MakeCourier, step: str) -> None:
    said = [0]
    host = ScriptedHost(lambda now, connection, argument: f"{said[0]} x" if now == step else None)
    wrong = {}
    async with host:
        courier = make_courier(connection_keep_s=0.0)
        for code in range(200, 600):
            said[0], taken = code, len(host.heard)
            found = await outcome(courier, host.port)
            if found != EXPECTED[step](code) or (found == DONE) is not (len(host.heard) > taken):
                wrong[code] = found
    assert wrong == {}


# --- lies


class Lines:
    """A host that reads by the line, or throws away what it did not expect to have come yet."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, forgetful: bool) -> None:
        self._reader = reader
        self._writer = writer
        self._forgetful = forgetful

    async def next(self) -> str:
        if not self._forgetful:
            return (await self._reader.readline()).decode()
        return (await self._reader.read(100_000)).split(b"\n")[0].decode()

    async def say(self, *lines: str) -> None:
        self._writer.write("".join(line + "\r\n" for line in lines).encode())
        await self._writer.drain()


@asynccontextmanager
async def lying(talk: Callable[[Lines], Awaitable[None]], *, forgetful: bool = False) -> AsyncIterator[int]:
    """The port of a host that behaves as ``talk`` does."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await talk(Lines(reader, writer, forgetful=forgetful))
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def test_lie_pipelining_is_offered_and_what_is_pipelined_is_thrown_away(make_courier: MakeCourier) -> None:
    async def talk(lines: Lines) -> None:
        await lines.say("220 mx")
        await lines.next()
        await lines.say("250-mx", "250 PIPELINING")
        while await lines.next():
            await lines.say("250 ok")

    async with lying(talk, forgetful=True) as port:
        assert await outcome(make_courier(), port) == ELSEWHERE


async def test_lie_more_replies_than_commands(make_courier: MakeCourier) -> None:
    async def talk(lines: Lines) -> None:
        await lines.say("220 mx", "250-mx", "250 PIPELINING", "250 a", "250 b", "354 c", "250 d", "250 e", "250 f")
        while await lines.next():
            pass

    async with lying(talk) as port:
        assert await outcome(make_courier(), port) in (ELSEWHERE, RETRY)


async def test_lie_success_before_the_message_was_sent_is_not_believed(make_courier: MakeCourier) -> None:
    """The reply to the end of the message comes with the one to DATA."""

    async def talk(lines: Lines) -> None:
        await lines.say("220 mx")
        await lines.next()
        await lines.say("250 mx")
        for _ in range(2):
            await lines.next()
            await lines.say("250 ok")
        await lines.next()
        await lines.say("250 2.0.0 taken already")
        while await lines.next():
            pass

    async with lying(talk) as port:
        assert await outcome(make_courier(), port) != DONE


async def test_lie_chunking_is_offered_and_the_message_is_taken_for_commands(make_courier: MakeCourier) -> None:
    """Each line of the message is answered; the next message must not take those answers for its own."""
    connections = []

    async def talk(lines: Lines) -> None:
        connections.append(lines)
        await lines.say("220 mx")
        await lines.next()
        await lines.say("250-mx", "250-CHUNKING", "250 BINARYMIME")
        for _ in range(2):
            await lines.next()
            await lines.say("250 ok")
        while line := await lines.next():
            await lines.say("250 ok" if line.startswith("NOOP") else "502 what is that")

    async with lying(talk) as port:
        courier = make_courier()
        binary = replace(ONE, sender=replace(SENDER, body="BINARYMIME"))
        assert await outcome(courier, port, binary) == FAIL
        assert await outcome(courier, port, binary) == FAIL
        assert len(connections) == 2, "the connection is not used again"


@pytest.mark.parametrize(
    ("extension", "parcel", "word"),
    [
        ("SIZE 10000000", ONE, "SIZE="),
        ("DSN", replace(ONE, sender=replace(SENDER, ret="FULL")), "RET="),
        ("DSN", replace(ONE, recipients=(Recipient(Address.parse("x@faraway.test"), frozenset({"FAILURE"})),)), "NOTIFY="),
        ("8BITMIME", replace(ONE, content="Subject: x\r\n\r\nä\r\n".encode()), "BODY="),
        ("SMTPUTF8", replace(ONE, sender=Sender(Address.parse("jürgen@example.test"), smtputf8=True)), "SMTPUTF8"),
        ("DELIVERBY", replace(ONE, sender=replace(SENDER, by=DeliverBy(60, returns=True))), "BY="),
        ("MT-PRIORITY", replace(ONE, sender=replace(SENDER, priority=3)), "MT-PRIORITY="),
    ],
)
@pytest.mark.parametrize(("reply", "expected"), [("555 5.5.4 no such parameter", FAIL), ("455 4.5.4 not now", RETRY)])
async def test_lie_an_extension_is_offered_and_its_parameter_refused(
    make_courier: MakeCourier, extension: str, parcel: Parcel, word: str, reply: str, expected: str
) -> None:
    says = lambda step, connection, argument: reply if word in argument and step in ("MAIL", "RCPT") else None  # noqa: E731
    for extensions in (EXTENSIONS, ()):
        async with ScriptedHost(says, tuple(dict.fromkeys((*extensions, extension)))) as host:
            courier = make_courier()
            assert await outcome(courier, host.port, parcel) == expected
            assert await outcome(courier, host.port) == (DONE if word != "SIZE=" else expected), "others are not touched by it"
            assert host.connections == 1 or extensions
            assert len(host.heard) == (expected != DONE and word != "SIZE=")


async def test_lie_starttls_is_offered_and_refused(make_courier: MakeCourier) -> None:
    says = lambda step, connection, argument: "454 4.7.0 not now" if step == "STARTTLS" else None  # noqa: E731
    async with ScriptedHost(says, (*EXTENSIONS, "STARTTLS")) as host:
        assert await outcome(make_courier(), host.port) == DONE
        with pytest.raises(Unreachable):
            await make_courier().deliver(Target("mx.faraway.test", "127.0.0.1", host.port, tls="required"), ONE)
