"""Sharing mailboxes (STO-3): users' own, and those of domains' shared trees, by an administrator. Users do it in their mail
program.

A mailbox is written with its owner before it: ``jane@example.com/Work``, or for a shared tree ``example.com/News``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from posthouse.admin import user
from posthouse.admin.context import Context
from posthouse.admin.operation import operation
from posthouse.base.errors import BadValue, NotFound
from posthouse.directory.identities import GROUP, Identities, kept_identifier, normal_identifier
from posthouse.model.address import Address
from posthouse.model.mailbox import SEPARATOR, MailboxInfo
from posthouse.model.namespaces import shared_account_id, shared_mailbox, users_mailbox
from posthouse.model.rights import normal_rights


@dataclass(frozen=True, slots=True)
class ShareRow:
    """One entry of a mailbox's access control list."""

    mailbox: str
    identifier: str
    rights: str


@dataclass(frozen=True, slots=True)
class SharedRow:
    """One mailbox that a user may look up, under the name that their mail program shows."""

    mailbox: str
    rights: str


@operation("share add", role="domain-administrator", scope="domain")
async def add(context: Context, mailbox: str, identifier: str, rights: str = "lrs") -> ShareRow:
    """Gives someone rights on a mailbox, in place of those they had.

    Rights are letters: l look up, r read, s keep an own seen state, w write flags, i insert, p post, k make mailboxes below,
    x delete the mailbox, t mark messages deleted, e expunge, a administer.

    Args:
        mailbox: jane@example.com/Work for a user's mailbox, example.com/News for one of a domain's shared tree.
        identifier: a user's address; anyone; domain:example.com; a list as group:team@example.com; each behind - to take away.
        rights: letters, such as lrswi.
    """
    box = await _found(context, mailbox)
    name = await normal_identifier(context.directory, identifier, _domain_of(mailbox))
    wanted = normal_rights(rights)
    if not wanted:
        raise BadValue("no rights at all: 'share delete' does that")
    await context.store.set_acl(box.mailbox_id, name, "replace", wanted)
    return ShareRow(mailbox, name, wanted)


@operation("share list", role="help-desk", scope="domain", reads=True, columns=("identifier", "rights"))
async def list_(context: Context, mailbox: str) -> Sequence[ShareRow]:
    """Lists who has which rights on a mailbox; its owner, who has all, is not among them.

    Args:
        mailbox: jane@example.com/Work for a user's mailbox, example.com/News for one of a domain's shared tree.
    """
    box = await _found(context, mailbox)
    return [ShareRow(mailbox, identifier, rights) for identifier, rights in await context.store.acl(box.mailbox_id)]


@operation("share find", role="help-desk", scope="domain", reads=True)
async def find(context: Context, address: Address) -> Sequence[SharedRow]:
    """Lists the mailboxes of others that a user sees, and with which rights.

    Args:
        address: the user's address.
    """
    account = await user.find(context, address)
    identities = Identities(context.directory, context.clock)
    rows: list[SharedRow] = []
    for shared in await context.store.shared_with(await identities.of(account.address)):
        owner = await identities.tree_owner(shared.info.account_id)
        if owner is None or shared.info.account_id == account.account_id:
            continue
        if isinstance(owner, str):
            name = shared_mailbox(owner, shared.info.name, account.address.domain)
        else:
            name = users_mailbox(owner.address, shared.info.name)
        rows.append(SharedRow(name, shared.rights))
    return rows


@operation("share delete", role="domain-administrator", scope="domain")
async def delete(context: Context, mailbox: str, identifier: str) -> None:
    """Takes all rights on a mailbox away from someone.

    Args:
        mailbox: jane@example.com/Work for a user's mailbox, example.com/News for one of a domain's shared tree.
        identifier: as 'share list' shows it.
    """
    box = await _found(context, mailbox)
    name = kept_identifier(identifier, _domain_of(mailbox))
    entries = dict(await context.store.acl(box.mailbox_id))
    denied = "-" if name.startswith("-") else ""
    known = [one for one in (name, denied + GROUP + name.removeprefix("-")) if one in entries]
    if not known:
        raise NotFound(f"{identifier} has no rights of its own on {mailbox}")
    await context.store.set_acl(box.mailbox_id, known[0], "replace", "")


async def owner_of(context: Context, mailbox: str) -> tuple[int, str]:
    """The number under which a mailbox is kept, and its name there. Raises BadValue, NotFound, NotAllowed."""
    owner, found, name = mailbox.partition(SEPARATOR)
    if not found or not name:
        raise BadValue("a mailbox is written as jane@example.com/Work, or example.com/News")
    if "@" in owner:
        try:
            account = await user.find(context, Address.parse(owner))
        except ValueError as error:
            raise BadValue(f"{owner!r}: {error}") from None
        context.require_account(account)
        return account.account_id, name
    return await tree_of(context, owner), name


async def tree_of(context: Context, domain: str) -> int:
    """The number of a domain's shared tree. Raises NotFound, NotAllowed."""
    context.require_domain(domain.lower())
    for each in await context.directory.domains():
        if each.name == domain.lower():
            return shared_account_id(each.domain_id)
    raise NotFound(f"there is no domain {domain}")


async def _found(context: Context, mailbox: str) -> MailboxInfo:
    account_id, name = await owner_of(context, mailbox)
    info = await context.store.mailbox(account_id, name)
    if info is None:
        raise NotFound(f"there is no mailbox {mailbox}")
    return info


def _domain_of(mailbox: str) -> str:
    """The domain that completes bare names: the owner's."""
    return mailbox.partition(SEPARATOR)[0].rpartition("@")[2].lower()
