"""GETACL, SETACL, DELETEACL, LISTRIGHTS, MYRIGHTS (RFC 4314 §3).

The owner has all rights, always, and stands first in the list though the store keeps no entry for it. A mailbox that may not be
looked up answers as one that is not there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from posthouse.base.errors import BadValue
from posthouse.directory.identities import GROUP, kept_identifier, normal_identifier
from posthouse.model.rights import ALL_RIGHTS, MYRIGHTS_RIGHTS, OBSOLETE, normal_rights, shown_rights
from posthouse.protocols.imap.parse_acl import (
    DeleteAcl,
    GetAcl,
    ListRights,
    MyRights,
    SetAcl,
    acl_line,
    list_rights_line,
    my_rights_line,
)
from posthouse.servers.imap.places import NO_MAILBOX, Place, own_address, reach
from posthouse.servers.imap.refusal import Refused

if TYPE_CHECKING:
    from posthouse.servers.imap.session import ImapSession

_ANY_RIGHT = frozenset(MYRIGHTS_RIGHTS)


async def set_acl(session: ImapSession, command: SetAcl) -> str:
    """SETACL."""
    place = await reach(session, command.mailbox)
    info = place.require("a")
    try:
        rights = normal_rights(command.rights)
    except BadValue as error:
        raise Refused(error.public, status="BAD") from None
    identifier = await normal_identifier(session.services.directory, command.identifier, own_address(session).domain)
    if identifier.removeprefix("-") == await _owner(session, place):
        raise Refused("The owner has all rights, always", code="CANNOT")
    await session.services.store.set_acl(info.mailbox_id, identifier, command.action, rights)
    return "SETACL completed"


async def delete_acl(session: ImapSession, command: DeleteAcl) -> str:
    """DELETEACL; no entry is as good as one removed."""
    info = (await reach(session, command.mailbox)).require("a")
    store = session.services.store
    identifier = kept_identifier(command.identifier, own_address(session).domain)
    entries = dict(await store.acl(info.mailbox_id))
    if identifier not in entries:
        denied = "-" if identifier.startswith("-") else ""
        identifier = denied + GROUP + identifier.removeprefix("-")
    await store.set_acl(info.mailbox_id, identifier, "replace", "")
    return "DELETEACL completed"


async def get_acl(session: ImapSession, command: GetAcl) -> str:
    """GETACL."""
    place = await reach(session, command.mailbox)
    info = place.require("a")
    entries = list(await session.services.store.acl(info.mailbox_id))
    if owner := await _owner(session, place):
        entries.insert(0, (owner, ALL_RIGHTS))
    shown = [(identifier, shown_rights(rights)) for identifier, rights in entries]
    session.write(acl_line(info.name, shown, utf8=session.utf8))
    return "GETACL completed"


async def list_rights(session: ImapSession, command: ListRights) -> str:
    """LISTRIGHTS: every right can be given by itself; the owner's cannot be taken away."""
    place = await reach(session, command.mailbox)
    info = place.require("a")
    identifier = kept_identifier(command.identifier, own_address(session).domain)
    every = [*ALL_RIGHTS, *OBSOLETE]
    if identifier == await _owner(session, place):
        required, optional = "".join(every), list[str]()
    else:
        required, optional = "", every
    session.write(list_rights_line(info.name, command.identifier, required, optional, utf8=session.utf8))
    return "LISTRIGHTS completed"


async def my_rights(session: ImapSession, command: MyRights) -> str:
    """MYRIGHTS."""
    place = await reach(session, command.mailbox)
    if place.info is None or _ANY_RIGHT.isdisjoint(place.rights):
        raise Refused(NO_MAILBOX, code="NONEXISTENT")
    session.write(my_rights_line(place.info.name, shown_rights(place.rights), utf8=session.utf8))
    return "MYRIGHTS completed"


async def _owner(session: ImapSession, place: Place) -> str:
    """The owner's identifier; "" in a shared tree."""
    if not place.reader:
        return own_address(session).key
    account = await session.services.directory.account_by_id(place.account_id) if place.account_id > 0 else None
    return account.address.key if account is not None else ""
