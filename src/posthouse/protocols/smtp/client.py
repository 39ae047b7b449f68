"""The SMTP and LMTP client core: sans-IO, pipelined when the server allows it (RFC 5321, 2033, 2920, 3030, 3207, 4954).

The driver sends what ``to_send`` gives (until it gives ``b""``), hands what it read to ``receive``, and takes events with
``next_event``. The core greets by itself: 220, then EHLO (HELO if that is refused; LHLO for LMTP), then ``Ready``. In
``Ready`` the driver may start one thing at a time: ``start_tls``, ``authenticate``, ``send``, ``quit``; each ends in its
event. After a transaction the connection is ready for the next one; RSET is sent when the last one was left open.

Each command waits in ``_todo``, goes to ``_waiting`` when it is sent, and is settled by its reply, in order. Without
PIPELINING one command is under way at a time; with it all up to DATA go out in one flight (bounded, so that neither
side's buffers fill).
"""

from __future__ import annotations

import base64
import binascii
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

from posthouse.protocols.dots import has_bare_newline, stuff, with_crlf
from posthouse.protocols.sasl.client import SaslClient, SaslError
from posthouse.protocols.smtp.client_events import Authenticated, Closed, Event, Ready, Refused, TlsReady, TransactionDone
from posthouse.protocols.smtp.replies import BadReply, LocalProtocolError, ReplyParser, ServerReply
from posthouse.protocols.smtp.transaction import Prepared, SendPolicy, Transaction, TransactionResult, prepare

__all__ = ["Authenticated", "ClientCore", "Closed", "Event", "Ready", "Refused", "TlsReady", "TransactionDone"]

FLIGHT = 100
"""Commands under way at most."""
UNKNOWN_COMMAND = (500, 501, 502, 503, 504)
PIECE = 1 << 18
"""Octets that ``to_send`` gives at a time, about."""


class _Step(Enum):
    GREETING = auto()
    EHLO = auto()
    HELO = auto()
    STARTTLS = auto()
    AUTH = auto()
    RSET = auto()
    MAIL = auto()
    RCPT = auto()
    DATA = auto()
    BODY = auto()
    QUIT = auto()


@dataclass(slots=True)
class _Command:
    step: _Step
    octets: bytes
    index: int = -1


class ClientCore:
    """One connection. ``hostname`` is what we call ourselves. ``extensions``, ``closed`` and ``idle`` may be read any time."""

    def __init__(self, hostname: str, *, lmtp: bool = False, policy: SendPolicy | None = None) -> None:
        self.extensions: dict[str, str] = {}
        self.closed = False
        self._hostname = hostname
        self._lmtp = lmtp
        self._policy = policy or SendPolicy()
        self._parser = ReplyParser()
        self._out: deque[bytes] = deque()
        self._todo: deque[_Command] = deque()
        self._waiting: deque[_Command] = deque([_Command(_Step.GREETING, b"")])
        self._ready = False
        self._tls_awaited = False
        self._dirty = False
        self._sasl: SaslClient | None = None
        self._transaction: Transaction | None = None
        self._prepared: Prepared | None = None
        self._sender_reply: ServerReply | None = None
        self._recipients: dict[int, ServerReply] = {}
        self._data_replies: dict[int, ServerReply] = {}
        self._accepted: list[int] = []
        self._body_sent = False
        self._unsent = 0

    # What the driver reads

    @property
    def idle(self) -> bool:
        """Whether something new may be started. Not while octets are unsent: a verdict may come before the message's end."""
        return self._ready and not self.closed and not self._waiting and not self._todo and not self._out

    @property
    def awaiting_verdict(self) -> bool:
        """Whether the message is on its way and the final reply is awaited (time-out: RFC 5321 §4.5.3.2.6, 10 minutes)."""
        return self._body_sent

    def partial_result(self) -> TransactionResult:
        """What is known of the transaction under way, for the case that the connection was lost. When ``awaiting_verdict`` was
        true nobody knows whether the server took the message, and it must be sent again (RFC 5321 §4.5.3.2.6)."""
        return TransactionResult(self._sender_reply, dict(self._recipients), dict(self._data_replies))

    @property
    def mechanisms(self) -> tuple[str, ...]:
        """SASL mechanisms on offer."""
        return tuple(self.extensions.get("AUTH", "").upper().split())

    # What the driver starts

    def start_tls(self) -> None:
        """Ends in ``TlsReady`` or ``Refused``. Ask ``"STARTTLS" in extensions`` first."""
        self._begin(_Command(_Step.STARTTLS, b"STARTTLS\r\n"))

    def tls_started(self) -> None:
        """The handshake is done: all that the server said before is forgotten, and EHLO goes out again.
        Raises BadReply when octets in clear text came after the 220 (CVE-2011-0411, the client's side of it)."""
        if not self._tls_awaited:
            raise LocalProtocolError("no STARTTLS was accepted")
        if not self._parser.empty:
            raise BadReply("octets in clear text after STARTTLS")
        self._tls_awaited = False
        self._hello()

    def authenticate(self, machine: SaslClient) -> None:
        """Ends in ``Authenticated`` or ``Refused``."""
        self._sasl = machine
        initial = machine.initial()
        octets = b"AUTH " + machine.name.encode()
        if initial is not None:
            octets += b" " + (base64.b64encode(initial) or b"=")
        self._begin(_Command(_Step.AUTH, octets + b"\r\n"))

    def send(self, transaction: Transaction, *, probe: bool = False) -> None:
        """Ends in ``TransactionDone``; a ``probe`` when the recipients are answered: no message is sent.
        Raises CannotSend when this server cannot be given the message at all."""
        if not self.idle:
            raise LocalProtocolError("the connection is not idle")
        prepared = prepare(transaction, self.extensions, self._policy)
        self._transaction, self._prepared = transaction, prepared
        self._sender_reply = None
        self._recipients, self._data_replies, self._accepted = {}, {}, []
        self._body_sent = False
        if self._dirty:
            self._todo.append(_Command(_Step.RSET, b"RSET\r\n"))
        self._dirty = False
        self._todo.append(_Command(_Step.MAIL, prepared.mail))
        for index, octets in enumerate(prepared.rcpt):
            if octets is None:
                self._recipients[index] = ServerReply(550, "5.6.7", ("The next server has no SMTPUTF8",))
            else:
                self._todo.append(_Command(_Step.RCPT, octets, index))
        if not probe:
            self._todo.append(_Command(_Step.DATA, b"DATA\r\n"))
        self._pump()

    def quit(self) -> None:
        """Says goodbye; ends in ``Closed``."""
        self._begin(_Command(_Step.QUIT, b"QUIT\r\n"))

    def _begin(self, command: _Command) -> None:
        if not self.idle:
            raise LocalProtocolError("the connection is not idle")
        self._todo.append(command)
        self._pump()

    # Octets

    def to_send(self) -> bytes:
        """The next octets for the server, ``b""`` when there are none for now."""
        if not self._out:
            return b""
        self._unsent = 0
        pieces = [self._out.popleft()]
        size = len(pieces[0])
        while self._out and size + len(self._out[0]) <= PIECE:
            pieces.append(self._out.popleft())
            size += len(pieces[-1])
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def receive(self, data: bytes) -> None:
        """Takes in what was read."""
        self._parser.receive(data)

    def next_event(self) -> Event | None:
        """What happened; None when more octets are needed (send first: ``to_send``). Raises BadReply; then close."""
        while not self.closed:
            if self._tls_awaited:
                if not self._parser.empty:
                    raise BadReply("octets in clear text after STARTTLS")
                return None
            reply = self._parser.next_reply()
            if reply is None:
                return None
            if len(self._waiting) <= self._unsent:
                return self._out_of_turn(reply)
            event = self._settle(self._waiting.popleft(), reply)
            if event is None:
                self._pump()
                event = self._finished()
            if event is not None:
                return event
        return None

    def _out_of_turn(self, reply: ServerReply) -> Event:
        if reply.code != 421:
            raise BadReply(f"a reply that nothing asked for: {reply.code}")
        self.closed = True
        return Closed(reply)

    # From replies to what follows

    def _settle(self, command: _Command, reply: ServerReply) -> Event | None:
        event = _SETTLE[command.step](self, command, reply)
        kept = command.step is _Step.RSET and reply.code // 100 != 2  # recipients that it may add to the next message's
        if (kept or reply.code == 421) and not self.closed:
            self._todo.clear()
            self._waiting.clear()
            self.closed = True
            return event or self._finished() or Closed(reply)
        return event

    def _greeting(self, command: _Command, reply: ServerReply) -> Event | None:
        if reply.code != 220:
            self.closed = True
            return Refused("greeting", reply)
        self._hello()
        return None

    def _hello(self) -> None:
        self._ready = False
        self.extensions = {}
        verb = "LHLO" if self._lmtp else "EHLO"
        self._todo.append(_Command(_Step.EHLO, f"{verb} {self._hostname}\r\n".encode()))
        self._pump()

    def _ehlo(self, command: _Command, reply: ServerReply) -> Event | None:
        if reply.code == 250:
            self._ready = True
            self.extensions = _extensions(reply)
            return Ready(reply, self.extensions)
        if reply.permanent and not self._lmtp:
            self._todo.append(_Command(_Step.HELO, f"HELO {self._hostname}\r\n".encode()))
            return None
        self.closed = True
        return Refused("hello", reply)

    def _helo(self, command: _Command, reply: ServerReply) -> Event | None:
        self._ready = reply.code == 250
        self.closed = not self._ready
        return Ready(reply, {}) if self._ready else Refused("hello", reply)

    def _starttls(self, command: _Command, reply: ServerReply) -> Event | None:
        self._tls_awaited = reply.code == 220
        return TlsReady() if self._tls_awaited else Refused("starttls", reply)

    def _auth(self, command: _Command, reply: ServerReply) -> Event | None:
        machine = self._sasl
        if reply.code != 334 or machine is None:
            self._sasl = None
            if reply.code // 100 == 2 and not (machine and machine.done):
                raise BadReply("success before the server proved that it knows the password")
            return Authenticated(reply) if reply.code // 100 == 2 else Refused("auth", reply)
        try:
            answer = base64.b64encode(machine.step(binascii.a2b_base64(reply.lines[0].strip())))
        except (SaslError, binascii.Error):
            answer = b"*"
        self._todo.append(_Command(_Step.AUTH, answer + b"\r\n"))
        return None

    def _rset(self, command: _Command, reply: ServerReply) -> Event | None:
        return None

    def _mail(self, command: _Command, reply: ServerReply) -> Event | None:
        _refuse_intermediate(reply)
        self._sender_reply = reply
        if reply.positive:
            self._dirty = True
        else:
            self._todo.clear()
        return None

    def _rcpt(self, command: _Command, reply: ServerReply) -> Event | None:
        _refuse_intermediate(reply)
        self._recipients[command.index] = reply
        if reply.positive and self._sender_reply is not None and self._sender_reply.positive:
            self._accepted.append(command.index)
        return None

    def _data(self, command: _Command, reply: ServerReply) -> Event | None:
        if reply.code == 354:
            if self._accepted:
                self._send_body()
            elif any(each.positive for each in self._recipients.values()):
                # It refused the sender, and would take the message all the same: it is not given one.
                self.closed = True
                self._data_replies = dict.fromkeys(self._recipients, self._sender_reply or reply)
            else:
                # The server wants a message although it accepted no one: an empty one (RFC 2920 §3.1).
                self._enqueue(b".\r\n")
                self._waiting.append(_Command(_Step.BODY, b""))
            return None
        if reply.positive:
            raise BadReply(f"{reply.code} in answer to DATA")
        self._data_replies = dict.fromkeys(self._accepted, reply)
        return None

    def _body(self, command: _Command, reply: ServerReply) -> Event | None:
        if reply.code in (334, 354):
            raise BadReply(f"{reply.code} at the end of the message")
        self._dirty = False
        if reply.code in UNKNOWN_COMMAND and self._prepared is not None and self._prepared.chunking:
            self.closed = True  # it takes the message for commands: what it says from now on answers nothing of ours
        indexes = [command.index] if command.index >= 0 else self._accepted
        self._data_replies.update(dict.fromkeys(indexes, reply))
        return None

    def _quit(self, command: _Command, reply: ServerReply) -> Event | None:
        self.closed = True
        return Closed(reply)

    # From what is to be done to octets

    def _pump(self) -> None:
        pipelining = "PIPELINING" in self.extensions
        while self._todo and (not self._waiting or (pipelining and len(self._waiting) < FLIGHT)):
            command = self._todo[0]
            if command.step is _Step.DATA:
                chunking = self._prepared is not None and self._prepared.chunking
                if self._waiting and chunking:
                    return
                if not self._waiting and (chunking or not self._accepted):
                    self._todo.clear()
                    if self._accepted:
                        self._send_chunk()
                    return
            self._todo.popleft()
            self._enqueue(command.octets)
            self._waiting.append(command)
            self._unsent += 1

    def _send_body(self) -> None:
        content = self._transaction.content if self._transaction else b""
        self._enqueue(stuff(with_crlf(content) if has_bare_newline(content) else content))
        self._enqueue(b".\r\n")
        self._await_verdicts()

    def _send_chunk(self) -> None:
        content = self._transaction.content if self._transaction else b""
        self._enqueue(b"BDAT %d LAST\r\n" % len(content))
        self._enqueue(content)
        self._await_verdicts()

    def _await_verdicts(self) -> None:
        """LMTP answers for each recipient (RFC 2033 §4.2)."""
        self._body_sent = True
        indexes = self._accepted if self._lmtp else [-1]
        self._waiting.extend(_Command(_Step.BODY, b"", index) for index in indexes)

    def _enqueue(self, octets: bytes) -> None:
        if len(octets) <= PIECE:
            self._out.append(octets)
        else:
            self._out.extend(octets[at : at + PIECE] for at in range(0, len(octets), PIECE))

    def _finished(self) -> Event | None:
        if self._transaction is None or self._waiting or self._todo:
            return None
        self._transaction = self._prepared = None
        self._body_sent = False
        return TransactionDone(self.partial_result())


def _refuse_intermediate(reply: ServerReply) -> None:
    """3xx asks for more where there is no more; to go on would be to guess what it answers."""
    if 300 <= reply.code < 400:
        raise BadReply(f"{reply.code} in answer to MAIL or RCPT")


def _extensions(reply: ServerReply) -> dict[str, str]:
    """The EHLO reply's keywords; ``AUTH=`` is how old servers write it."""
    found: dict[str, str] = {}
    for line in reply.lines[1:]:
        keyword, _, rest = line.partition(" ")
        if keyword.upper().startswith("AUTH="):
            keyword, rest = "AUTH", f"{keyword[5:]} {rest} {found.get('AUTH', '')}"
        found[keyword.upper()] = rest.strip()
    return found


_SETTLE: dict[_Step, Callable[[ClientCore, _Command, ServerReply], Event | None]] = {
    _Step.GREETING: ClientCore._greeting,
    _Step.EHLO: ClientCore._ehlo,
    _Step.HELO: ClientCore._helo,
    _Step.STARTTLS: ClientCore._starttls,
    _Step.AUTH: ClientCore._auth,
    _Step.RSET: ClientCore._rset,
    _Step.MAIL: ClientCore._mail,
    _Step.RCPT: ClientCore._rcpt,
    _Step.DATA: ClientCore._data,
    _Step.BODY: ClientCore._body,
    _Step.QUIT: ClientCore._quit,
}
