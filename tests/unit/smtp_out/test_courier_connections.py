"""TLS to other hosts, connections that are used again, hosts that do not answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from posthouse.backends import smtp_out
from posthouse.backends.smtp_out import SmtpCourier
from posthouse.interfaces.courier import Parcel, Target, Unreachable
from posthouse.model.address import Address
from posthouse.model.envelope import Recipient, Sender
from support.scripted_host import EXTENSIONS, ScriptedHost, server_context

CONTENT = b"Subject: x\r\n\r\nbody\r\n"
ONE = Parcel(Sender(Address.parse("jane@example.test")), (Recipient(Address.parse("x@faraway.test")),), CONTENT)
MakeCourier = Callable[..., SmtpCourier]


def target(host: ScriptedHost, tls: str = "opportunistic") -> Target:
    return Target("mx.faraway.test", "127.0.0.1", host.port, tls=tls)  # type: ignore[arg-type]


async def code(courier: SmtpCourier, where: Target, parcel: Parcel = ONE) -> int:
    [answer] = await courier.deliver(where, parcel)
    return answer.code


# --- TLS


@pytest.mark.parametrize("tls", ["opportunistic", "required"])
async def test_tls_is_used_where_it_is_offered_and_the_host_greeted_anew(make_courier: MakeCourier, tls: str) -> None:
    async with ScriptedHost(context=server_context()) as host:
        assert await code(make_courier(), target(host, tls)) == 250
    assert host.heard[0].tls
    assert [command.split()[0] for command in host.commands[:4]] == ["EHLO", "STARTTLS", "EHLO", "MAIL"]


async def test_tls_that_is_off_is_not_used(make_courier: MakeCourier) -> None:
    async with ScriptedHost(context=server_context()) as host:
        assert await code(make_courier(), target(host, "off")) == 250
    assert not host.heard[0].tls


LYING = (*EXTENSIONS, "STARTTLS")
BROKEN = {
    "not offered": (None, EXTENSIONS),
    "refused": ("454 4.7.0 not now", LYING),
    "refused for good": ("502 5.5.1 no", LYING),
    "dropped": ("drop", LYING),
    "clear text after the go-ahead": ("220 go\r\nnonsense", LYING),
    "silent handshake": ("220 go", LYING),
}


@pytest.mark.parametrize("how", BROKEN)
async def test_broken_tls_falls_back_to_clear_text_unless_it_is_required(make_courier: MakeCourier, how: str) -> None:
    said, extensions = BROKEN[how]
    courier = make_courier(connect_timeout_s=1.0)
    async with ScriptedHost(lambda step, connection, argument: said if step == "STARTTLS" else None, extensions) as host:
        assert await code(courier, target(host)) == 250
        assert not host.heard[0].tls
        with pytest.raises(Unreachable, match="TLS"):
            await courier.deliver(target(host, "required"), ONE)
        assert len(host.heard) == 1


async def test_a_message_that_asks_for_tls_all_the_way_is_not_sent_without(make_courier: MakeCourier) -> None:
    parcel = Parcel(Sender(Address.parse("jane@example.test"), require_tls=True), ONE.recipients, CONTENT)
    async with ScriptedHost() as host:
        with pytest.raises(Unreachable) as lacking:
            await make_courier().deliver(target(host), parcel)
    assert lacking.value.lacking == "5.7.30"
    assert host.heard == []


# --- connections used again


async def test_a_connection_carries_many_messages_up_to_the_limit(make_courier: MakeCourier) -> None:
    courier = make_courier(messages_per_connection=3)
    async with ScriptedHost() as host:
        for _ in range(7):
            assert await code(courier, target(host)) == 250
        assert [heard.connection for heard in host.heard] == [1, 1, 1, 2, 2, 2, 3]
    assert host.commands.count("QUIT") == 2


async def test_encrypted_connections_are_used_again_too(make_courier: MakeCourier) -> None:
    courier = make_courier()
    async with ScriptedHost(context=server_context()) as host:
        for _ in range(3):
            assert await code(courier, target(host)) == 250
    assert host.connections == 1


async def test_a_refused_message_does_not_spoil_the_connection(make_courier: MakeCourier) -> None:
    courier = make_courier()
    says = lambda step, connection, argument: "550 5.1.1 no" if "bad@" in argument else None  # noqa: E731
    bad = Parcel(ONE.sender, (Recipient(Address.parse("bad@faraway.test")),), CONTENT)
    async with ScriptedHost(says) as host:
        assert [await code(courier, target(host), parcel) for parcel in (bad, ONE, bad, ONE)] == [550, 250, 550, 250]
    assert host.connections == 1
    assert len(host.heard) == 2
    assert host.commands.count("RSET") == 2


async def test_a_used_connection_that_takes_no_more_messages_is_left_for_a_fresh_one(make_courier: MakeCourier) -> None:
    """Hosts that count them say 4xx to MAIL; a connection that never took one is believed."""
    taken: dict[int, int] = {}

    def says(step: str, connection: int, argument: str) -> str | None:
        if step == "MAIL":
            taken[connection] = taken.get(connection, 0) + 1
            return "452 4.5.3 Too many messages sent" if taken[connection] > 2 or connection == 4 else None
        return None

    courier = make_courier()
    async with ScriptedHost(says) as host:
        assert [await code(courier, target(host)) for _ in range(6)] == [250] * 6
        assert [heard.connection for heard in host.heard] == [1, 1, 2, 2, 3, 3]
        assert await code(courier, target(host)) == 452
        await courier.close()


async def test_targets_that_differ_share_no_connection(make_courier: MakeCourier) -> None:
    courier = make_courier()
    async with ScriptedHost() as host:
        for tls in ("opportunistic", "off"):
            await code(courier, target(host, tls))
    assert host.connections == 2


async def test_an_idle_connection_is_closed_politely_after_its_time(make_courier: MakeCourier) -> None:
    courier = make_courier(connection_keep_s=0.05)
    async with ScriptedHost() as host:
        await code(courier, target(host))
        async with asyncio.timeout(60):
            while host.open:
                await asyncio.sleep(0.01)
    assert host.commands[-1] == "QUIT"


async def test_without_time_to_keep_it_a_connection_is_closed_at_once(make_courier: MakeCourier) -> None:
    courier = make_courier(connection_keep_s=0.0)
    async with ScriptedHost() as host:
        await code(courier, target(host))
        await code(courier, target(host))
    assert host.connections == 2


async def test_closing_the_courier_says_goodbye_to_idle_connections(make_courier: MakeCourier) -> None:
    courier = make_courier(connection_keep_s=60.0)
    async with ScriptedHost() as host:
        await code(courier, target(host))
        await courier.close()
        async with asyncio.timeout(60):
            while host.open:
                await asyncio.sleep(0.01)
    assert host.commands[-1] == "QUIT"


SECOND = {
    "drops at MAIL": ("MAIL", "drop"),
    "resets at MAIL": ("MAIL", "reset"),
    "says 421 to MAIL": ("MAIL", "421 4.4.2 idle too long"),
    "stalls at MAIL": ("MAIL", "stall"),
    "drops at RCPT": ("RCPT", "drop"),
    "drops at DATA": ("DATA", "drop"),
    "talks nonsense": ("MAIL", "nonsense"),
}


@pytest.mark.parametrize("how", SECOND)
async def test_a_used_connection_that_dies_before_the_message_went_out_is_replaced_silently(
    make_courier: MakeCourier, how: str
) -> None:
    courier, (step, what) = make_courier(), SECOND[how]

    def says(now: str, connection: int, argument: str) -> str | None:
        return what if now == step and connection == 1 and len(host.heard) == 1 else None

    async with ScriptedHost(says) as host:
        assert await code(courier, target(host)) == 250
        assert await code(courier, target(host)) == 250
    assert [heard.connection for heard in host.heard] == [1, 2]


async def test_a_connection_that_was_closed_while_idle_is_not_even_tried(make_courier: MakeCourier) -> None:
    courier = make_courier()
    writers: list[asyncio.StreamWriter] = []
    replies = (b"250 x\r\n", b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        writer.write(b"220 x\r\n")
        for reply in replies:
            await reader.readline()
            writer.write(reply)
        await reader.readuntil(b"\r\n.\r\n")
        writer.write(b"250 kept\r\n")
        if len(writers) == 1:
            writer.write(b"421 4.4.2 bye\r\n")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    where = Target("mx.faraway.test", "127.0.0.1", server.sockets[0].getsockname()[1])
    assert await code(courier, where) == 250
    assert await code(courier, where) == 250
    assert len(writers) == 2
    server.close()


async def test_a_used_connection_that_dies_at_the_end_of_the_message_is_a_retry(make_courier: MakeCourier) -> None:
    courier = make_courier()

    def says(step: str, connection: int, argument: str) -> str | None:
        return "drop" if step == "END" and len(host.heard) == 1 else None

    async with ScriptedHost(says) as host:
        assert await code(courier, target(host)) == 250
        assert await code(courier, target(host)) == 450
    assert host.connections == 1


async def test_an_attempt_that_is_given_up_leaves_no_connection_behind(make_courier: MakeCourier) -> None:
    courier = make_courier(command_timeout_s=60.0)
    async with ScriptedHost(lambda step, connection, argument: "stall" if step == "MAIL" else None) as host:
        task = asyncio.create_task(courier.deliver(target(host), ONE))
        async with asyncio.timeout(60):
            while not any(command.startswith("MAIL") for command in host.commands):
                await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert host.open == 1  # the script stalls; our side is gone
        assert not courier._idle


async def test_a_host_that_does_not_answer_connections_is_not_waited_for_again_at_once(
    make_courier: MakeCourier, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = 0

    async def connect(*_: object) -> object:
        nonlocal tries
        tries += 1
        raise TimeoutError

    monkeypatch.setattr(smtp_out, "connect", connect)
    courier, where = make_courier(), Target("mx.faraway.test", "192.0.2.1", 25)
    for _ in range(3):
        with pytest.raises(Unreachable, match="timed out"):
            await courier.deliver(where, ONE)
    assert tries == 1


async def test_hosts_are_reached_over_ipv6(make_courier: MakeCourier) -> None:
    async with ScriptedHost(address="::1") as host:
        assert await code(make_courier(), Target("mx.faraway.test", "::1", host.port)) == 250
