"""Asking name servers while somebody interferes: guessed answers, answers cut short, lies over TCP, servers that are slow."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import dns.flags
import dns.message
import dns.rrset
import pytest

from posthouse.backends.dns_client import DnsClient, Server, Silent
from posthouse.base.errors import Temporary
from posthouse.protocols.dns.messages import Answer, Question

Reply = Callable[[dns.message.Message], list[bytes]]


def answer(query: dns.message.Message, address: str, *, cut: bool = False) -> bytes:
    made = dns.message.make_response(query)
    if cut:
        made.flags |= dns.flags.TC
    else:
        made.answer.append(dns.rrset.from_text(query.question[0].name, 60, "IN", "A", address))
    return made.to_wire()


def refusal(query: dns.message.Message, code: int) -> bytes:
    made = dns.message.make_response(query)
    made.set_rcode(code)  # type: ignore[arg-type]
    return made.to_wire()


@asynccontextmanager
async def server(udp: Reply, tcp: Callable[[dns.message.Message], bytes] | None = None) -> AsyncIterator[Server]:
    """Answers by UDP with the datagrams of ``udp``, by TCP with the octets of ``tcp`` as they are."""

    class Datagrams(asyncio.DatagramProtocol):
        def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
            self.transport = transport

        def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
            for octets in udp(dns.message.from_wire(data)):
                self.transport.sendto(octets, addr)

    async def stream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        (size,) = struct.unpack("!H", await reader.readexactly(2))
        query = dns.message.from_wire(await reader.readexactly(size))
        if tcp is not None:
            writer.write(tcp(query))
            await writer.drain()
            writer.close()

    loop = asyncio.get_running_loop()
    listener = await asyncio.start_server(stream, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    transport, _ = await loop.create_datagram_endpoint(Datagrams, ("127.0.0.1", port))
    yield Server("127.0.0.1", port)
    transport.close()
    listener.close()


def framed(octets: bytes) -> bytes:
    return struct.pack("!H", len(octets)) + octets


async def ask(*servers: Server, try_s: float = 0.3, budget_s: float = 1.0) -> Answer:
    return await DnsClient(servers, try_s).ask(Question.of("a.test", "A"), budget_s)


async def test_guessed_numbers_and_other_questions_are_passed_over_until_the_answer_comes() -> None:
    def udp(query: dns.message.Message) -> list[bytes]:
        other = dns.message.make_query("b.test", "A", id=query.id)
        guess = dns.message.make_query("a.test", "A", id=query.id ^ 1)
        return [answer(guess, "192.0.2.66"), answer(other, "192.0.2.66"), b"", b"\xff" * 40, answer(query, "192.0.2.1")]

    async with server(udp) as one:
        assert (await ask(one)).values == ("192.0.2.1",)


async def test_under_a_storm_of_guesses_the_question_goes_over_tcp() -> None:
    def udp(query: dns.message.Message) -> list[bytes]:
        guesses = (dns.message.make_query("a.test", "A", id=number) for number in range(100) if number != query.id)
        return [answer(guess, "192.0.2.66") for guess in guesses]

    async with server(udp, lambda query: framed(answer(query, "192.0.2.1"))) as one:
        assert (await ask(one)).values == ("192.0.2.1",)


async def test_what_is_cut_short_is_asked_again_over_tcp() -> None:
    async with server(lambda query: [answer(query, "", cut=True)], lambda query: framed(answer(query, "192.0.2.1"))) as one:
        assert (await ask(one)).values == ("192.0.2.1",)


@pytest.mark.parametrize(
    "lie",
    [
        lambda query: b"",
        lambda query: b"\xff",
        lambda query: struct.pack("!H", 65535) + answer(query, "192.0.2.1"),
        lambda query: struct.pack("!H", 5) + answer(query, "192.0.2.1"),
        lambda query: b"\0\0",
        lambda query: framed(b"\0" * 65535),
    ],
    ids=["nothing", "half a length", "too long", "too short", "empty", "64 KiB of zeros"],
)
async def test_lies_over_tcp_are_a_failure_in_time(lie: Callable[[dns.message.Message], bytes]) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with server(lambda query: [answer(query, "", cut=True)], lie) as one:
        with pytest.raises(Silent):
            await ask(one)
    assert loop.time() - began < 5.0


async def test_a_server_that_only_refuses_is_a_failure_and_another_is_asked() -> None:
    async with server(lambda query: [refusal(query, 5)]) as bad, server(lambda query: [answer(query, "192.0.2.1")]) as good:
        assert (await ask(bad, good)).values == ("192.0.2.1",)
        with pytest.raises(Temporary) as failure:
            await ask(bad)
        assert not isinstance(failure.value, Silent)


async def test_a_server_that_failed_is_asked_last_for_a_while() -> None:
    asked: list[str] = []

    def silent(query: dns.message.Message) -> list[bytes]:
        asked.append("silent")
        return []

    async with server(silent) as bad, server(lambda query: [answer(query, "192.0.2.1")]) as good:
        client = DnsClient([bad, good], 0.1)
        for _ in range(5):
            assert (await client.ask(Question.of("a.test", "A"), 1.0)).values == ("192.0.2.1",)
    assert asked == ["silent"]


async def test_every_question_goes_out_from_a_port_and_under_a_number_of_its_own() -> None:
    seen: list[int] = []

    def udp(query: dns.message.Message) -> list[bytes]:
        seen.append(query.id)
        return [answer(query, "192.0.2.1")]

    async with server(udp) as one:
        client = DnsClient([one], 0.3)
        await asyncio.gather(*(client.ask(Question.of(f"n{number}.test", "A"), 1.0) for number in range(50)))
    assert len(set(seen)) > 45


@pytest.mark.parametrize(
    ("text", "server"),
    [
        ("192.0.2.53", Server("192.0.2.53", 53)),
        ("192.0.2.53:5353", Server("192.0.2.53", 5353)),
        ("2001:db8::53", Server("2001:db8::53", 53)),
        ("[2001:db8::53]:5353", Server("2001:db8::53", 5353)),
    ],
)
def test_servers_are_written_with_or_without_a_port(text: str, server: Server) -> None:
    assert Server.of(text) == server
