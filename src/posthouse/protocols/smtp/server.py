"""The SMTP, LMTP and submission server core: octets to events to octets (RFC 5321, 2033, 2920, 3030, 3207, 4954, 6409).

The driver hands in what it read with ``receive``, takes one event at a time with ``next_event`` (None: read more), decides,
and sends what ``accept`` or ``reply`` gives. Commands that were pipelined wait in the buffer. Syntax, order and size are judged
here, policy is not: the core knows no account, no clock, no network.

    state        means                                   leaves it
    START        no HELO yet                             HELO, EHLO, LHLO -> READY
    READY        greeted, no transaction                 MAIL -> MAIL, AUTH -> AUTH, STARTTLS -> TLS
    MAIL         a sender is accepted                    RCPT -> RCPT
    RCPT         a recipient is accepted                 DATA -> DATA, BDAT, BURL -> CHUNK
    DATA         the message comes in until CRLF.CRLF    end of data -> READY
    CHUNK        the octets of one BDAT come in          -> BDAT, after LAST -> READY
    BDAT         between chunks                          BDAT, BURL -> CHUNK
    AUTH         answer to a challenge awaited           final reply -> READY
    TLS          handshake awaited                       ``tls_started`` -> START
    CLOSED       QUIT, 421 or gross misuse               never

RSET, and a new greeting, lead from all of READY to BDAT back to READY. Which command needs which state: ``NEEDS``.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from typing import Any, Unpack

from posthouse.model.verdict import Reply
from posthouse.protocols.lines import LineBuffer, LineRefused
from posthouse.protocols.smtp import commands
from posthouse.protocols.smtp import events as ev
from posthouse.protocols.smtp.config import Changes, Offers, ServerConfig, extensions
from posthouse.protocols.smtp.replies import CommandRefused, LocalProtocolError, render, render_lines
from posthouse.protocols.smtp.states import NEEDS, NO_RECIPIENTS, USUAL, State, misplaced_chunk, out_of_order, unknown
from posthouse.protocols.smtp.transfer import Transfer

__all__ = ["ServerCore", "State"]

_TLS_RECORD = 0x16
_START, _AUTH, _DATA, _CHUNK, _TLS, _CLOSED = State.START, State.AUTH, State.DATA, State.CHUNK, State.TLS, State.CLOSED


class ServerCore:
    """One connection. ``state``, ``esmtp``, ``errors``, ``transactions`` and ``recipients`` may be read at any time."""

    def __init__(self, config: ServerConfig) -> None:
        self.config = config
        self.state = State.START
        self.esmtp = False
        self.errors = 0
        self.transactions = 0
        self.recipients = 0
        self._lmtp = config.service == "lmtp"
        self._parsers = commands.LMTP if self._lmtp else commands.SMTP
        self._facts = commands.Facts(config, Offers(config.starttls, config.auth, config.requiretls))
        self._lines = LineBuffer(config.max_line, config.max_auth_line, strict=config.bare_newline == "refuse")
        self._transfer = Transfer(config)
        self._pending: ev.Event | None = None
        self._resolved: ev.Event | None = None
        self._chunk = (0, False)
        self._between_chunks = State.BDAT
        self._rcpt_refused = self._chunks_failed = False

    @property
    def authenticated(self) -> bool:
        """Whether an AUTH was accepted."""
        return self._facts.authenticated

    @property
    def closed(self) -> bool:
        """Whether nothing more is read from this client: flush what was written, then close."""
        return self.state is _CLOSED

    @property
    def receiving(self) -> bool:
        """Whether a message is coming in, so that the time-out for data holds."""
        return self.state is _DATA or self.state is _CHUNK

    @property
    def held_bytes(self) -> int:
        """Octets in memory for this connection."""
        return len(self._lines.buffer) - self._lines.position + self._transfer.held_bytes

    @property
    def has_more(self) -> bool:
        """Whether octets came that were not used yet: more commands, as a rule."""
        return self._lines.position < len(self._lines.buffer)

    def offer(self, **changes: Unpack[Changes]) -> None:
        """Changes what the next EHLO offers, and what is accepted from now on."""
        for name, value in changes.items():
            setattr(self._facts.offers, name, value)

    def greeting(self, text: str = "") -> bytes:
        """The 220 line: host name, protocol, ``text`` (RFC 5321 §4.2)."""
        return render(Reply(220, "", f"{self.config.hostname} {'LMTP' if self._lmtp else 'ESMTP'} {text}".rstrip()))

    def close(self, reply: Reply) -> bytes:
        """Ends the connection with ``reply`` at any moment: instead of a greeting, at a time-out, when draining (421)."""
        self._pending = None
        self._close()
        return render(reply)

    def tls_started(self) -> None:
        """The handshake is done. All that was learnt in clear text, octets still in the buffer too, is forgotten
        (RFC 3207 §4.2, CVE-2011-0411). STARTTLS is not offered again."""
        if self.state is not State.TLS:
            raise LocalProtocolError("no STARTTLS was accepted")
        self._lines.clear()
        self._facts.offers.starttls = self._facts.authenticated = self.esmtp = False
        self.state = State.START

    def receive(self, data: bytes) -> None:
        """Takes in what was read; never raises. Read on only when ``next_event`` gave None: then little is held."""
        if self.state is not _CLOSED and self.state is not _TLS:
            self._lines.receive(data)

    def refuse_data(self, reply: Reply) -> None:
        """While ``receiving``: lets go of the message; the rest is swallowed and ``MessageRefused`` brings ``reply``."""
        self._transfer.refuse(reply)

    # From octets to events

    def next_event(self) -> ev.Event | None:
        """The next thing that the client did; None when more octets are needed, or when ``closed``.

        Raises LocalProtocolError if the event before was not answered.
        """
        if self._pending is not None:
            raise LocalProtocolError(f"{type(self._pending).__name__} is not answered yet")
        state = self.state
        if state is _CLOSED or state is _TLS:
            return None
        if self._resolved is not None:
            self._pending, self._resolved = self._resolved, None
        elif state is _DATA or state is _CHUNK:
            self._pending = self._receive_message()
        elif self.errors >= self.config.max_errors:
            self._pending = ev.ProtocolError(Reply(421, "4.7.0", "Too many errors"), counts=False, closes=True)
        elif self._lines.position < len(self._lines.buffer):
            self._pending = self._next_command()
        return self._pending

    def _receive_message(self) -> ev.Event | None:
        transfer = self._transfer
        self._lines.consume(transfer.feed(self._lines.buffer, self._lines.position))
        if not transfer.complete:
            return transfer.too_large(closes=True) if transfer.would_be_gross(0) else None
        return self._finished()

    def _finished(self) -> ev.Event:
        """The message or one chunk of it is complete."""
        event = self._transfer.finish()
        if isinstance(event, ev.ChunkReceived):
            self.state = State.BDAT
        elif isinstance(event, ev.ProtocolError):
            self.state = self._between_chunks
            self.errors += event.counts
        return event

    def _next_command(self) -> ev.Event | None:
        lines = self._lines
        try:
            if self.state is _AUTH:
                return self._auth_line()
            if self.state is _START and lines.buffer[lines.position] == _TLS_RECORD:
                return self._refused(Reply(554, "5.5.1", "TLS is not spoken on this port from the start"), closes=True)
            line = lines.next_line()
            return None if line is None else self._command(line.rstrip(" "))
        except LineRefused as refused:
            reply = Reply(421, "4.7.0", refused.text) if refused.closes else Reply(500, "5.5.2", refused.text)
            return self._refused(reply, closes=refused.closes)
        except CommandRefused as refused:
            return self._refused(refused.reply, line=lines.last)

    def _refused(self, reply: Reply, *, counts: bool = True, closes: bool = False, line: str = "") -> ev.ProtocolError:
        self.errors += counts
        return ev.ProtocolError(reply, counts, closes, line[:100] if line[:4].upper() != "AUTH" else "AUTH")

    def _command(self, line: str) -> ev.Event | None:
        verb, _, argument = line.partition(" ")
        verb = verb.upper()
        parser = self._parsers.get(verb) if verb != "BURL" or self._facts.offers.burl else None
        if parser is None and verb == "BDAT":
            return self._bdat(argument)
        if parser is None:
            reply, closes = unknown(verb)
            return self._refused(reply, closes=closes, line=line)
        needs = NEEDS.get(verb)
        if needs is not None and self.state not in needs:
            reply = out_of_order(verb, self.state, lmtp=self._lmtp, rcpt_refused=self._rcpt_refused)
            return self._refused(reply, counts=reply is not NO_RECIPIENTS, line=line)
        if not line.isascii() and verb not in commands.TEXT_COMMANDS:
            raise CommandRefused(501, "5.5.2", "Only ASCII is allowed here")
        event = parser(self._facts, argument)
        if verb == "RCPT" and self.recipients >= self.config.max_recipients:
            return self._refused(Reply(452, "4.5.3", "Too many recipients"), counts=False, line=line)
        if verb == "MAIL" and self.transactions >= self.config.max_transactions:
            return self._refused(Reply(421, "4.7.0", "Too many messages in one connection"), counts=False, closes=True)
        return event

    def _bdat(self, argument: str) -> ev.Event | None:
        try:
            size, last = commands.chunk(argument)
        except CommandRefused as refused:
            return self._refused(refused.reply, closes=True, line="BDAT")
        if self._transfer.would_be_gross(size):
            return self._transfer.too_large(closes=True)
        self._chunk = (size, last)
        if self.config.chunking and self.state is State.RCPT:
            return ev.DataStart(chunking=True)
        if self.config.chunking and self.state is State.BDAT:
            self._transfer.begin_chunk(size, last=last, binary=self._facts.binary)
        else:
            reply = misplaced_chunk(self.config, self.state, rcpt_refused=self._rcpt_refused)
            counts = reply is not NO_RECIPIENTS and not (self._chunks_failed and reply.code == 503)
            self._transfer.swallow(size, ev.ProtocolError(reply, counts, line="BDAT"))
            self._between_chunks = self.state
        self.state = State.CHUNK
        return self._receive_message()

    def _auth_line(self) -> ev.Event | None:
        """An answer to a challenge; ``*`` gives up (RFC 4954 §4). Whatever is wrong with it ends the exchange."""
        try:
            line = self._lines.next_line(auth=True)
            if line is None:
                return None
            if line == "*":
                raise CommandRefused(501, "5.7.0", "Authentication cancelled")
            return ev.AuthLine(commands.decode(line))
        except (CommandRefused, LineRefused):
            self.state = State.READY
            self._lines.last = "AUTH"
            raise

    # From answers to octets

    def accept(self, text: str = "") -> bytes:
        """The usual answer to the event: yes (with ``text`` instead of the usual words), or the core's own refusal."""
        event = self._pending
        usual = USUAL.get(type(event))
        if usual is not None:
            return self.reply(Reply(usual.code, usual.enhanced, text) if text else usual)
        if isinstance(event, ev.Helo):
            return self.reply(Reply(250, "", text or self.config.hostname))
        if event is None:
            raise LocalProtocolError("there is no event to answer")
        if isinstance(event, (ev.ProtocolError, ev.MessageRefused)):
            return self.reply(event.reply)
        assert isinstance(event, ev.Quit), "all other events have a usual answer"
        return self.reply(Reply(221, "2.0.0", text or f"{self.config.hostname} closing connection"))

    def reply(self, reply: Reply) -> bytes:
        """Answers the event with ``reply``: below 400 accepts it, from 400 on refuses it, 421 closes the connection.

        For ``MessageComplete`` of LMTP the reply goes out once for each recipient. May give ``b""`` (see ``DataStart``).
        """
        event = self._pending
        if event is None:
            raise LocalProtocolError("there is no event to answer")
        self._pending = None
        if reply.code >= 500 and not isinstance(event, (ev.ProtocolError, ev.MessageRefused)):
            self.errors += 1
        settle = _SETTLE.get(type(event))
        octets = settle(self, event, reply) if settle is not None else render(reply)
        if reply.code == 421:
            self._close()
        return octets

    def reply_each(self, replies: Sequence[Reply]) -> bytes:
        """Answers ``MessageComplete`` of LMTP: one reply for each accepted recipient, in their order (RFC 2033 §4.2)."""
        if not self._lmtp or not isinstance(self._pending, ev.MessageComplete) or len(replies) != self.recipients:
            raise LocalProtocolError("one reply for each recipient is for the end of an LMTP message")
        self._pending = None
        self._end_transaction()
        return b"".join(render(reply) for reply in replies)

    def resolved(self, octets: bytes) -> None:
        """Answers ``Burl``: these are the octets of its URL. The reply is to the event that follows from them."""
        event = self._pending
        if not isinstance(event, ev.Burl):
            raise LocalProtocolError("octets answer BURL")
        self._pending = None
        self._transfer.begin_chunk(len(octets), last=event.last, binary=self._facts.binary)
        self._transfer.feed(octets, 0)
        self.state = State.CHUNK
        self._resolved = self._finished()

    def challenge(self, data: bytes) -> bytes:
        """Answers ``Auth`` or ``AuthLine`` with a challenge; the client's answer comes as ``AuthLine``."""
        if not isinstance(self._pending, (ev.Auth, ev.AuthLine)):
            raise LocalProtocolError("a challenge answers AUTH")
        self._pending = None
        self.state = State.AUTH
        return b"334 " + base64.b64encode(data) + b"\r\n"

    def _settle_helo(self, event: ev.Helo, reply: Reply) -> bytes:
        if reply.code < 400:
            self._end_transaction()
            self.esmtp = event.esmtp
        if reply.code >= 400 or not event.esmtp:
            return render(reply)
        offered = extensions(self.config, self._facts.offers, authenticated=self._facts.authenticated)
        return render_lines(250, [reply.text, *offered])

    def _settle_mail(self, event: ev.MailFrom, reply: Reply) -> bytes:
        if reply.code < 400:
            self.state = State.MAIL
            self.transactions += 1
            self._chunks_failed = False
            self._facts.smtputf8 = event.sender.smtputf8
            self._facts.binary = event.sender.body == "BINARYMIME"
        return render(reply)

    def _settle_rcpt(self, event: ev.RcptTo, reply: Reply) -> bytes:
        if reply.code < 400:
            self.state = State.RCPT
            self.recipients += 1
        else:
            self._rcpt_refused = True
        return render(reply)

    def _settle_data(self, event: ev.DataStart, reply: Reply) -> bytes:
        if event.chunking:
            size, last = self._chunk
            self._transfer.begin_chunk(size, last=last, binary=self._facts.binary)
            self.state = State.CHUNK
            if reply.code >= 400:
                self._transfer.refuse(reply)
            return b"" if reply.code != 421 else render(reply)
        if reply.code < 400:
            self._transfer.begin_data()
            self.state = State.DATA
        return render(reply)

    def _settle_message(self, event: ev.MessageComplete | ev.MessageRefused, reply: Reply) -> bytes:
        each = self._lmtp and (not isinstance(event, ev.MessageRefused) or (event.last and not event.closes))
        octets = render(reply) * (self.recipients if each else 1)
        self._end_transaction()
        if isinstance(event, ev.MessageRefused):
            self.errors += 1
            self._chunks_failed = not event.last
            if event.closes:
                self._close()
        return octets

    def _settle_burl(self, event: ev.Burl, reply: Reply) -> bytes:
        self._end_transaction()
        self._chunks_failed = not event.last
        return render(reply)

    def _settle_starttls(self, event: ev.StartTls, reply: Reply) -> bytes:
        if reply.code < 400:
            self.state = State.TLS
            self._lines.clear()
        return render(reply)

    def _settle_auth(self, event: ev.Auth | ev.AuthLine, reply: Reply) -> bytes:
        self._facts.authenticated = reply.code < 400
        self.state = State.READY
        return render(reply)

    def _settle_rset(self, event: ev.Rset, reply: Reply) -> bytes:
        if self.state is not State.START:
            self._end_transaction()
        return render(reply)

    def _settle_end(self, event: ev.ProtocolError | ev.Quit, reply: Reply) -> bytes:
        if isinstance(event, ev.Quit) or event.closes:
            self._close()
        return render(reply)

    def _end_transaction(self) -> None:
        self.state = State.READY
        self.recipients = 0
        self._rcpt_refused = self._chunks_failed = False
        self._facts.smtputf8 = self._facts.binary = False
        self._transfer.clear()

    def _close(self) -> None:
        self._end_transaction()
        self._lines.clear()
        self.state = State.CLOSED


_SETTLE: dict[type[object], Callable[[ServerCore, Any, Reply], bytes]] = {
    ev.Helo: ServerCore._settle_helo,
    ev.MailFrom: ServerCore._settle_mail,
    ev.RcptTo: ServerCore._settle_rcpt,
    ev.DataStart: ServerCore._settle_data,
    ev.Burl: ServerCore._settle_burl,
    ev.MessageComplete: ServerCore._settle_message,
    ev.MessageRefused: ServerCore._settle_message,
    ev.StartTls: ServerCore._settle_starttls,
    ev.Auth: ServerCore._settle_auth,
    ev.AuthLine: ServerCore._settle_auth,
    ev.Rset: ServerCore._settle_rset,
    ev.Quit: ServerCore._settle_end,
    ev.ProtocolError: ServerCore._settle_end,
}
