"""Attacks on the SMTP ports of a node, each bounded in time and number. Run in a process of their own, so that the honest
clients beside them measure the node and not the test. Clients have addresses of their own by the PROXY protocol.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import random
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass

JANE = b"jane@example.test"
FLOODER = "203.0.113.7"


@dataclass(frozen=True)
class Ports:
    smtp: int
    submission: int


def proxy(address: str) -> bytes:
    kind, other = ("TCP6", "2001:db8::1") if ":" in address else ("TCP4", "192.0.2.1")
    return f"PROXY {kind} {address} {other} 40000 25\r\n".encode()


class Peer:
    """One connection of an attacker. What the node does with it is not asked."""

    def __init__(self, port: int, address: str) -> None:
        self._port = port
        self._address = address

    async def __aenter__(self) -> Peer:
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self._port)
        self.writer.write(proxy(self._address) if self._address else b"")
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.transport.abort()

    async def line(self, timeout_s: float = 3.0) -> bytes:
        async with asyncio.timeout(timeout_s):
            while line := await self.reader.readline():
                if line[3:4] != b"-":
                    return line
        return b""

    async def say(self, *words: bytes, timeout_s: float = 3.0) -> bytes:
        """Sends lines one after the other; the last reply."""
        said = b""
        for word in words:
            self.writer.write(word + b"\r\n")
            said = await self.line(timeout_s)
        return said


async def many(count: int, at_once: int, work: Callable[[int], Awaitable[None]], at_most_s: float) -> None:
    """``work`` for each number, so many at a time, none of them longer than the whole may take."""
    slots = asyncio.Semaphore(at_once)
    end = time.monotonic() + at_most_s

    async def one(number: int) -> None:
        async with slots:
            if (left := end - time.monotonic()) > 0:
                with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
                    async with asyncio.timeout(left):
                        await work(number)

    await asyncio.gather(*(one(number) for number in range(count)))


def strangers() -> Iterator[str]:
    """Addresses, each in a network of its own."""
    return (f"100.{64 + number // 250 % 60}.{number % 250}.{number % 7 + 1}" for number in itertools.count())


async def connection_flood(ports: Ports) -> None:
    """One address opens all it can, holds some, and comes again and again."""

    async def one(number: int) -> None:
        async with Peer(ports.smtp, FLOODER) as peer:
            await peer.line()
            if number % 3 == 0:
                await asyncio.sleep(1.0)

    await many(4000, 300, one, 2.0)


async def slow_loris(ports: Ports) -> None:
    """In every state of SMTP somebody says a little, and then an octet now and then."""
    address = strangers()
    begun = b"EHLO a.test", b"MAIL FROM:<x@good.test>", b"RCPT TO:<" + JANE + b">"
    states: list[tuple[int, tuple[bytes, ...], bytes]] = [
        (ports.smtp, (), b""),
        (ports.smtp, (), b"EHL"),
        (ports.smtp, begun[:1], b"MAIL FRO"),
        (ports.smtp, begun[:2], b"RCPT T"),
        (ports.smtp, begun[:3], b"DAT"),
        (ports.smtp, (*begun, b"DATA"), b"Subject: slow"),
        (ports.smtp, (*begun, b"DATA"), b"Subject: slow\r\n\r\n.\r"),
        (ports.smtp, begun, b"BDAT 100000 LAST\r\nSubject: "),
        (ports.smtp, (begun[0], b"STARTTLS"), b"\x16\x03\x01\x02\x00\x01"),
        (ports.submission, (begun[0], b"STARTTLS"), b"\x16"),
    ]

    async def one(number: int) -> None:
        port, words, rest = states[number % len(states)]
        async with Peer(port, next(address)) as peer:
            await peer.line()
            await peer.say(*words)
            peer.writer.write(rest)
            while True:
                await asyncio.sleep(0.3)
                peer.writer.write(b"x")
                await peer.writer.drain()

    async def silent(number: int) -> None:
        async with Peer(ports.smtp, "") as peer:
            peer.writer.write(b"PROXY TCP4 1"[: number % 12])
            await peer.line(5.0)

    await asyncio.gather(many(300, 300, one, 2.0), many(60, 60, silent, 4.0))


async def directory_harvest(ports: Ports) -> None:
    """Guesses users from a few addresses, over many connections."""

    async def one(number: int) -> None:
        async with Peer(ports.smtp, f"198.18.0.{number % 3 + 1}") as peer:
            await peer.line()
            await peer.say(b"EHLO a.test", b"MAIL FROM:<x@good.test>")
            for guess in range(40):
                await peer.say(b"RCPT TO:<guess%d-%d@example.test>" % (number, guess))

    await many(120, 60, one, 2.0)


async def password_guessing(ports: Ports) -> None:
    """Tries passwords of one user and of users that do not exist."""

    async def one(number: int) -> None:
        async with Peer(ports.submission, f"127.0.0.{number % 200 + 2}" if number % 2 else next(ADDRESSES)) as peer:
            await peer.line()
            await peer.say(b"EHLO a.test")
            for guess in range(5):
                user = JANE if number % 3 else b"nobody%d@example.test" % number
                await peer.say(b"AUTH PLAIN " + base64.b64encode(b"\0" + user + b"\0guess%d" % guess))

    await many(200, 40, one, 2.0)


ADDRESSES = strangers()


async def dead_names(ports: Ports) -> None:
    """Every look-up that the node makes for these is met with silence: address, greeting, sender."""

    async def one(number: int) -> None:
        async with Peer(ports.smtp, f"198.51.{number % 250}.{number % 200 + 1}") as peer:
            await peer.line()
            await peer.say(b"EHLO h%d.dead.test" % number, b"MAIL FROM:<x@d%d.dead.test>" % number)
            await peer.say(b"RCPT TO:<" + JANE + b">")

    await many(400, 150, one, 2.5)


async def lying_names(ports: Ports) -> None:
    """Every look-up is answered with a lie: see ``LyingDns``."""

    async def one(number: int) -> None:
        address = f"203.0.{number % 200}.{number % 250 + 1}" if number % 4 else f"2001:db8:bad:{number:x}::1"
        async with Peer(ports.smtp, address) as peer:
            await peer.line()
            await peer.say(b"EHLO h%d.liar.test" % number, b"MAIL FROM:<x@s%d.liar.test>" % number)
            await peer.say(b"RCPT TO:<" + JANE + b">")

    await many(400, 100, one, 2.5)


async def oversize_everything(ports: Ports) -> None:
    """Lines, names, parameters, recipients, headers, chunks and messages beyond all measure."""
    address = strangers()
    open_ = b"EHLO a.test\r\nMAIL FROM:<x@good.test>\r\nRCPT TO:<" + JANE + b">\r\n"
    pieces = [
        b"EHLO " + b"a" * 1_000_000,
        b"EHLO a.test\r\nMAIL FROM:<" + b"x" * 100_000 + b"@good.test>\r\n",
        b"EHLO a.test\r\nMAIL FROM:<x@good.test> " + b"X=Y " * 50_000 + b"\r\n",
        b"EHLO a.test\r\nMAIL FROM:<x@good.test> SIZE=99999999999999999999\r\n",
        open_ + b"RCPT TO:<" + JANE + b">\r\n" * 1 + b"".join(b"RCPT TO:<u%d@example.test>\r\n" % n for n in range(3000)),
        open_ + b"DATA\r\n" + b"X: y\r\n" * 200_000 + b"\r\n.\r\n",
        open_ + b"DATA\r\n" + b"x" * 5_000_000 + b"\r\n.\r\n",
        open_ + b"BDAT 999999999999\r\n",
        open_ + b"BDAT 99999999999999999999999999\r\n",
        open_ + b"DATA\r\n" + b"Subject: x\r\n\r\n" + b"y" * 998 * 40_000,
        b"NOOP\r\n" * 200_000,
        b"AUTH PLAIN " + b"A" * 200_000 + b"\r\n",
        b"\0" * 500_000,
        b"RSET\r\nHELP\r\nVRFY x\r\nEXPN y\r\n" * 20_000,
    ]

    async def one(number: int) -> None:
        async with Peer(ports.smtp, next(address)) as peer:
            await peer.line()
            octets = pieces[number % len(pieces)]
            for at in range(0, len(octets), 65_536):
                peer.writer.write(octets[at : at + 65_536])
                await peer.writer.drain()
            while await peer.reader.read(65_536):
                pass

    await many(3 * len(pieces), 14, one, 3.0)


ENDINGS = (
    b"\n.\n", b"\r\n.\n", b"\n.\r\n", b"\r.\r\n", b"\r\n.\r", b"\r.\r", b"\r\n\0.\r\n", b"\r\n.\0\r\n", b"\r\n.\r\r\n",
    b"\n\n.\r\n", b"\x85.\x85", b"\r\n. \r\n", b"\xe2\x80\xa8.\xe2\x80\xa8", b"\x0b.\x0b", b"\x0c.\x0c",
)  # fmt: skip


async def smuggling(ports: Ports) -> None:
    """A second message in the first, behind endings that other servers take for one."""
    address = strangers()
    open_ = b"MAIL FROM:<x@good.test>\r\nRCPT TO:<" + JANE + b">\r\n"

    async def one(number: int) -> None:
        ending = ENDINGS[number % len(ENDINGS)]
        async with Peer(ports.smtp, next(address)) as peer:
            await peer.line()
            await peer.say(b"EHLO a.test", *open_.split(b"\r\n")[:2], b"DATA")
            smuggled = open_ + b"DATA\r\nSubject: smuggled\r\n\r\nyours\r\n.\r\n"
            peer.writer.write(b"Subject: carrier\r\n\r\nhi" + ending + smuggled + b"QUIT\r\n")
            while await peer.reader.read(65_536):
                pass

    await many(4 * len(ENDINGS), 16, one, 2.5)


async def random_octets(ports: Ports) -> None:
    """Noise, and broken commands, in a storm."""
    chance = random.Random(7)
    address = strangers()
    words = [
        b"EHLO",
        b"MAIL FROM:<",
        b"RCPT TO:",
        b"DATA\r\n",
        b"BDAT 5 LAST\r\n",
        b"\r\n.\r\n",
        b"AUTH ",
        b"STARTTLS\r\n",
        b"\r\n",
        b"<>",
    ]

    async def one(number: int) -> None:
        async with Peer(ports.smtp, next(address)) as peer:
            octets = b"".join(
                chance.choice(words) if chance.random() < 0.7 else chance.randbytes(chance.randrange(1, 40)) for _ in range(100)
            )
            peer.writer.write(octets)
            while await peer.reader.read(65_536):
                pass

    await many(600, 60, one, 2.0)


ATTACKS: dict[str, Callable[[Ports], Awaitable[None]]] = {
    attack.__name__: attack
    for attack in (
        connection_flood, slow_loris, directory_harvest, password_guessing, dead_names, lying_names, oversize_everything,
        smuggling, random_octets,
    )
}  # fmt: skip


def run(attack: Callable[[Ports], Awaitable[None]], ports: Ports) -> None:
    """The whole life of an attacking process."""

    async def main() -> None:
        await attack(ports)

    asyncio.run(main())
