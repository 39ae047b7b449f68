"""The tables of the SMTP server core: its states, what each command needs, and the usual answer to each event.

Read by ``server.py`` alone, whose head explains the states (RFC 5321 §4.1.4, §4.3.2).
"""

from __future__ import annotations

from enum import Enum, auto

from posthouse.model.verdict import Reply
from posthouse.protocols.smtp import events as ev


class State(Enum):
    """See the table at the head of ``server.py``."""

    START = auto()
    READY = auto()
    MAIL = auto()
    RCPT = auto()
    DATA = auto()
    CHUNK = auto()
    BDAT = auto()
    AUTH = auto()
    TLS = auto()
    CLOSED = auto()


NEEDS: dict[str, frozenset[State]] = {
    "MAIL": frozenset({State.READY}),
    "RCPT": frozenset({State.MAIL, State.RCPT}),
    "DATA": frozenset({State.RCPT}),
    "STARTTLS": frozenset({State.READY}),
    "AUTH": frozenset({State.READY}),
}
"""Commands that need certain states; all others may come at any time between messages."""

NOT_IMPLEMENTED = frozenset({"ETRN", "ATRN", "TURN", "SEND", "SOML", "SAML", "XCLIENT", "XFORWARD", "BURL"})
HTTP = frozenset({"GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "CONNECT", "TRACE", "PATCH", "PRI"})
USUAL: dict[type[object], Reply] = {
    ev.MailFrom: Reply(250, "2.1.0", "Sender OK"),
    ev.RcptTo: Reply(250, "2.1.5", "Recipient OK"),
    ev.DataStart: Reply(354, "", "Send the message, end with <CRLF>.<CRLF>"),
    ev.ChunkReceived: Reply(250, "2.0.0", "Chunk received"),
    ev.MessageComplete: Reply(250, "2.6.0", "Message accepted"),
    ev.StartTls: Reply(220, "2.0.0", "Ready to start TLS"),
    ev.Auth: Reply(235, "2.7.0", "Authenticated"),
    ev.AuthLine: Reply(235, "2.7.0", "Authenticated"),
    ev.Vrfy: Reply(252, "2.1.5", "Send some mail, it will be tried"),
    ev.Expn: Reply(502, "5.5.1", "EXPN is not offered"),
    ev.Help: Reply(214, "2.0.0", "See RFC 5321"),
    ev.Noop: Reply(250, "2.0.0", "OK"),
    ev.Rset: Reply(250, "2.0.0", "OK"),
}
