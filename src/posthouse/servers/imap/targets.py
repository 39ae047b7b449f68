"""The mailbox that a command puts messages into, by name (RFC 9051 §6.3.12, §6.4.7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from posthouse.model.mailbox import MailboxInfo
from posthouse.servers.imap.refusal import Refused

if TYPE_CHECKING:
    from posthouse.servers.imap.session import ImapSession


async def target(session: ImapSession, name: str) -> MailboxInfo:
    """Raises Refused: TRYCREATE if it could be made."""
    info = await session.services.store.mailbox(session.account_id, name)
    if info is None or not info.selectable:
        raise Refused("There is no such mailbox", code="TRYCREATE")
    return info
