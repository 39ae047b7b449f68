"""Small asynchronous SMTP and IMAP clients for tests under load: many at a time in one loop, nothing hidden.

They speak to a running node over sockets and know nothing of the program's own code. ``Lost`` is how every one of them says
that the connection ended before the answer came.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import re
from collections.abc import Iterator
from typing import NamedTuple

from support.books import Flags, Seen
from support.node import PASSWORD

_LITERAL = re.compile(rb"\{(\d+)\}\r\n$")
_UID = re.compile(rb"\bUID (\d+)")
_FLAGS = re.compile(rb"\bFLAGS \(([^)]*)\)")
_SUBJECT = re.compile(rb'\bENVELOPE \((?:NIL|"[^"]*") "([^"]*)"')
_APPEND_UID = re.compile(rb"\[APPENDUID (\d+) (\d+)\]")
_UID_VALIDITY = re.compile(rb"\[UIDVALIDITY (\d+)\]")


class Lost(Exception):
    """The connection ended, or the server said that it ends it."""


class Reply(NamedTuple):
    """The last line of an SMTP reply."""

    code: int
    text: str


class Wire:
    """A connection by lines. ``said`` is the last line that came, for tests that ask how it ended."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.said = b""

    async def line(self) -> bytes:
        try:
            line = await self.reader.readline()
        except (OSError, ValueError) as error:
            raise Lost(str(error)) from None
        if not line.endswith(b"\n"):
            raise Lost("end of stream")
        self.said = line
        return line

    async def octets(self, count: int) -> bytes:
        try:
            return await self.reader.readexactly(count)
        except (OSError, asyncio.IncompleteReadError) as error:
            raise Lost(str(error)) from None

    def send(self, octets: bytes) -> None:
        if not self.writer.is_closing():
            self.writer.write(octets)

    async def drain(self) -> None:
        try:
            await self.writer.drain()
        except OSError as error:
            raise Lost(str(error)) from None

    def close(self) -> None:
        self.writer.transport.abort()

    @contextlib.contextmanager
    def kept(self) -> Iterator[None]:
        """Closes the connection if it is not wanted after all."""
        try:
            yield
        except Lost:
            self.close()
            raise


async def connect(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Raises Lost when nobody accepts."""
    try:
        return await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
    except OSError as error:
        raise Lost(str(error)) from None


def good(reply: Reply) -> None:
    """Raises Lost unless the reply is positive."""
    if reply.code >= 400:
        raise Lost(f"{reply.code} {reply.text}")


class Smtp(Wire):
    """One SMTP connection; ``begin`` first."""

    @classmethod
    async def begin(cls, port: int, login: str = "") -> Smtp:
        """Greeted, and logged in if need be. Raises Lost, also when the greeting is 421."""
        client = cls(*await connect(port))
        with client.kept():
            good(await client.reply())
            good(await client.ask(b"EHLO flood.test\r\n"))
            if login:
                token = base64.b64encode(f"\0{login}\0{PASSWORD}".encode())
                good(await client.ask(b"AUTH PLAIN " + token + b"\r\n"))
        return client

    async def reply(self) -> Reply:
        while (line := await self.line())[3:4] == b"-":
            pass
        return Reply(int(line[:3]), line[4:].decode().strip())

    async def ask(self, octets: bytes) -> Reply:
        self.send(octets)
        return await self.reply()

    async def envelope(self, sender: str, recipients: list[str]) -> Reply:
        """MAIL, RCPT and DATA in one go; the reply to DATA, or the first that was worse than 2xx."""
        commands = [f"MAIL FROM:<{sender}>", *(f"RCPT TO:<{one}>" for one in recipients), "DATA"]
        self.send("".join(command + "\r\n" for command in commands).encode())
        replies = [await self.reply() for _ in commands]
        bad = [reply for reply in replies[:-1] if reply.code >= 300]
        if bad and replies[-1].code == 354:
            raise Lost("DATA was taken although not all recipients were")
        return bad[0] if bad else replies[-1]


class Result(NamedTuple):
    """The end of an IMAP command: ``OK``, ``NO`` or ``BAD``, the rest of the line, and the untagged responses."""

    status: str
    text: str
    lines: list[bytes]


class Imap(Wire):
    """One IMAP connection; ``begin`` first."""

    number = 0

    @classmethod
    async def begin(cls, port: int, login: str) -> Imap:
        """Logged in. Raises Lost."""
        client = cls(*await connect(port))
        with client.kept():
            if not (await client.line()).startswith(b"* OK"):
                raise Lost("no greeting")
            result = await client.ask(f'LOGIN "{login}" "{PASSWORD}"')
            if result.status != "OK":
                raise Lost(result.text)
        return client

    async def ask(self, command: str, literal: bytes | None = None) -> Result:
        """``literal`` goes after the command without waiting (LITERAL+). Raises Lost, also on BYE."""
        self.number += 1
        tag = b"a%d" % self.number
        tail = b"\r\n" if literal is None else b" {%d+}\r\n%b\r\n" % (len(literal), literal)
        self.send(tag + b" " + command.encode() + tail)
        await self.drain()
        lines: list[bytes] = []
        while not (line := await self._response()).startswith(tag + b" "):
            if line.startswith(b"* BYE"):
                raise Lost(line.decode("latin-1"))
            lines.append(line)
        status, _, text = line[len(tag) + 1 :].decode("latin-1").strip().partition(" ")
        return Result(status, text, lines)

    async def _response(self) -> bytes:
        whole = await self.line()
        while found := _LITERAL.search(whole):
            whole += await self.octets(int(found[1])) + await self.line()
        return whole

    async def select(self, mailbox: str) -> int:
        """The UIDVALIDITY. Raises Lost when it is refused."""
        result = await self.ask(f'SELECT "{mailbox}"')
        found = _UID_VALIDITY.search(b"".join(result.lines))
        if result.status != "OK" or found is None:
            raise Lost(result.text)
        return int(found[1])

    async def settle(self) -> None:
        """Asks for something to be written and waits for the answer, were it that there is no room: what connections that are
        gone left under way is done then. Raises Lost."""
        result = await self.ask("SUBSCRIBE INBOX")
        if result.status != "OK" and "[LIMIT]" not in result.text:
            raise Lost(result.text)

    async def messages(self, first_uid: int = 1) -> list[Seen]:
        """All messages of the selected mailbox from a UID on."""
        result = await self.ask(f"UID FETCH {first_uid}:* (UID FLAGS ENVELOPE)")
        if result.status != "OK":
            raise Lost(result.text)
        rows = [seen(line) for line in result.lines if b" FETCH (" in line and b"ENVELOPE" in line]
        return [row for row in rows if row.uid >= first_uid]

    async def content(self, uid: int) -> bytes:
        """One message, whole."""
        result = await self.ask(f"UID FETCH {uid} (BODY.PEEK[])")
        line = next(line for line in result.lines if b"BODY[]" in line)
        start = line.index(b"}\r\n") + 3
        size = int(line[line.index(b"BODY[] {") + 8 : start - 3])
        return line[start : start + size]


def seen(line: bytes) -> Seen:
    """A FETCH response with UID, FLAGS and ENVELOPE, taken apart."""
    uid, flags, subject = _UID.search(line), _FLAGS.search(line), _SUBJECT.search(line)
    assert uid and flags and subject, line[:300]
    return Seen(subject[1].decode(), int(uid[1]), plain(flags[1].decode().split()))


def plain(flags: list[str]) -> Flags:
    """Flags without the session's own ``\\Recent``."""
    return frozenset(flag for flag in flags if flag != "\\Recent")


def append_uid(text: str) -> tuple[int, int]:
    """UIDVALIDITY and UID from an answer to APPEND (RFC 4315)."""
    found = _APPEND_UID.search(text.encode())
    assert found, text
    return int(found[1]), int(found[2])


class Lmtp(Smtp):
    """One LMTP connection; after DATA there is a reply for each recipient."""

    @classmethod
    async def begin(cls, port: int, login: str = "") -> Lmtp:
        """Greeted. Raises Lost."""
        client = cls(*await connect(port))
        with client.kept():
            good(await client.reply())
            good(await client.ask(b"LHLO flood.test\r\n"))
        return client


class Pop(Wire):
    """One POP3 connection; ``begin`` first."""

    @classmethod
    async def begin(cls, port: int, login: str) -> Pop:
        """Logged in. Raises Lost, also when another session has the inbox."""
        client = cls(*await connect(port))
        with client.kept():
            await client.line()
            for command in (f"USER {login}", f"PASS {PASSWORD}"):
                if not (said := await client.ask(command)).startswith(b"+OK"):
                    raise Lost(said.decode())
        return client

    async def ask(self, command: str) -> bytes:
        """The first line of the answer."""
        self.send(command.encode() + b"\r\n")
        return await self.line()

    async def subjects(self, most: int) -> dict[int, str]:
        """The subjects of the first messages, by number."""
        count = min(int((await self.ask("STAT")).split()[1]), most)
        self.send(b"".join(b"TOP %d 0\r\n" % number for number in range(1, count + 1)))
        found = {}
        for number in range(1, count + 1):
            line = await self.line()
            while line.startswith(b"+OK") or line != b".\r\n":
                if line.startswith(b"-ERR"):
                    break
                if line.startswith(b"Subject: "):
                    found[number] = line[9:].decode().strip()
                line = await self.line()
        return found


class AdminLine(Wire):
    """One connection of the administration protocol; ``begin`` first."""

    number = 0

    @classmethod
    async def begin(cls, port: int, login: str) -> AdminLine:
        """Logged in. Raises Lost."""
        client = cls(*await connect(port))
        with client.kept():
            await client.line()
            if (result := await client.ask(f'LOGIN {login} "{PASSWORD}"')).status != "OK":
                raise Lost(result.text)
        return client

    async def ask(self, command: str) -> Result:
        """One operation. Raises Lost."""
        self.number += 1
        tag = b"a%d" % self.number
        self.send(tag + b" " + command.encode() + b"\r\n")
        lines: list[bytes] = []
        while not (line := await self.line()).startswith(tag + b" "):
            lines.append(line)
        status, _, text = line[len(tag) + 1 :].decode().strip().partition(" ")
        return Result(status, text, lines)
