"""What the server says of itself: the greeting and CAPABILITY, by the session's state (RFC 9051 §6.1.1, §7.2.2).

Only what works in that state is announced. Before login that is what a client needs to choose how to log in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from posthouse.protocols.imap import responses
from posthouse.protocols.imap.commands import Capability
from posthouse.servers.sasl import mechanisms

if TYPE_CHECKING:
    from posthouse.servers.imap.session import ImapSession

_BASE = "IMAP4rev1 IMAP4rev2 LITERAL+ SASL-IR ENABLE ID"
_AFTER_LOGIN = (
    "NAMESPACE CHILDREN SPECIAL-USE CREATE-SPECIAL-USE LIST-EXTENDED LIST-STATUS UNSELECT UIDPLUS MOVE IDLE ESEARCH "
    "SEARCHRES WITHIN CONDSTORE QRESYNC MULTIAPPEND BINARY STATUS=SIZE SAVEDATE OBJECTID PREVIEW PARTIAL UTF8=ACCEPT "
    "UNAUTHENTICATE SORT SORT=DISPLAY ESORT CONTEXT=SEARCH CONTEXT=SORT THREAD=ORDEREDSUBJECT THREAD=REFERENCES "
    "CATENATE URLAUTH REPLACE NOTIFY UIDONLY INPROGRESS SEARCH=FUZZY QUOTA QUOTA=RES-STORAGE QUOTA=RES-MESSAGE "
    "QUOTA=RES-MAILBOX METADATA LIST-METADATA ACL RIGHTS=kxte LIST-MYRIGHTS"
)


def clear_logins(session: ImapSession) -> bool:
    """Whether anyone may log in as things stand: over TLS, from this machine, or by setting (TLS-1)."""
    return session.connection.tls is not None or session.peer.is_loopback or session.services.settings().auth.plaintext


def capability_words(session: ImapSession) -> list[str]:
    """What CAPABILITY lists."""
    words = _BASE.split()
    if session.account_id:
        settings = session.services.settings().imap
        words += [*_AFTER_LOGIN.split(), f"APPENDLIMIT={settings.max_append_bytes}"]
        if settings.message_limit:
            words.append(f"MESSAGELIMIT={settings.message_limit}")
        if settings.compress and not session.compressed:
            words.append("COMPRESS=DEFLATE")
    else:
        if session.connection.tls is None and session.services.tls_context() is not None:
            words.append("STARTTLS")
        if clear_logins(session):
            words += [f"AUTH={name}" for name in mechanisms(session.peer, session.services.settings())]
        else:
            words.append("LOGINDISABLED")
    return words


def capability_code(session: ImapSession) -> bytes:
    """The list as a response code."""
    return b"CAPABILITY " + " ".join(capability_words(session)).encode("ascii")


def greeting(session: ImapSession) -> bytes:
    """The first line."""
    return responses.untagged("OK", "Posthouse ready", capability_code(session))


async def capability(session: ImapSession, _command: Capability) -> str:
    """CAPABILITY."""
    session.write(responses.capability_line(capability_words(session)))
    return "CAPABILITY completed"
