"""The server side of IMAP's wire as a pure core: octets in, commands out (RFC 9051 §2.2, §4.3; RFC 7888 LITERAL+).

The core cuts the stream into commands: lines, and literals announced at a line's end by ``{n}`` (the client waits for
``+``) or ``{n+}`` (it does not). A whole command goes to ``parse``. What is too large is never collected: a waiting client
is refused at once; what comes without waiting is skipped up to a bound, past which the connection cannot be saved.

States: in a line; in a literal, collecting; and both again while skipping the rest of a refused command (``_refusal``).
Every octet is looked at once, and at most ``Limits`` of them are held. The core knows neither accounts nor mailboxes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from posthouse.protocols.imap.commands import Command
from posthouse.protocols.imap.events import BadCommand, Line, NeedContinuation
from posthouse.protocols.imap.parse import PARSERS, name_of, parse, tag_of
from posthouse.protocols.imap.scanner import Malformed

Event = Command | NeedContinuation | BadCommand | Line

_ANNOUNCED = re.compile(rb"~?\{(\d+)(\+?)\}")
_WITH_MESSAGES = (b"APPEND", b"REPLACE")
_TAIL_BYTES = 64  # of a skipped line's end: room for the announcement of a literal
_ENDLESS = 1 << 62


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of what a client may send.

    ``line_bytes``: a command without its literals. ``append_bytes``: all messages of one APPEND or REPLACE together.
    ``literal_bytes``: the literals of any other command together. ``login_bytes``: line, and literals, before login.
    ``literals``: how many of them in a command. ``skip_bytes``: how much of a refused command is read past (of an APPEND
    of a user, as much as could have been accepted).
    """

    line_bytes: int = 65_536
    append_bytes: int = 134_217_728
    literal_bytes: int = 262_144
    login_bytes: int = 16_384
    literals: int = 256
    skip_bytes: int = 1_048_576


class ImapCore:
    """One connection's receiving side. The session sets ``authenticated`` after login (until then less is accepted) and
    ``utf8`` after ENABLE IMAP4rev2 or UTF8=ACCEPT (mailbox names are UTF-8 then). ``room_bytes`` is what a message may measure
    for which there is room at this moment."""

    __slots__ = (
        "_data",
        "_dead",
        "_expecting",
        "_fragments",
        "_literal",
        "_literal_total",
        "_literals",
        "_name",
        "_partial",
        "_pos",
        "_refusal",
        "_skip_limit",
        "_skipped",
        "_text_bytes",
        "_wanted",
        "authenticated",
        "limits",
        "room_bytes",
        "utf8",
    )

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.utf8 = False
        self.authenticated = False
        self.room_bytes = limits.append_bytes
        self._data = b""
        self._pos = 0
        self._dead = False
        self._expecting = False
        self._partial = bytearray()
        self._literal = bytearray()
        self._wanted = 0
        self._fragments: list[bytes] = []
        self._text_bytes = 0
        self._literals: list[bytes] = []
        self._literal_total = 0
        self._name = b""
        self._refusal: BadCommand | None = None
        self._skipped = 0
        self._skip_limit = limits.skip_bytes

    def receive(self, data: bytes) -> None:
        """Takes the next octets. Call ``next_command`` until it gives None before the next call."""
        if self._dead:
            return
        self._data = self._data[self._pos :] + data if self._pos < len(self._data) else data
        self._pos = 0

    def next_command(self) -> Event | None:
        """The next event; None: more octets are needed. After a fatal ``BadCommand`` nothing comes any more."""
        while self._pos < len(self._data):
            if self._wanted:
                self._take_literal()
                continue
            line = self._take_line()
            event = self._on_line(line) if line is not None else self._too_much()
            if event is not None:
                return event
        return None

    @property
    def between(self) -> bool:
        """Whether a literal has come in and not one octet of the rest of its line: clients often write them apart."""
        return bool(self._literals) and not self._wanted and not self._partial

    @property
    def held_bytes(self) -> int:
        """Octets in memory of the command that is coming in."""
        return len(self._partial) + (self._literal_total - self._wanted if self._refusal is None else 0)

    def refuse_literals(self) -> None:
        """Lets go of the message that is coming in, if one is; the rest is skipped, and the answer is the refusal."""
        if self._fragments and self._refusal is None and self._name in _WITH_MESSAGES:
            self._refuse_for_room()

    def expect_line(self) -> None:
        """The next line is not a command: it comes as ``Line`` (IDLE's DONE, AUTHENTICATE's responses)."""
        self._expecting = True

    def clear(self) -> bytes:
        """Forgets, and gives, what was received and not used yet (STARTTLS: nothing may cross into TLS)."""
        rest = bytes(self._partial) + self._data[self._pos :]
        self._partial.clear()
        self._data = b""
        self._pos = 0
        return rest

    # --- octets to lines and literals

    @property
    def _line_limit(self) -> int:
        return self.limits.line_bytes if self.authenticated else min(self.limits.login_bytes, self.limits.line_bytes)

    def _take_line(self) -> bytes | None:
        """The line that ends in what is here, without its line end; else None, and all of it is put aside."""
        data, pos = self._data, self._pos
        end = data.find(b"\n", pos)
        if end < 0:
            self._partial += data[pos:] if pos else data
            self._data = b""
            self._pos = 0
            if self._refusal is not None:
                self._skip_partial()
            elif len(self._partial) + self._text_bytes > self._line_limit:
                self._refuse(bytes(self._partial), "Command line is too long", code="TOOBIG")
                self._skip_partial()
            return None
        self._pos = end + 1
        line = data[pos:end]
        if self._partial:
            self._partial += line
            line = bytes(self._partial)
            self._partial.clear()
        if line.endswith(b"\r"):
            line = line[:-1]
        if self._refusal is not None:
            self._skipped += len(line)
        elif len(line) + self._text_bytes > self._line_limit:
            self._refuse(line, "Command line is too long", code="TOOBIG")
        return line

    def _skip_partial(self) -> None:
        self._skipped += max(len(self._partial) - _TAIL_BYTES, 0)
        del self._partial[:-_TAIL_BYTES]

    def _take_literal(self) -> None:
        data, pos = self._data, self._pos
        end = min(pos + self._wanted, len(data))
        self._wanted -= end - pos
        self._pos = end
        if self._refusal is not None:
            return
        if not self._wanted and not self._literal:
            self._literals.append(data[pos:end])
            return
        self._literal += memoryview(data)[pos:end]
        if not self._wanted:
            self._literals.append(bytes(self._literal))
            self._literal = bytearray()

    # --- lines to events

    def _on_line(self, line: bytes) -> Event | None:
        if self._expecting:
            return self._expected(line)
        if line.endswith(b"}"):
            announced = _ANNOUNCED.fullmatch(line, line.rfind(b"{") - line.endswith(b"~", 0, line.rfind(b"{")))
            if announced is not None:
                size = int(announced[1]) if len(announced[1]) < 19 else _ENDLESS
                return self._on_literal(line, size, waits=not announced[2])
        if self._refusal is not None:
            return self._too_much() or self._end(self._refusal)
        text = b"".join(self._fragments) + line if self._fragments else line
        literals = self._literals
        if self._fragments:
            self._reset()
        elif not line.strip():
            return None
        try:
            return parse(text, literals, utf8=self.utf8)
        except Malformed as error:
            return BadCommand(tag_of(text), error.text, error.status, error.code)

    def _expected(self, line: bytes) -> Event | None:
        self._expecting = False
        if self._refusal is None:
            return Line(line)
        self._dead = True
        self._data = b""
        return BadCommand(b"*", "Line is too long", fatal=True)

    def _on_literal(self, line: bytes, size: int, *, waits: bool) -> Event | None:
        """A literal of ``size`` octets was announced at the end of ``line``; the client ``waits`` for leave, or not."""
        if self._refusal is None:
            self._judge(line, size)
        if self._refusal is not None:
            if waits:
                return self._too_much() or self._end(self._refusal)
            self._skipped += size
            self._wanted = size
            return self._too_much()
        self._fragments.append(line + b"\n")
        self._text_bytes += len(line)
        self._literal_total += size
        self._wanted = size
        if not size:
            self._literals.append(b"")
        return NeedContinuation() if waits else None

    def _judge(self, line: bytes, size: int) -> None:
        """Refuses the command if this literal is more than it may have."""
        if not self._fragments:
            self._name = name_of(line)
            if self._name not in PARSERS and self._name != b"UID":
                self._refuse(line, "Unknown command")
                return
        limits = self.limits
        append = self._name in _WITH_MESSAGES and self.authenticated
        allowed = limits.append_bytes if append else limits.literal_bytes if self.authenticated else limits.login_bytes
        if self._literal_total + size > allowed:
            self._refuse(line, "Literal is too large", code="TOOBIG", status="NO" if append else "BAD")
            self._skip_limit = max(limits.skip_bytes, allowed)
        elif append and size > self.room_bytes:
            self._refuse_for_room(line)
        elif len(self._literals) >= limits.literals:
            self._refuse(line, "Too many literals", code="LIMIT")

    def _refuse(self, line: bytes, text: str, *, code: str = "", status: str = "BAD") -> None:
        """From here to its end the command is only skipped; ``line`` is where its tag stands if it is the first."""
        tag = tag_of((self._fragments[0] if self._fragments else line)[:256])
        self._refusal = BadCommand(tag, text, "NO" if status == "NO" else "BAD", code)
        self._fragments.clear()
        self._literals = []
        self._skipped = 0
        self._skip_limit = self.limits.skip_bytes

    def _refuse_for_room(self, line: bytes = b"") -> None:
        self._refuse(line, "Too much is coming in at once, try again later", code="UNAVAILABLE", status="NO")
        self._literal = bytearray()
        self._skip_limit = max(self.limits.skip_bytes, self.limits.append_bytes)

    def _too_much(self) -> BadCommand | None:
        """The end, if more was skipped than is worth it."""
        refusal = self._refusal
        if refusal is None or self._skipped <= self._skip_limit:
            return None
        self._dead = True
        self._data = b""
        self._pos = 0
        self._partial.clear()
        return BadCommand(refusal.tag, refusal.text, refusal.status, refusal.code, fatal=True)

    def _end(self, refusal: BadCommand) -> BadCommand:
        self._reset()
        return refusal

    def _reset(self) -> None:
        self._fragments = []
        self._literals = []
        self._text_bytes = 0
        self._literal_total = 0
        self._refusal = None
        self._skipped = 0
