"""The rest of the table: HELO, STARTTLS, EHLO after it, AUTH, RSET, QUIT, BDAT, LMTP, each with every code and every break."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import pytest

from posthouse.backends.smtp_out import SmtpCourier
from posthouse.interfaces.courier import Parcel, Target, Unreachable
from posthouse.model.address import Address
from posthouse.model.envelope import Recipient, Sender
from posthouse.model.route import Login
from support.scripted_host import EXTENSIONS, ScriptedHost, server_context

pytestmark = pytest.mark.spec_part("OUT-6")

MakeCourier = Callable[..., SmtpCourier]
ONE = Parcel(
    Sender(Address.parse("jane@example.test")), (Recipient(Address.parse("x@faraway.test")),), b"Subject: x\r\n\r\nbody\r\n"
)
BINARY = replace(ONE, sender=replace(ONE.sender, body="BINARYMIME"))
DONE, RETRY, FAIL, ELSEWHERE = "done", "retry", "fail", "elsewhere"
EVERY = range(200, 600)
BREAKS = ("drop", "reset", "stall", "half 250 o", "nonsense", "endless")
CONTEXT = server_context()


@dataclass
class Step:
    """How to come to a step, and what must become of the message: by code, and when the host breaks off there."""

    at: Callable[[ScriptedHost, str, str], bool]
    by_code: Callable[[int], str]
    broken: str
    extensions: Sequence[str] = EXTENSIONS
    parcel: Parcel = ONE
    context: ssl.SSLContext | None = None
    login: Login | None = None
    lmtp: bool = False
    tls: str = "opportunistic"
    before: dict[str, str] = field(default_factory=dict)


def by_class(two: str, three: str, four: str, five: str) -> Callable[[int], str]:
    return lambda code: {2: two, 3: three, 4: four, 5: five}[code // 100]


def step_is(name: str) -> Callable[[ScriptedHost, str, str], bool]:
    return lambda host, step, argument: step == name


def after_tls(host: ScriptedHost, step: str, argument: str) -> bool:
    return step == "EHLO" and "STARTTLS" in host.commands and host.commands[-2] == "STARTTLS"


ONLY_250 = lambda code: DONE if code == 250 else ELSEWHERE  # noqa: E731
STEPS = {
    "HELO": Step(step_is("HELO"), ONLY_250, ELSEWHERE, before={"EHLO": "502 5.5.1 what"}),
    # whatever the host says of TLS, mail goes in clear text if it may
    "STARTTLS": Step(step_is("STARTTLS"), lambda code: DONE, DONE, context=CONTEXT),
    "STARTTLS, if TLS is required": Step(
        step_is("STARTTLS"), lambda code: DONE if code == 220 else ELSEWHERE, ELSEWHERE, context=CONTEXT, tls="required"
    ),
    "EHLO after STARTTLS": Step(
        after_tls, lambda code: DONE if code == 250 or code >= 500 else ELSEWHERE, ELSEWHERE, context=CONTEXT
    ),
    "AUTH": Step(
        step_is("AUTH"),
        lambda code: DONE if code // 100 == 2 or code == 334 else ELSEWHERE,  # to 334 the answer is given once more
        ELSEWHERE,
        (*EXTENSIONS, "AUTH PLAIN"),
        login=Login("jane", "secret"),
    ),
    "BDAT": Step(step_is("END"), by_class(DONE, RETRY, RETRY, FAIL), RETRY, (*EXTENSIONS, "CHUNKING", "BINARYMIME"), BINARY),
    "BDAT, in step": Step(step_is("END"), by_class(DONE, RETRY, RETRY, FAIL), RETRY, ("CHUNKING", "BINARYMIME"), BINARY),
    "LMTP's answer": Step(step_is("END"), by_class(DONE, RETRY, RETRY, FAIL), RETRY, lmtp=True),
    "LHLO": Step(step_is("EHLO"), ONLY_250, ELSEWHERE, lmtp=True),
    "QUIT": Step(step_is("QUIT"), lambda code: DONE, DONE),
}


async def outcome(courier: SmtpCourier, host: ScriptedHost, step: Step) -> str:
    protocol = "lmtp" if step.lmtp else "smtp"
    where = Target("mx.faraway.test", "127.0.0.1", host.port, protocol=protocol, tls=step.tls, login=step.login)  # type: ignore[arg-type]
    try:
        [answer] = await courier.deliver(where, step.parcel)
    except Unreachable:
        return ELSEWHERE
    assert answer.text.startswith(str(answer.code))
    return {2: DONE, 4: RETRY, 5: FAIL}[answer.code // 100]


def scripted(step: Step, said: list[str]) -> ScriptedHost:
    """A host that says what stands in ``said`` at the step."""
    host = ScriptedHost(extensions=step.extensions, context=step.context, lmtp=step.lmtp)
    host.says = lambda now, _, argument: said[0] if step.at(host, now, argument) else step.before.get(now)
    return host


@pytest.mark.parametrize("name", STEPS)
async def test_every_code_at_every_other_step_is_answered_by_the_table(make_courier: MakeCourier, name: str) -> None:
    step, said, wrong = STEPS[name], [""], {}
    host = scripted(step, said)
    async with host:
        courier = make_courier(connection_keep_s=0.0, command_timeout_s=2.0)
        for code in EVERY:
            if name.startswith("STARTTLS") and code == 220:
                continue  # a handshake, as the other tests have it
            said[0], taken = f"{code} x", len(host.heard)
            found = await outcome(courier, host, step)
            if found != step.by_code(code) or (found == DONE) is not (len(host.heard) > taken):
                wrong[code] = found
    assert wrong == {}


@pytest.mark.parametrize("what", BREAKS)
@pytest.mark.parametrize("name", STEPS)
async def test_every_break_at_every_other_step_is_answered_by_the_table(
    make_courier: MakeCourier, name: str, what: str
) -> None:
    step = STEPS[name]
    async with scripted(step, [what]) as host:
        assert await outcome(make_courier(connection_keep_s=0.0), host, step) == step.broken


@pytest.mark.parametrize("step", ["GREETING", "EHLO", "MAIL", "RCPT", "DATA", "END"])
async def test_attack_a_reply_of_endless_lines_costs_neither_time_nor_memory(make_courier: MakeCourier, step: str) -> None:
    """No time-out for a reply is waited for: it is 60 seconds here."""
    at = Step(step_is(step), ONLY_250, RETRY if step == "END" else ELSEWHERE)
    async with scripted(at, ["endless"]) as host, asyncio.timeout(50):
        assert await outcome(make_courier(command_timeout_s=60.0), host, at) == at.broken


async def refused_then_taken(courier: SmtpCourier, host: ScriptedHost) -> None:
    """The first message is refused with its recipients accepted, so that RSET comes before the second."""
    secret = replace(ONE, recipients=(Recipient(Address.parse("first@faraway.test")),))
    where = Target("mx.faraway.test", "127.0.0.1", host.port)
    assert (await courier.deliver(where, secret))[0].code == 451
    assert (await courier.deliver(where, ONE))[0].code == 250


def refuses_first(reset: str) -> Callable[[str, int, str], str | None]:
    refused: list[str] = []

    def says(step: str, connection: int, argument: str) -> str | None:
        if step == "DATA" and not refused:
            refused.append(step)
            return "451 4.3.0 not this one"
        return reset if step == "RSET" else None

    return says


@pytest.mark.parametrize("extensions", [EXTENSIONS, ()], ids=["pipelined", "in step"])
async def test_attack_a_host_that_refuses_rset_is_not_given_the_next_message_on_that_connection(
    make_courier: MakeCourier, extensions: Sequence[str]
) -> None:
    """It may add the recipients of the one to those of the other, or take the next for the one before."""
    for reset in ("500 x", "451 x", "502 5.5.1 x", "421 x", "354 x", *BREAKS):
        async with ScriptedHost(refuses_first(reset), extensions) as host:
            await refused_then_taken(make_courier(), host)
            assert [heard.connection for heard in host.heard] == [2], reset
    async with ScriptedHost(refuses_first("250 2.0.0 ok"), extensions) as host:
        await refused_then_taken(make_courier(), host)
        assert [heard.connection for heard in host.heard] == [1]


@pytest.mark.parametrize("tls", ["opportunistic", "required"])
async def test_a_host_that_breaks_off_in_the_midst_of_the_handshake(make_courier: MakeCourier, tls: str) -> None:
    """It reads the first octets of ours and is gone, says what is no TLS, or says nothing more."""
    for answer in (None, b"\x15\x03\x03\x00\x02\x02\x50", b"HTTP/1.1 400 no\r\n\r\n", b""):
        connections = [0]

        async def serve(
            reader: asyncio.StreamReader,
            writer: asyncio.StreamWriter,
            answer: bytes | None = answer,
            seen: list[int] = connections,
        ) -> None:
            seen[0] += 1
            first = seen[0] == 1
            writer.write(b"220 mx\r\n")
            while line := await reader.readline():
                word = line[:4].upper()
                if word == b"EHLO":
                    writer.write(b"250-mx\r\n250 STARTTLS\r\n" if first else b"250 mx\r\n")
                elif word == b"STAR":
                    writer.write(b"220 go\r\n")
                    await reader.read(100)
                    if answer:
                        writer.write(answer)
                    if answer is not None and answer != b"":
                        await reader.read(100)
                    if answer is None:
                        await reader.read()
                    break
                elif word == b"DATA":
                    writer.write(b"354 go\r\n")
                    while await reader.readline() != b".\r\n":
                        pass
                    writer.write(b"250 taken\r\n")
                else:
                    writer.write(b"250 ok\r\n")
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        where = Target("mx.faraway.test", "127.0.0.1", server.sockets[0].getsockname()[1], tls=tls)  # type: ignore[arg-type]
        courier = make_courier(connection_keep_s=0.0, command_timeout_s=5.0)
        if tls == "required":
            with pytest.raises(Unreachable, match="TLS"):
                await courier.deliver(where, ONE)
        else:
            assert (await courier.deliver(where, ONE))[0].code == 250
            assert connections[0] == 2
        server.close()


@pytest.mark.parametrize(
    ("at", "said", "turned_away"),
    [
        ("GREETING", "421 4.7.0 too many connections", True),
        ("GREETING", "450 4.3.2 later", True),
        ("GREETING", "554 5.7.1 not from you", True),
        ("GREETING", "521 5.3.2 no mail here", False),
        ("GREETING", "drop", False),
        ("EHLO", "421 4.7.0 slow down", True),
        ("EHLO", "450 4.7.0 slow down", True),
        ("MAIL", "421 4.7.0 slow down", True),
        ("RCPT", "421 4.7.0 slow down", True),
        ("MAIL", "drop", False),
        ("RCPT", "nonsense", False),
        ("AUTH", "535 5.7.8 no", True),
        ("AUTH", "454 4.7.0 not now", True),
    ],
)
async def test_who_turns_us_away_whatever_the_message_is_told_from_who_breaks_off(
    make_courier: MakeCourier, at: str, said: str, *, turned_away: bool
) -> None:
    host = ScriptedHost(lambda step, connection, argument: said if step == at else None, (*EXTENSIONS, "AUTH PLAIN"))
    async with host:
        where = Target("mx.faraway.test", "127.0.0.1", host.port, login=Login("jane", "secret"))
        with pytest.raises(Unreachable) as failure:
            await make_courier().deliver(where, ONE)
    assert (failure.value.pushes_back, failure.value.silent) == (turned_away, False)
