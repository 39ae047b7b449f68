"""What the tests with real mail clients share: raw connections to line protocols, PROXY headers, programs run as clients.

Everything here speaks to a running node from outside, over sockets; nothing knows the program's own code.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import re
import smtplib
import socket
import ssl
import struct
import subprocess
import zlib
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from support.node import PASSWORD, Node

LOCALHOST = "127.0.0.1"
_LITERAL = re.compile(rb"\{(\d+)\}$")


def trusting_tls() -> ssl.SSLContext:
    """A client's context that takes self-made certificates."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def proxy_v1(client: str, port: int = 40_000) -> bytes:
    """The PROXY protocol's text header that gives ``client`` as the true address (DEP-6)."""
    version = ipaddress.ip_address(client).version
    server = "192.0.2.1" if version == 4 else "2001:db8::1"
    return f"PROXY TCP{version} {client} {server} {port} 25\r\n".encode()


def proxy_v2(client: str, port: int = 40_000) -> bytes:
    """The same in the binary form, with an empty TLV at the end that servers must step over."""
    source = ipaddress.ip_address(client)
    server = ipaddress.ip_address("192.0.2.1" if source.version == 4 else "2001:db8::1")
    body = source.packed + server.packed + struct.pack("!HH", port, 25) + b"\x04\x00\x02\x00\x00"
    family = 0x11 if source.version == 4 else 0x21
    return b"\r\n\r\n\x00\r\nQUIT\n" + struct.pack("!BBH", 0x21, family, len(body)) + body


class Proxied(smtplib.SMTP):
    """A client as a balancer at 127.0.0.2 shows it: at the address that it names. Those at 127.0.0.1 come straight."""

    BALANCER = "127.0.0.2"

    def __init__(self, port: int, address: str) -> None:
        self.shown = address
        super().__init__(LOCALHOST, port, "client.elsewhere.test", timeout=30)

    def _get_socket(self, host: str, port: int, timeout: float | None) -> socket.socket:
        made = socket.create_connection((host, port), timeout, (self.BALANCER, 0))
        made.sendall(proxy_v1(self.shown))
        return made


class Wire:
    """A raw connection: lines out, lines in. ``first`` goes out before all else, also before TLS."""

    def __init__(self, port: int, *, tls: bool = False, first: bytes = b"", timeout_s: float = 60.0) -> None:
        self.socket = socket.create_connection((LOCALHOST, port), timeout=timeout_s)
        self.socket.sendall(first)
        self._buffer = b""
        self._deflate: zlib._Compress | None = None
        self._inflate: zlib._Decompress | None = None
        if tls:
            self.start_tls()

    def start_tls(self, context: ssl.SSLContext | None = None) -> None:
        assert not self._buffer, f"octets before TLS: {self._buffer!r}"
        self.socket = (context or trusting_tls()).wrap_socket(self.socket)

    def send(self, data: str | bytes) -> None:
        """Text gets its CRLF, octets go as they are."""
        octets = data.encode() + b"\r\n" if isinstance(data, str) else data
        if self._deflate is not None:
            octets = self._deflate.compress(octets) + self._deflate.flush(zlib.Z_SYNC_FLUSH)
        self.socket.sendall(octets)

    def compress(self) -> None:
        """Raw DEFLATE both ways from here on (RFC 4978)."""
        assert not self._buffer, f"octets before compression: {self._buffer!r}"
        self._deflate = zlib.compressobj(wbits=-15)
        self._inflate = zlib.decompressobj(wbits=-15)

    def line(self) -> bytes:
        """The next line without its CRLF; raises EOFError at the end of the stream."""
        while b"\r\n" not in self._buffer:
            self._more()
        line, _, self._buffer = self._buffer.partition(b"\r\n")
        return line

    def octets(self, size: int) -> bytes:
        while len(self._buffer) < size:
            self._more()
        found, self._buffer = self._buffer[:size], self._buffer[size:]
        return found

    def _more(self) -> None:
        chunk = self.socket.recv(1 << 16)
        if not chunk:
            raise EOFError(f"the server closed the connection after {self._buffer!r}")
        self._buffer += chunk if self._inflate is None else self._inflate.decompress(chunk)

    def ends(self) -> bool:
        """Whether the server closes the connection, saying nothing more."""
        try:
            self._more()
        except (EOFError, ConnectionResetError):
            return True
        return False

    def close(self) -> None:
        self.socket.close()

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


class SmtpWire(Wire):
    """SMTP by hand."""

    def replies(self, count: int = 1) -> list[str]:
        """So many replies, each on one line: ``250 2.1.0 Ok`` or ``250 first\\nsecond``."""
        found = []
        for _ in range(count):
            lines = [self.line().decode()]
            while lines[-1][3:4] == "-":
                lines.append(self.line().decode())
            found.append(lines[0][:3] + " " + "\n".join(line[4:] for line in lines))
        return found

    def ask(self, command: str | bytes) -> str:
        self.send(command)
        return self.replies()[0]

    def greeted(self, name: str = "client.elsewhere.test") -> str:
        """Takes the greeting; gives the answer to EHLO."""
        greeting = self.replies()[0]
        assert greeting.startswith("220 "), greeting
        return self.ask(f"EHLO {name}")

    def __enter__(self) -> SmtpWire:
        return self


class Answer(NamedTuple):
    """The answer to an IMAP command: untagged lines, literals included, and the tagged line without its tag."""

    lines: list[bytes]
    end: str

    def of(self, word: str) -> list[bytes]:
        """The untagged lines with this word, ``FETCH`` or ``LIST``, without their star."""
        wanted = word.encode()
        return [line[2:] for line in self.lines if wanted in line.split(None, 3)[1:3]]


class ImapWire(Wire):
    """IMAP by hand, as the great clients do it: tags, literals, continuations."""

    def __init__(self, port: int, *, tls: bool = False, first: bytes = b"") -> None:
        super().__init__(port, tls=tls, first=first)
        self._tag = 0
        self.greeting = self.line().decode()

    def response(self) -> bytes:
        """One response with its literals in place."""
        whole = b""
        while True:
            line = self.line()
            whole += line
            literal = _LITERAL.search(line)
            if literal is None:
                return whole
            whole += b"\r\n" + self.octets(int(literal[1]))

    def begin(self, text: str) -> str:
        """Sends a command; gives its tag."""
        self._tag += 1
        tag = f"a{self._tag:03}"
        self.send(f"{tag} {text}")
        return tag

    def finish(self, tag: str) -> Answer:
        lines: list[bytes] = []
        while not (line := self.response()).startswith(tag.encode() + b" "):
            lines.append(line)
        return Answer(lines, line.decode().removeprefix(tag + " "))

    def ask(self, text: str, *literals: bytes) -> Answer:
        """A command; its literals are announced as ``{n}`` in ``text`` and sent when the server asks for them."""
        pieces = re.split(r"(?<=\{\d\})|(?<=\{\d\d\})|(?<=\{\d\d\d\})|(?<=\{\d\d\d\d\})", text)
        tag = self.begin(pieces[0])
        for literal, rest in zip(literals, pieces[1:], strict=True):
            line = self.response()
            assert line.startswith(b"+"), line
            self.send(literal + rest.encode() + b"\r\n")
        return self.finish(tag)

    def good(self, text: str, *literals: bytes) -> Answer:
        answer = self.ask(text, *literals)
        assert answer.end.startswith("OK"), f"{text}: {answer.end}"
        return answer

    def starttls(self) -> None:
        self.good("STARTTLS")
        self.start_tls()

    def login(self, user: str, password: str = PASSWORD) -> Answer:
        return self.good(f'LOGIN "{user}" "{password}"')

    def __enter__(self) -> ImapWire:
        return self


class ProxiedSmtp(smtplib.SMTP):
    """smtplib behind a balancer that says who the client is."""

    def __init__(self, port: int, header: bytes) -> None:
        self._header = header
        super().__init__(LOCALHOST, port, timeout=30)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        peer = socket.create_connection((host, port), timeout)
        peer.sendall(self._header)
        return peer


def run_client(
    *command: str, home: Path, stdin: str = "", timeout_s: float = 100.0, statuses: tuple[int, ...] = (0,)
) -> subprocess.CompletedProcess[str]:
    """A client program with a home folder of its own; fails if its exit status is none of ``statuses``."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8", "TERM": "xterm", "USER": "tester"}
    done = subprocess.run(
        command, input=stdin, capture_output=True, text=True, timeout=timeout_s, env=environment, cwd=home, errors="replace"
    )
    assert done.returncode in statuses, f"{command} ended with {done.returncode}:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done


def subjects(node: Node, user: str, mailbox: str = "INBOX") -> list[str]:
    """The subjects in a mailbox, oldest first, as any IMAP client sees them."""
    with contextlib.closing(ImapWire(node.ports["imap"])) as wire:
        wire.login(user)
        answer = wire.ask(f'EXAMINE "{mailbox}"')
        if not answer.end.startswith("OK"):
            return []
        fetched = wire.good("UID FETCH 1:* (BODY.PEEK[HEADER.FIELDS (SUBJECT)])").of("FETCH")
        wire.good("LOGOUT")
    return [found[1].decode().strip() if (found := re.search(rb"(?i)\nSubject:([^\r\n]*)", line)) else "" for line in fetched]


def message_of(node: Node, user: str, subject: str, mailbox: str = "INBOX") -> bytes:
    """The one message with this subject, whole."""
    with node.imap(user) as client:
        client.select(f'"{mailbox}"', readonly=True)
        _, found = client.search(None, "SUBJECT", f'"{subject}"')
        numbers = found[0].split()
        assert len(numbers) == 1, f"{len(numbers)} messages with the subject {subject!r}"
        _, fetched = client.fetch(numbers[0].decode(), "(BODY.PEEK[])")
        whole = fetched[0]
        assert isinstance(whole, tuple)
        return bytes(whole[1])


def server_state(node: Node, user: str) -> list[bytes]:
    """Counts, UIDNEXT and HIGHESTMODSEQ of every mailbox: unchanged if no client changed anything."""
    with ImapWire(node.ports["imap"]) as wire:
        wire.login(user)
        answer = wire.good('LIST "" "*" RETURN (STATUS (MESSAGES UNSEEN UIDNEXT UIDVALIDITY HIGHESTMODSEQ SIZE))')
    return sorted(answer.of("STATUS"))
