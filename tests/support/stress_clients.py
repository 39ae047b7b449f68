"""Two IMAP clients of different make for the stress test: one on a bare socket, one on the standard library's imaplib.

Both give an ``Answer``: the untagged responses as events in the order in which they came, and how the command ended.
"""

from __future__ import annotations

import imaplib
import re
import socket
from dataclasses import dataclass, field
from typing import Any, cast

_LITERAL = re.compile(rb"\{(\d+)\}$")
_NUMBERED = re.compile(rb"\* (\d+) (EXISTS|EXPUNGE|RECENT|FETCH)(?: (.*))?$", re.DOTALL)
_UID = re.compile(rb"\bUID (\d+)")
_FLAGS = re.compile(rb"\bFLAGS \(([^)]*)\)")
_MOD_SEQ = re.compile(rb"\bMODSEQ \((\d+)\)")


@dataclass(frozen=True, slots=True)
class Command:
    """``words`` as imaplib takes them, the first is the name; ``message`` for APPEND and REPLACE."""

    words: tuple[str, ...]
    uid: bool = False
    message: bytes | None = None

    @property
    def name(self) -> str:
        return self.words[0]

    def octets(self) -> bytes:
        text = ("UID " if self.uid else "") + " ".join(self.words)
        if self.message is None:
            return text.encode()
        return f"{text} {{{len(self.message)}+}}\r\n".encode() + self.message


@dataclass(frozen=True, slots=True)
class Event:
    """``kind`` is EXISTS, EXPUNGE, FETCH, VANISHED, EARLIER, SEARCH, SORT or OK. ``number`` is a message number."""

    kind: str
    number: int = 0
    uid: int | None = None
    flags: frozenset[str] | None = None
    mod_seq: int | None = None
    body: bytes | None = None
    numbers: tuple[int, ...] = ()
    text: str = ""


@dataclass(slots=True)
class Answer:
    status: str = ""
    text: str = ""
    events: list[Event] = field(default_factory=list)

    def of(self, kind: str) -> list[Event]:
        return [event for event in self.events if event.kind == kind]


def spread(text: str) -> tuple[int, ...]:
    """The numbers of a set without ``*``."""
    out: list[int] = []
    for part in filter(None, text.split(",")):
        low, _, high = part.partition(":")
        first, last = int(low), int(high or low)
        out += range(first, last + 1) if first <= last else range(first, last - 1, -1)
    return tuple(out)


def event_of(line: bytes, literals: list[bytes]) -> Event:
    """An untagged response whose literals have been taken out."""
    match = _NUMBERED.match(line)
    if match is not None:
        number, kind, rest = int(match[1]), match[2].decode(), match[3] or b""
        if kind != "FETCH":
            return Event(kind, number)
        uid, flags, mod_seq = _UID.search(rest), _FLAGS.search(rest), _MOD_SEQ.search(rest)
        return Event(
            kind,
            number,
            uid=int(uid[1]) if uid else None,
            flags=frozenset(flags[1].decode().split()) if flags else None,
            mod_seq=int(mod_seq[1]) if mod_seq else None,
            body=literals[0] if literals else None,
        )
    text = line.decode()
    if text.startswith("* VANISHED (EARLIER) "):
        return Event("EARLIER", numbers=spread(text.split()[3]))
    if text.startswith("* VANISHED "):
        return Event("VANISHED", numbers=spread(text.split()[2]))
    for kind in ("SEARCH", "SORT"):
        if text.startswith(f"* {kind}"):
            return Event(kind, numbers=tuple(map(int, text.partition(" (")[0].split()[2:])))
    return Event("OK", text=text)


class RawClient:
    """A bare socket; commands can be sent many at a time."""

    def __init__(self, port: int, login: str, password: str) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._file = self._socket.makefile("rb")
        self._number = 0
        self._file.readline()
        assert self.run(Command(("LOGIN", f'"{login}"', f'"{password}"'))).status == "OK"

    def run(self, command: Command) -> Answer:
        return self.run_all([command])[0]

    def run_all(self, commands: list[Command]) -> list[Answer]:
        """Sends all at once, then reads the answers."""
        tags = [f"r{self._number + number}" for number in range(1, len(commands) + 1)]
        self._number += len(commands)
        pairs = zip(tags, commands, strict=True)
        self._socket.sendall(b"".join(b"%b %b\r\n" % (tag.encode(), command.octets()) for tag, command in pairs))
        return [self._answer(tag.encode()) for tag in tags]

    def _answer(self, tag: bytes) -> Answer:
        answer = Answer()
        while True:
            line, literals = self._line()
            if line.startswith(tag + b" "):
                _, status, text = line.decode().split(" ", 2)
                answer.status, answer.text = status, text
                return answer
            if line.startswith(b"* BYE"):
                raise AssertionError(line)
            if not line.startswith(b"+ "):
                assert line.startswith(b"* "), line
                answer.events.append(event_of(line, literals))

    def _line(self) -> tuple[bytes, list[bytes]]:
        line, literals = b"", list[bytes]()
        while True:
            raw = self._file.readline()
            assert raw.endswith(b"\r\n"), raw
            line += raw[:-2]
            match = _LITERAL.search(line)
            if match is None:
                return line, literals
            literals.append(self._file.read(int(match[1])))
            line = line[: match.start()]

    def close(self) -> None:
        self._file.close()
        self._socket.close()


class _Logging(imaplib.IMAP4):
    """imaplib loses the order between kinds of responses; this keeps it."""

    def __init__(self, port: int) -> None:
        self.log: list[tuple[str, Any]] = []
        super().__init__("127.0.0.1", port, timeout=60)

    def _append_untagged(self, typ: str, dat: Any) -> None:
        self.log.append((typ, dat))
        super()._append_untagged(typ, dat)  # type: ignore[misc]


class LibraryClient:
    """The standard library's client, one command at a time."""

    def __init__(self, port: int, login: str, password: str) -> None:
        self._imap = _Logging(port)
        self._imap.login(f'"{login}"', password)

    def run(self, command: Command) -> Answer:
        imap, answer = self._imap, Answer()
        imap.log.clear()
        try:
            if command.message is not None:
                status, data = cast(Any, imap).append(command.words[1], command.words[2], "", command.message)
            elif command.name == "SELECT":
                status, data = imap.select(command.words[1])
            elif command.uid:
                status, data = imap.uid(*command.words)
            else:
                status, data = imap._simple_command(*command.words)
            answer.status, answer.text = status, data[0].decode() if data and isinstance(data[0], bytes) else ""
        except imaplib.IMAP4.error as error:
            answer.status = "BAD"
            answer.text = str(error)
        self._take_events(answer)
        return answer

    def _take_events(self, answer: Answer) -> None:
        waiting: list[tuple[str, Any]] = list(self._imap.log)
        self._imap.untagged_responses.clear()
        while waiting:
            kind, data = waiting.pop(0)
            literals: list[bytes] = []
            text = b""
            while isinstance(data, tuple):
                text += _LITERAL.sub(b"", data[0])
                literals.append(data[1])
                _, data = waiting.pop(0)
            text += data or b""
            if kind in ("EXISTS", "EXPUNGE", "RECENT"):
                answer.events.append(Event(kind, int(text)))
            elif kind == "FETCH":
                number, _, rest = text.partition(b" ")
                answer.events.append(event_of(b"* %b FETCH %b" % (number, rest), literals))
            elif kind in ("SEARCH", "SORT"):
                answer.events.append(Event(kind, numbers=tuple(map(int, text.split()))))
            else:
                answer.events.append(Event("OK", text=f"* {kind} {text.decode()}"))

    def close(self) -> None:
        self._imap.shutdown()
