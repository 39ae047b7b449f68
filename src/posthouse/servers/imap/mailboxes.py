"""CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE, NAMESPACE (RFC 9051 §6.3, RFC 6154, RFC 8474)."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast, get_args

from posthouse.model.mailbox import SpecialUse
from posthouse.model.namespaces import OTHER_USERS, SHARED
from posthouse.protocols.imap import responses
from posthouse.protocols.imap.commands import Create, Delete, Namespace, Rename, Subscribe, Unsubscribe
from posthouse.servers.imap.places import reach, room_for
from posthouse.servers.imap.refusal import Refused
from posthouse.servers.imap.routes import Done

if TYPE_CHECKING:
    from posthouse.servers.imap.session import ImapSession

_SPECIAL_USES = frozenset(get_args(SpecialUse)) - {"", "\\All", "\\Flagged"}


async def create(session: ImapSession, command: Create) -> Done:
    """CREATE, also with one special use that a mailbox of its own can have."""
    if len(command.special_use) > 1 or not _SPECIAL_USES.issuperset(command.special_use):
        raise Refused("A mailbox cannot have that use", code="USEATTR")
    special_use = cast(SpecialUse, command.special_use[0]) if command.special_use else ""
    place = await room_for(session, command.mailbox)
    if special_use and place.reader:
        raise Refused("A mailbox of others has no use of its own", code="USEATTR")
    info = await session.services.store.create(place.account_id, place.owned_name, special_use)
    return "CREATE completed", b"MAILBOXID (%b)" % info.object_id.encode("ascii")


async def delete(session: ImapSession, command: Delete) -> str:
    """DELETE. A session that deletes the mailbox that it has open is told so and goes on without one."""
    store = session.services.store
    place = await reach(session, command.mailbox)
    info = place.require("x")
    if session.selected is not None and session.selected.mailbox_id == info.mailbox_id:
        session.deselect()
        try:
            await store.delete(place.account_id, place.owned_name)
        finally:
            session.write(responses.untagged("OK", "The mailbox is closed", b"CLOSED"))
        return "DELETE completed"
    await store.delete(place.account_id, place.owned_name)
    return "DELETE completed"


async def rename(session: ImapSession, command: Rename) -> str:
    """RENAME, within one owner's tree."""
    place, room = await reach(session, command.mailbox), await room_for(session, command.new_name)
    place.require("x")
    if place.account_id != room.account_id:
        raise Refused("A mailbox cannot be given to someone else", code="CANNOT")
    await session.services.store.rename(place.account_id, place.owned_name, room.owned_name)
    return "RENAME completed"


async def subscribe(session: ImapSession, command: Subscribe) -> str:
    """SUBSCRIBE; the mailbox need not exist (RFC 9051 §6.3.7)."""
    await session.services.store.subscribe(session.account_id, command.mailbox, on=True)
    return "SUBSCRIBE completed"


async def unsubscribe(session: ImapSession, command: Unsubscribe) -> str:
    """UNSUBSCRIBE."""
    await session.services.store.subscribe(session.account_id, command.mailbox, on=False)
    return "UNSUBSCRIBE completed"


async def namespace(session: ImapSession, _command: Namespace) -> str:
    """NAMESPACE."""
    session.write(responses.namespace_line(others=OTHER_USERS, shared=SHARED))
    return "NAMESPACE completed"
