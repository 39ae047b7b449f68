"""What becomes of a message for each thing a host may say or do, at each step: done, retry, fail, or try another host."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from posthouse.backends.smtp_out import SmtpCourier
from posthouse.interfaces.courier import Parcel, Target, Unreachable
from posthouse.model.address import Address
from posthouse.model.envelope import Recipient, Sender
from support.scripted_host import EXTENSIONS, ScriptedHost

PLAIN = tuple(name for name in EXTENSIONS if name != "PIPELINING")
CONTENT = b"Subject: x\r\n\r\n.leading dot\r\nbody\r\n"
ONE = Parcel(Sender(Address.parse("jane@example.test")), (Recipient(Address.parse("x@faraway.test")),), CONTENT)

DONE, RETRY, FAIL, ELSEWHERE = "done", "retry", "fail", "elsewhere"

STEPS = {
    "GREETING": {4: ELSEWHERE, 5: ELSEWHERE, "421": ELSEWHERE, "lost": ELSEWHERE},
    "EHLO": {4: ELSEWHERE, 5: DONE, "421": ELSEWHERE, "lost": ELSEWHERE},
    "MAIL": {4: RETRY, 5: FAIL, "421": ELSEWHERE, "lost": ELSEWHERE},
    "RCPT": {4: RETRY, 5: FAIL, "421": ELSEWHERE, "lost": ELSEWHERE},
    "DATA": {4: RETRY, 5: FAIL, "421": RETRY, "lost": ELSEWHERE},
    "END": {4: RETRY, 5: FAIL, "421": RETRY, "lost": RETRY},
}
"""After EHLO is refused for good, HELO is tried, and that this host accepts."""

CODES = ["421 4.3.2 closing", "450 4.2.1 later", "451 x", "452 4.5.3 many", "499", "500 no", "503 5.5.1 no", "521 5.3.2 never",
         "550 5.1.1 no\r\n", "552 5.3.4 big", "554-5.7.1 one\r\n554 5.7.1 two", "571 5.7.1 z"]  # fmt: skip
LOST = [
    "drop",
    "reset",
    "stall",
    "half 250 o",
    "half 550-x",
    "nonsense",
    "25 short",
    "250 \xff" + "y" * 5000,
    "999 what",
    "199 so",
]


def target(host: ScriptedHost, **given: str) -> Target:
    return Target("mx.faraway.test", "127.0.0.1", host.port, **given)  # type: ignore[arg-type]


async def outcome(courier: SmtpCourier, where: Target, parcel: Parcel = ONE) -> str:
    try:
        [answer] = await courier.deliver(where, parcel)
    except Unreachable:
        return ELSEWHERE
    assert answer.text.startswith(str(answer.code))
    return {2: DONE, 4: RETRY, 5: FAIL}[answer.code // 100]


def at(step: str, said: str) -> Callable[[str, int, str], str | None]:
    return lambda now, connection, argument: said if now == step else None


@pytest.mark.parametrize("extensions", [EXTENSIONS, PLAIN], ids=["pipelined", "in step"])
@pytest.mark.parametrize("step", STEPS)
async def test_every_refusal_at_every_step_is_answered_by_the_table(
    make_courier: Callable[..., SmtpCourier], step: str, extensions: tuple[str, ...]
) -> None:
    for code in CODES:
        async with ScriptedHost(at(step, code.strip()), extensions) as host:
            courier = make_courier()
            expected = STEPS[step]["421" if code.startswith("421") else int(code[0])]
            assert await outcome(courier, target(host)) == expected, code
            await courier.close()


@pytest.mark.parametrize("extensions", [EXTENSIONS, PLAIN], ids=["pipelined", "in step"])
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("what", LOST)
async def test_every_break_at_every_step_is_answered_by_the_table(
    make_courier: Callable[..., SmtpCourier], step: str, what: str, extensions: tuple[str, ...]
) -> None:
    async with ScriptedHost(at(step, what), extensions) as host:
        assert await outcome(make_courier(), target(host)) == STEPS[step]["lost"]


@pytest.mark.parametrize(("step", "said"), [("DATA", "250 2.0.0 ok"), ("END", "354 go on"), ("END", "334 x")])
async def test_a_reply_of_the_wrong_kind_is_never_taken_for_success(
    make_courier: Callable[..., SmtpCourier], step: str, said: str
) -> None:
    async with ScriptedHost(at(step, said)) as host:
        assert await outcome(make_courier(), target(host)) in (RETRY, ELSEWHERE)


async def test_helo_refused_too_means_another_host(make_courier: Callable[..., SmtpCourier]) -> None:
    says = lambda step, connection, argument: "550 no" if step in ("EHLO", "HELO") else None  # noqa: E731
    async with ScriptedHost(says) as host:
        assert await outcome(make_courier(), target(host)) == ELSEWHERE


async def test_only_a_521_greeting_says_that_the_host_never_takes_mail(make_courier: Callable[..., SmtpCourier]) -> None:
    for code, never in (("521 5.3.2 no mail here", True), ("554 5.7.1 go away", False), ("421 4.3.2 busy", False)):
        async with ScriptedHost(at("GREETING", code)) as host:
            with pytest.raises(Unreachable) as failure:
                await make_courier().deliver(target(host), ONE)
            assert failure.value.never is never
            assert code[:9] in failure.value.cause


async def test_nobody_listening_means_another_host(make_courier: Callable[..., SmtpCourier]) -> None:
    async with ScriptedHost() as host:
        gone = target(host)
    assert await outcome(make_courier(), gone) == ELSEWHERE


async def test_recipients_get_each_their_own_answer(make_courier: Callable[..., SmtpCourier]) -> None:
    replies = {"a@": "250 ok", "b@": "550 5.1.1 no", "c@": "450 4.2.1 later", "d@": "251 forwarded"}
    says = lambda step, connection, argument: replies[argument[9:11]] if step == "RCPT" else None  # noqa: E731
    who = tuple(Recipient(Address.parse(f"{name}@faraway.test")) for name in "abcd")
    async with ScriptedHost(says) as host:
        answers = await make_courier().deliver(target(host), Parcel(ONE.sender, who, CONTENT))
    assert [answer.code for answer in answers] == [250, 550, 450, 250]
    assert [line[:13] for line in host.heard[0].recipients] == ["RCPT TO:<a@fa", "RCPT TO:<d@fa"]


async def test_an_end_of_the_session_amid_the_recipients_leaves_none_decided(make_courier: Callable[..., SmtpCourier]) -> None:
    says = lambda step, connection, argument: "421 4.3.2 closing" if "b@" in argument else None  # noqa: E731
    who = tuple(Recipient(Address.parse(f"{name}@faraway.test")) for name in "abc")
    async with ScriptedHost(says) as host:
        with pytest.raises(Unreachable, match=r"421 4\.3\.2 closing"):
            await make_courier().deliver(target(host), Parcel(ONE.sender, who, CONTENT))
    assert host.heard == []


async def test_the_message_arrives_octet_for_octet(make_courier: Callable[..., SmtpCourier]) -> None:
    content = b"Subject: dots\r\n\r\n.\r\n..\r\n.x\r\n" + b"long line\r\n" * 100_000 + b".\r\n"
    async with ScriptedHost() as host:
        assert (
            await outcome(make_courier(command_timeout_s=30.0), target(host), Parcel(ONE.sender, ONE.recipients, content))
            == DONE
        )
    assert host.heard[0].content == content


async def test_a_refusal_in_the_middle_of_a_message_is_heard_before_the_connection_breaks(
    make_courier: Callable[..., SmtpCourier],
) -> None:
    """A host that refuses early and stops reading: we are not to hang on it, nor to try for days."""
    import asyncio

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 x\r\n")
        for reply in (b"250 x\r\n", b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n"):
            await reader.readline()
            writer.write(reply)
        await reader.read(1000)
        writer.write(b"552 5.3.4 too big for me\r\n")
        await writer.drain()
        await reader.read(1000)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=1024)
    where = Target("mx.faraway.test", "127.0.0.1", server.sockets[0].getsockname()[1])
    [answer] = await make_courier().deliver(where, Parcel(ONE.sender, ONE.recipients, b"x" * 20_000_000))
    server.close()
    await server.wait_closed()
    assert answer.text == "552 5.3.4 too big for me"


async def test_a_host_that_goes_on_for_ever_is_left(make_courier: Callable[..., SmtpCourier]) -> None:
    """A line now and then keeps every time-out for a reply from running out; the one for the whole does not wait."""
    import asyncio

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                writer.write(b"220-x\r\n")
                await writer.drain()
                await asyncio.sleep(0.02)
        except OSError:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    where = Target("mx.faraway.test", "127.0.0.1", server.sockets[0].getsockname()[1])
    assert await outcome(make_courier(command_timeout_s=0.05), where) == ELSEWHERE
    server.close()


async def test_lmtp_answers_count_for_each_recipient(make_courier: Callable[..., SmtpCourier]) -> None:
    replies = {"a@": "250 2.1.5 kept", "b@": "552 5.2.2 full", "c@": "451 4.2.0 later"}
    says = lambda step, connection, argument: replies[argument[9:11]] if step == "END" else None  # noqa: E731
    who = tuple(Recipient(Address.parse(f"{name}@faraway.test")) for name in "abc")
    async with ScriptedHost(says, lmtp=True, extensions=PLAIN) as host:
        answers = await make_courier().deliver(target(host, protocol="lmtp"), Parcel(ONE.sender, who, CONTENT))
    assert [answer.code for answer in answers] == [250, 552, 451]
    assert all(answer.final for answer in answers)
    assert host.commands[0] == "LHLO mx.example.test"


async def test_a_break_amid_lmtp_answers_leaves_the_others_to_be_tried_again(make_courier: Callable[..., SmtpCourier]) -> None:
    says = lambda step, connection, argument: "drop" if step == "END" and "b@" in argument else None  # noqa: E731
    who = tuple(Recipient(Address.parse(f"{name}@faraway.test")) for name in "abc")
    async with ScriptedHost(says, lmtp=True) as host:
        answers = await make_courier().deliver(target(host, protocol="lmtp"), Parcel(ONE.sender, who, CONTENT))
    assert [answer.code for answer in answers] == [250, 450, 450]


async def test_what_the_host_lacks_is_a_failure_without_a_try(make_courier: Callable[..., SmtpCourier]) -> None:
    utf8 = Parcel(Sender(Address.parse("jürgen@example.test"), smtputf8=True), ONE.recipients, CONTENT)
    large = Parcel(ONE.sender, ONE.recipients, b"x" * 2000 + b"\r\n")
    for parcel, extensions, text in ((utf8, ("SIZE",), "550 5.6.7"), (large, ("SIZE 1000",), "552 5.3.4")):
        async with ScriptedHost(extensions=extensions) as host:
            [answer] = await make_courier().deliver(target(host), parcel)
            assert answer.text.startswith(text)
            assert not any(command.startswith("MAIL") for command in host.commands)


async def test_parameters_go_to_hosts_that_offer_the_extension_only(make_courier: Callable[..., SmtpCourier]) -> None:
    sender = Sender(Address.parse("jürgen@example.test"), smtputf8=True, body="8BITMIME", ret="HDRS", envid="a+b")
    recipient = Recipient(Address.parse("x@faraway.test"), frozenset({"SUCCESS", "FAILURE"}), "rfc822;X@faraway.test")
    parcel = Parcel(sender, (recipient,), "Subject: ü\r\n\r\nü\r\n".encode())
    async with ScriptedHost() as host:
        [answer] = await make_courier().deliver(target(host), parcel)
    assert answer.notifies
    assert host.commands[1] == "MAIL FROM:<jürgen@example.test> SIZE=19 RET=HDRS ENVID=a+2Bb BODY=8BITMIME SMTPUTF8"
    assert host.commands[2] == "RCPT TO:<x@faraway.test> NOTIFY=FAILURE,SUCCESS ORCPT=rfc822;X@faraway.test"
    plain = Parcel(Sender(Address.parse("jane@example.test"), ret="HDRS", envid="a"), (recipient,), b"x\r\n")
    async with ScriptedHost(extensions=()) as host:
        [answer] = await make_courier().deliver(target(host), plain)
    assert not answer.notifies
    assert host.commands[1:3] == ["MAIL FROM:<jane@example.test>", "RCPT TO:<x@faraway.test>"]


async def test_a_host_that_lies_about_its_extensions_is_taken_at_its_replies(make_courier: Callable[..., SmtpCourier]) -> None:
    says = lambda step, connection, argument: "555 5.5.4 what is that" if "RET=" in argument else None  # noqa: E731
    async with ScriptedHost(says) as host:
        parcel = Parcel(Sender(Address.parse("jane@example.test"), ret="FULL"), ONE.recipients, CONTENT)
        assert await outcome(make_courier(), target(host), parcel) == FAIL
