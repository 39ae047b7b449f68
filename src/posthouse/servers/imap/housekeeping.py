"""NOOP, CHECK, ID, ENABLE, IDLE, COMPRESS (RFC 9051 §6.1, §6.3.1, §6.3.13; RFC 2971, RFC 4978, RFC 5161)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from posthouse.protocols.imap import responses
from posthouse.protocols.imap.commands import Check, Compress, Enable, Id, Idle, Noop
from posthouse.servers.imap.refusal import Refused

if TYPE_CHECKING:
    from posthouse.servers.imap.session import ImapSession


async def noop(session: ImapSession, _command: Noop | Check) -> str:
    """NOOP and CHECK: the session catches up after them, as after any command."""
    return "Completed"


async def identify(session: ImapSession, _command: Id) -> str:
    """ID; versions are nobody's business."""
    session.write(responses.id_line([("name", "Posthouse")]))
    return "ID completed"


async def enable(session: ImapSession, command: Enable) -> str:
    """ENABLE; what is not known is left out of the answer (RFC 5161 §3.1)."""
    enabled: list[str] = []
    for name in command.capabilities:
        if name == "CONDSTORE":
            session.condstore = True
        elif name == "QRESYNC":
            session.condstore = session.qresync = True
        elif name == "IMAP4REV2":
            session.rev2 = True
        elif name == "UIDONLY":
            session.uid_only = True
        elif name != "UTF8=ACCEPT":
            continue
        if name in ("IMAP4REV2", "UTF8=ACCEPT"):
            session.utf8 = session.core.utf8 = True
        spelled = "IMAP4rev2" if name == "IMAP4REV2" else name
        if spelled not in enabled:
            enabled.append(spelled)
    session.write(responses.enabled_line(enabled))
    return "ENABLE completed"


async def idle(session: ImapSession, _command: Idle) -> str:
    """IDLE, until the client says DONE."""
    session.write(responses.continuation(b"idling"))
    line = await session.idle_until_line()
    if line.strip().upper() != b"DONE":
        raise Refused("DONE expected", status="BAD")
    return "IDLE completed"


async def compress(session: ImapSession, command: Compress) -> str:
    """COMPRESS; the streams change once OK is written (``finish_compress``)."""
    if command.mechanism != "DEFLATE" or not session.services.settings().imap.compress:
        raise Refused("No such compression", code="CANNOT")
    if session.compressed:
        raise Refused("Compression is on already", code="COMPRESSIONACTIVE")
    return "DEFLATE active"


async def finish_compress(session: ImapSession) -> None:
    """What the client sent right behind the command is compressed already."""
    early = session.core.clear()
    session.compressed = True
    session.connection.start_deflate()
    session.connection.unread(early)
