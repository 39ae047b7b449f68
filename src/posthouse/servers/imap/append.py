"""APPEND, one message or many (RFC 9051 §6.3.12, RFC 3502, RFC 4315, RFC 7889)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from posthouse.model.mailbox import NewMessage
from posthouse.protocols.imap import responses
from posthouse.protocols.imap.commands import Append
from posthouse.servers.imap.refusal import Refused
from posthouse.servers.imap.routes import Done

if TYPE_CHECKING:
    from posthouse.servers.imap.session import ImapSession


async def append(session: ImapSession, command: Append) -> Done:
    """APPEND: all messages or none, durable before the answer."""
    if not all(message.content for message in command.messages):
        raise Refused("An empty message cannot be kept", status="BAD")
    store = session.services.store
    info = await store.mailbox(session.account_id, command.mailbox)
    if info is None or not info.selectable:
        raise Refused("There is no such mailbox", code="TRYCREATE")
    messages = [NewMessage(one.content, one.flags, one.received_at) for one in command.messages]
    uid_validity, uids = await store.append(info.mailbox_id, messages)
    if session.selected is not None and session.selected.mailbox_id == info.mailbox_id:
        session.touched()
    return "APPEND completed", responses.append_uid(uid_validity, uids)
