"""The POP3 server core: octets to events to octets (RFC 1939, 2449, 2595, 3206, 5034, 6856).

As in the SMTP core: ``receive``, ``next_event`` (None: read more), one answer for each event, pipelined commands wait in
the buffer. At login the driver hands over the maildrop (``opened``); from then on the core answers all but RETR, TOP and
QUIT by itself. It reads no mail and checks no password.

    state          commands                                                          leaves it
    AUTHORIZATION  USER PASS AUTH STLS UTF8 CAPA LANG NOOP* QUIT                       ``opened`` -> TRANSACTION
    SASL           an answer to a challenge, or *                                     ``opened``, or back
    TLS            nothing: handshake awaited                                         ``tls_started`` -> AUTHORIZATION
    TRANSACTION    STAT LIST UIDL RETR TOP DELE RSET NOOP CAPA LANG QUIT              QUIT -> UPDATE
    UPDATE         nothing: the driver removes messages, then ``accept`` or ``refuse`` -> CLOSED

APOP is not offered: it needs passwords kept in clear text. (* not in RFC 1939, harmless, and used by some clients.)
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from enum import Enum, auto

from posthouse.protocols.lines import LineBuffer, LineRefused
from posthouse.protocols.pop3 import answers
from posthouse.protocols.pop3 import events as ev
from posthouse.protocols.pop3.config import PopConfig, capabilities
from posthouse.protocols.pop3.maildrop import Entry, Maildrop, NoSuchMessage
from posthouse.protocols.smtp.replies import LocalProtocolError

__all__ = ["PopConfig", "PopCore", "Refusal", "State"]

MAX_LINES = 1_000_000_000


class State(Enum):
    """See the table at the head of this file."""

    AUTHORIZATION = auto()
    SASL = auto()
    TLS = auto()
    TRANSACTION = auto()
    UPDATE = auto()
    CLOSED = auto()


class Refusal(Exception):
    """Raised by the commands' methods; becomes a ``ProtocolError``."""

    def __init__(self, text: str, code: str = "") -> None:
        super().__init__(text)
        self.answer = answers.err(text, code)


class PopCore:
    """One connection. ``state``, ``errors`` and ``utf8`` may be read at any time."""

    def __init__(self, config: PopConfig) -> None:
        self.config = config
        self.state = State.AUTHORIZATION
        self.errors = 0
        self.utf8 = False
        self._stls = config.stls
        self._mechanisms = config.mechanisms
        self._plaintext = config.plaintext
        self._lines = LineBuffer(config.max_line, config.max_auth_line, strict=False)
        self._user = ""
        self._maildrop = Maildrop()
        self._pending: ev.Event | None = None

    @property
    def closed(self) -> bool:
        """Whether nothing more is read from this client: flush what was written, then close."""
        return self.state is State.CLOSED

    def offer(
        self, *, stls: bool | None = None, mechanisms: Sequence[str] | None = None, plaintext: bool | None = None
    ) -> None:
        """Changes what is offered and accepted from now on."""
        self._stls = self._stls if stls is None else stls
        self._mechanisms = self._mechanisms if mechanisms is None else tuple(mechanisms)
        self._plaintext = self._plaintext if plaintext is None else plaintext

    def greeting(self) -> bytes:
        """The first line. It holds no ``<...>``, so no client tries APOP."""
        return answers.ok(f"{self.config.hostname} POP3 ready")

    def close(self, text: str, code: str = "") -> bytes:
        """Ends the connection with ``-ERR`` at any moment: time-out, draining. Nothing is removed (RFC 1939 §3)."""
        self._pending = None
        self._end()
        return answers.err(text, code)

    def tls_started(self) -> None:
        """The handshake is done: what was learnt in clear text is forgotten, octets in the buffer too."""
        if self.state is not State.TLS:
            raise LocalProtocolError("no STLS was accepted")
        self._lines.clear()
        self._stls = self.utf8 = False
        self._user = ""
        self.state = State.AUTHORIZATION

    def receive(self, data: bytes) -> None:
        """Takes in what was read; never raises. Read on only when ``next_event`` gave None: then little is held."""
        if self.state is not State.CLOSED and self.state is not State.TLS:
            self._lines.receive(data)

    # From octets to events

    def next_event(self) -> ev.Event | None:
        """The next thing that the client did; None when more octets are needed, or when ``closed``.

        Raises LocalProtocolError if the event before was not answered.
        """
        if self._pending is not None:
            raise LocalProtocolError(f"{type(self._pending).__name__} is not answered yet")
        if self.state in (State.CLOSED, State.TLS, State.UPDATE):
            return None
        if self.errors >= self.config.max_errors:
            self._pending = ev.ProtocolError(answers.err("Too many errors", "SYS/PERM"), closes=True)
        else:
            self._pending = self._next_command()
        return self._pending

    def _next_command(self) -> ev.Event | None:
        try:
            sasl = self.state is State.SASL
            line = self._lines.next_line(auth=sasl)
            if line is None:
                return None
            return self._auth_line(line) if sasl else self._command(line)
        except LineRefused as refused:
            self._leave_sasl()
            self.errors += 1
            return ev.ProtocolError(answers.err(refused.text), refused.closes)
        except NoSuchMessage:
            self.errors += 1
            return ev.ProtocolError(answers.err("No such message"))
        except Refusal as refusal:
            self._leave_sasl()
            self.errors += 1
            return ev.ProtocolError(refusal.answer)

    def _leave_sasl(self) -> None:
        if self.state is State.SASL:
            self.state = State.AUTHORIZATION

    def _command(self, line: str) -> ev.Event:
        verb, _, argument = line.partition(" ")
        verb = verb.upper()
        command = _COMMANDS.get(verb)
        if command is None:
            raise Refusal("Unknown command")
        states, run = command
        if self.state not in states:
            raise Refusal(f"{verb} is not possible now")
        if not line.isascii() and not (self.utf8 and verb in ("USER", "PASS")):
            raise Refusal("Only ASCII is allowed here")
        return run(self, argument)

    def _capa(self, argument: str) -> ev.Event:
        _nothing(argument)
        before = self.state is State.AUTHORIZATION
        lines = capabilities(
            self.config, stls=before and self._stls, plaintext=before and self._plaintext, mechanisms=self._mechanisms
        )
        return ev.Handled("CAPA", answers.listing("Capabilities follow", lines))

    def _user_name(self, argument: str) -> ev.Event:
        self._check_plaintext()
        if not argument:
            raise Refusal("USER needs a name")
        self._user = argument
        return ev.Handled("USER", answers.ok("Send the password"))

    def _pass(self, argument: str) -> ev.Event:
        """All that follows the space is the password, spaces too (RFC 1939 §7)."""
        self._check_plaintext()
        if not self._user:
            raise Refusal("USER comes first")
        login, self._user = self._user, ""
        return ev.Login(login, argument)

    def _check_plaintext(self) -> None:
        if not self._plaintext:
            raise Refusal("Passwords in clear text need TLS", "SYS/PERM")

    def _auth(self, argument: str) -> ev.Event:
        if not argument:
            return ev.Handled("AUTH", answers.listing("Mechanisms follow", self._mechanisms))
        mechanism, _, initial = argument.partition(" ")
        mechanism = mechanism.upper()
        if mechanism not in self._mechanisms:
            raise Refusal("This mechanism is not offered")
        if not initial:
            return ev.Auth(mechanism, None)
        return ev.Auth(mechanism, b"" if initial == "=" else _decode(initial))

    def _auth_line(self, line: str) -> ev.Event:
        if line == "*":
            raise Refusal("Authentication cancelled")
        return ev.AuthLine(_decode(line))

    def _stls_command(self, argument: str) -> ev.Event:
        _nothing(argument)
        if not self._stls:
            raise Refusal("STLS is not offered")
        return ev.StartTls()

    def _utf8_mode(self, argument: str) -> ev.Event:
        _nothing(argument)
        self.utf8 = True
        return ev.Handled("UTF8", answers.ok("UTF8 enabled"))

    def _lang(self, argument: str) -> ev.Event:
        """Answers are in English; ``i-default`` must be there (RFC 6856 §3)."""
        if not argument:
            return ev.Handled("LANG", answers.listing("Languages follow", ["i-default Default", "en English"]))
        if argument != "*" and argument.lower() not in ("en", "i-default"):
            raise Refusal("This language is not supported")
        return ev.Handled("LANG", answers.ok(f"{'en' if argument == '*' else argument.lower()} English it is"))

    def _stat(self, argument: str) -> ev.Event:
        _nothing(argument)
        count, octets = self._maildrop.stat()
        return ev.Handled("STAT", answers.ok(f"{count} {octets}"))

    def _list(self, argument: str) -> ev.Event:
        drop = self._maildrop
        if argument:
            index = drop.index(argument)
            return ev.Handled("LIST", answers.ok(f"{index + 1} {drop.size_of(index)}"))
        count, octets = drop.stat()
        lines = [f"{index + 1} {entry.size_bytes}" for index, entry in drop.remaining()]
        return ev.Handled("LIST", answers.listing(f"{count} messages ({octets} octets)", lines))

    def _uidl(self, argument: str) -> ev.Event:
        drop = self._maildrop
        if argument:
            index = drop.index(argument)
            return ev.Handled("UIDL", answers.ok(f"{index + 1} {drop.uid_of(index)}"))
        lines = [f"{index + 1} {entry.uid}" for index, entry in drop.remaining()]
        return ev.Handled("UIDL", answers.listing("Unique-ids follow", lines))

    def _retr(self, argument: str) -> ev.Event:
        return ev.Retrieve(self._maildrop.index(argument))

    def _top(self, argument: str) -> ev.Event:
        number, _, lines = argument.partition(" ")
        if not (lines.isascii() and lines.isdigit()) or len(lines) > 10:
            raise Refusal("Syntax: TOP message lines")
        return ev.Retrieve(self._maildrop.index(number), min(int(lines), MAX_LINES))

    def _dele(self, argument: str) -> ev.Event:
        index = self._maildrop.index(argument)
        self._maildrop.delete(index)
        return ev.Handled("DELE", answers.ok(f"Message {index + 1} will be deleted"))

    def _rset(self, argument: str) -> ev.Event:
        _nothing(argument)
        self._maildrop.reset()
        return ev.Handled("RSET", answers.ok())

    def _noop(self, argument: str) -> ev.Event:
        return ev.Handled("NOOP", answers.ok())

    def _quit(self, argument: str) -> ev.Event:
        _nothing(argument)
        if self.state is State.AUTHORIZATION:
            return ev.Quit()
        self.state = State.UPDATE
        return ev.Quit(self._maildrop.deleted)

    # From answers to octets

    def accept(self, text: str = "") -> bytes:
        """Yes to STLS or QUIT (with ``text`` instead of the usual words), or the core's own answer."""
        event = self._take()
        if isinstance(event, ev.Handled):
            return event.answer
        if isinstance(event, ev.ProtocolError):
            if event.closes:
                self._end()
            return event.answer
        if isinstance(event, ev.StartTls):
            self.state = State.TLS
            self._lines.clear()
            return answers.ok(text or "Begin TLS")
        if isinstance(event, ev.Quit):
            self._end()
            return answers.ok(text or f"{self.config.hostname} signing off")
        raise LocalProtocolError(f"{type(event).__name__} wants another answer")

    def refuse(self, text: str, code: str = "") -> bytes:
        """No, to any event but ``Handled``. ``code``: ``AUTH``, ``IN-USE``, ``SYS/TEMP``, ``SYS/PERM``, or ""."""
        event = self._take()
        self._leave_sasl()
        if isinstance(event, (ev.Login, ev.Auth, ev.AuthLine)):
            self.errors += 1
        if isinstance(event, ev.Quit):
            self._end()
        return answers.err(text, code)

    def challenge(self, data: bytes) -> bytes:
        """Answers ``Auth`` or ``AuthLine``; the client's answer comes as ``AuthLine`` (RFC 5034 §4)."""
        event = self._take()
        if not isinstance(event, (ev.Auth, ev.AuthLine)):
            raise LocalProtocolError("a challenge answers AUTH")
        self.state = State.SASL
        return b"+ " + base64.b64encode(data) + b"\r\n"

    def opened(self, entries: Sequence[Entry]) -> bytes:
        """Yes to ``Login``, ``Auth`` or ``AuthLine``: the maildrop is locked and this is what it holds."""
        event = self._take()
        if not isinstance(event, (ev.Login, ev.Auth, ev.AuthLine)):
            raise LocalProtocolError("only a login opens the maildrop")
        self._maildrop = Maildrop(entries)
        self.state = State.TRANSACTION
        count, octets = self._maildrop.stat()
        return answers.ok(f"{count} messages ({octets} octets)")

    def message(self, content: bytes) -> bytes:
        """Answers ``Retrieve`` with the whole ``content``; for TOP the core cuts it."""
        event = self._take()
        if not isinstance(event, ev.Retrieve):
            raise LocalProtocolError("a message answers RETR or TOP")
        if event.lines is None:
            return answers.message(f"{len(content)} octets", content)
        return answers.message("Top of message follows", answers.top(content, event.lines))

    def _take(self) -> ev.Event:
        event, self._pending = self._pending, None
        if event is None:
            raise LocalProtocolError("there is no event to answer")
        return event

    def _end(self) -> None:
        self._lines.clear()
        self.state = State.CLOSED


def _nothing(argument: str) -> None:
    if argument.strip():
        raise Refusal("No argument is allowed")


def _decode(text: str) -> bytes:
    try:
        return binascii.a2b_base64(text.strip().encode(), strict_mode=True)
    except (binascii.Error, ValueError):
        raise Refusal("Not base64") from None


_BEFORE = frozenset({State.AUTHORIZATION})
_AFTER = frozenset({State.TRANSACTION})
_BOTH = _BEFORE | _AFTER
_COMMANDS: dict[str, tuple[frozenset[State], Callable[[PopCore, str], ev.Event]]] = {
    "CAPA": (_BOTH, PopCore._capa),
    "USER": (_BEFORE, PopCore._user_name),
    "PASS": (_BEFORE, PopCore._pass),
    "AUTH": (_BEFORE, PopCore._auth),
    "STLS": (_BEFORE, PopCore._stls_command),
    "UTF8": (_BEFORE, PopCore._utf8_mode),
    "LANG": (_BOTH, PopCore._lang),
    "NOOP": (_BOTH, PopCore._noop),
    "QUIT": (_BOTH, PopCore._quit),
    "STAT": (_AFTER, PopCore._stat),
    "LIST": (_AFTER, PopCore._list),
    "UIDL": (_AFTER, PopCore._uidl),
    "RETR": (_AFTER, PopCore._retr),
    "TOP": (_AFTER, PopCore._top),
    "DELE": (_AFTER, PopCore._dele),
    "RSET": (_AFTER, PopCore._rset),
}
