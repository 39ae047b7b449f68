"""The tables of the SMTP server core: its states, what each command needs, and the usual answer to each event.

Read by ``server.py`` alone, whose head explains the states (RFC 5321 §4.1.4, §4.3.2).
"""

from __future__ import annotations

from enum import Enum, auto

from posthouse.model.verdict import Reply
from posthouse.protocols.smtp import events as ev
from posthouse.protocols.smtp.config import ServerConfig


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


NEEDS: dict[str, tuple[State, ...]] = {
    "MAIL": (State.READY,),
    "RCPT": (State.MAIL, State.RCPT),
    "DATA": (State.RCPT,),
    "BURL": (State.RCPT, State.BDAT),
    "STARTTLS": (State.READY,),
    "AUTH": (State.READY,),
}
"""Commands that need certain states; all others may come at any time between messages. (Tuples: an Enum's hash is slow.)"""

NOT_IMPLEMENTED = frozenset({"ETRN", "ATRN", "TURN", "SEND", "SOML", "SAML", "XCLIENT", "XFORWARD", "BURL"})
NO_RECIPIENTS = Reply(554, "5.5.1", "No valid recipients")
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


def unknown(verb: str) -> tuple[Reply, bool]:
    """The reply to a command that there is not, and whether the connection ends with it."""
    if verb in HTTP:
        return Reply(554, "5.5.1", "This is not HTTP"), True
    if verb in NOT_IMPLEMENTED:
        return Reply(502, "5.5.1", "Command not implemented"), False
    return Reply(500, "5.5.1", "Command not recognised"), False


def out_of_order(verb: str, state: State, *, lmtp: bool, rcpt_refused: bool) -> Reply:
    """The reply to a command that has no place in this state. NO_RECIPIENTS is no error of a client that pipelines: it could
    not know (RFC 2920 §3.1)."""
    if verb in ("DATA", "BURL") and state is State.MAIL and rcpt_refused:
        return NO_RECIPIENTS
    if state is State.START:
        return Reply(503, "5.5.1", f"Send {'LHLO' if lmtp else 'EHLO'} first")
    return Reply(503, "5.5.1", f"{verb} is out of order")


def misplaced_chunk(config: ServerConfig, state: State, *, rcpt_refused: bool) -> Reply:
    """The reply to BDAT where it has no place."""
    if not config.chunking:
        return Reply(502, "5.5.1", "BDAT is not offered")
    if state is State.MAIL and rcpt_refused:
        return NO_RECIPIENTS
    return Reply(503, "5.5.1", "BDAT is out of order")
