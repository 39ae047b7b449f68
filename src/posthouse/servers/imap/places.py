"""From a mailbox's name as a client writes it to the mailbox, its owner, and what this client may do there (RFC 4314, STO-3).

A name in the client's own tree costs one look at the store and no question of rights. Other users' and shared names are looked
up with their access control list at every command, so that a right that is taken away is gone at once. Who may not look up
a mailbox gets the answer that there is none (RFC 4314 §6).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from posthouse.model.account import Account
from posthouse.model.address import Address
from posthouse.model.mailbox import MailboxInfo
from posthouse.model.mailbox_name import parents
from posthouse.model.namespaces import is_personal, others_name, shared_account_id, shared_mailbox, users_mailbox
from posthouse.model.rights import ALL_RIGHTS, effective_rights
from posthouse.servers.imap.refusal import Refused

if TYPE_CHECKING:
    from posthouse.servers.imap.session import ImapSession

NO_MAILBOX = "There is no such mailbox"
NO_RIGHT = "You may not do that with this mailbox"


@dataclass(frozen=True, slots=True)
class Place:
    """A name, and what is there: ``info`` (named as the client does) is None if nothing is.

    ``account_id`` and ``owned_name`` are how the store knows it; 0 and "" for a name that is nobody's. ``reader`` is the
    client's own account if the mailbox is not its own, else 0.
    """

    name: str
    account_id: int
    owned_name: str
    info: MailboxInfo | None
    rights: str
    reader: int = 0

    @property
    def mailbox_id(self) -> int:
        """Of a mailbox that is there."""
        assert self.info is not None
        return self.info.mailbox_id

    def require(self, rights: str) -> MailboxInfo:
        """The mailbox, if it is there and all ``rights`` are held. Raises Refused (NONEXISTENT, NOPERM)."""
        if self.info is not None and all(right in self.rights for right in rights):
            return self.info
        if self.info is None or "l" not in self.rights:
            raise Refused(NO_MAILBOX, code="NONEXISTENT")
        raise Refused(NO_RIGHT, code="NOPERM")


async def reach(session: ImapSession, name: str) -> Place:
    """What a name leads to. Raises Temporary."""
    if is_personal(name):
        info = await session.services.store.mailbox(session.account_id, name)
        return Place(name, session.account_id, name, info, ALL_RIGHTS)
    owner_id, owned_name, seen_as = await _owner(session, name)
    if not owner_id or not owned_name:
        return Place(name, owner_id, owned_name, None, "", session.account_id)
    info = await session.services.store.mailbox(owner_id, owned_name)
    if owner_id == session.account_id:
        return Place(name, owner_id, owned_name, info, ALL_RIGHTS)
    if info is None:
        return Place(name, owner_id, owned_name, None, "", session.account_id)
    rights = await rights_on(session, info.mailbox_id)
    shown = replace(info, name=_named(session, seen_as, info.name), special_use="")
    return Place(shown.name, owner_id, info.name, shown, rights, session.account_id)


async def room_for(session: ImapSession, name: str) -> Place:
    """Where a mailbox of this name may be made: in one's own tree, or below a mailbox on which one holds ``k``.

    Raises Refused (NOPERM) in the same words whether there is nothing above or it may not be seen.
    """
    if is_personal(name):
        return Place(name, session.account_id, name, None, ALL_RIGHTS)
    owner_id, owned_name, _ = await _owner(session, name)
    if owner_id == session.account_id and owned_name:
        return Place(name, owner_id, owned_name, None, ALL_RIGHTS)
    for above in reversed(parents(owned_name)) if owner_id and owned_name else ():
        info = await session.services.store.mailbox(owner_id, above)
        if info is not None:
            rights = await rights_on(session, info.mailbox_id)
            if "k" in rights:
                return Place(name, owner_id, owned_name, None, rights, session.account_id)
            break
    raise Refused("You may not make mailboxes there", code="NOPERM")


async def rights_on(session: ImapSession, mailbox_id: int) -> str:
    """The client's rights on a mailbox that is not its own. Raises Temporary."""
    acl = await session.services.store.acl(mailbox_id)
    if not acl:
        return ""
    return effective_rights(acl, await session.shared.identities.of(own_address(session)))


def own_address(session: ImapSession) -> Address:
    """The address of who is logged in."""
    local, _, domain = session.peer.account.rpartition("@")
    return Address(local, domain)


async def others_boxes(session: ImapSession) -> dict[str, tuple[MailboxInfo, str]]:
    """All mailboxes of others that the client may look up, named as it does, with its rights; sorted by name."""
    identities = session.shared.identities
    identifiers = await identities.of(own_address(session))
    found: dict[str, tuple[MailboxInfo, str]] = {}
    for shared in await session.services.store.shared_with(identifiers):
        info = shared.info
        if info.account_id == session.account_id:
            continue
        owner = await identities.tree_owner(info.account_id)
        if owner:
            name = _named(session, owner, info.name)
            found[name] = replace(info, name=name, special_use=""), shared.rights
    return dict(sorted(found.items()))


def _named(session: ImapSession, owner: Account | str, name: str) -> str:
    if isinstance(owner, str):
        return shared_mailbox(owner, name, own_address(session).domain)
    return users_mailbox(owner.address, name)


async def _owner(session: ImapSession, name: str) -> tuple[int, str, Account | str]:
    """(the owner's number or 0, the name in its tree, the account or the shared tree's domain)."""
    directory = session.services.directory
    parts = others_name(name, own_address(session).domain)
    if parts.user:
        try:
            account = await directory.account(Address.parse(parts.user))
        except ValueError:
            account = None
        return (account.account_id, parts.name, account) if account is not None else (0, "", "")
    domain = await directory.domain(parts.domain) if parts.domain else None
    return (shared_account_id(domain.domain_id), parts.name, domain.name) if domain is not None else (0, "", "")
