"""GETQUOTAROOT, GETQUOTA, SETQUOTA (RFC 9208, STO-5).

A mailbox's quota root is its owner, under the owner's address; a tree with a quota of its own is a further one, under its name,
and so is that of deleted messages (STO-2). Who is not the owner learns the root's name, and nothing of what is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from posthouse.model.mailbox import MailboxInfo
from posthouse.model.undelete import SHADOW, is_shadow
from posthouse.protocols.imap.parse_quota import (
    GetQuota,
    GetQuotaRoot,
    QuotaResource,
    SetQuota,
    quota_line,
    quota_root_line,
)
from posthouse.servers.imap.places import reach
from posthouse.servers.imap.refusal import Refused

if TYPE_CHECKING:
    from posthouse.servers.imap.session import ImapSession

_UNIT_BYTES = 1024  # RFC 9208 §5.1


async def get_quota_root(session: ImapSession, command: GetQuotaRoot) -> str:
    """GETQUOTAROOT."""
    place = await reach(session, command.mailbox)
    info = place.require("r")
    roots = await _roots_of(session, info, owned=not place.reader)
    found = [(root, await _resources(session, root)) for root in roots]
    shown = [root for root, resources in found if root and (resources or place.reader)]
    session.write(quota_root_line(info.name, shown, utf8=session.utf8))
    for root, resources in found:
        if resources:
            session.write(quota_line(root, resources))
    return "GETQUOTAROOT completed"


async def get_quota(session: ImapSession, command: GetQuota) -> str:
    """GETQUOTA, of one's own roots."""
    resources = await _resources(session, command.root)
    if not resources:
        raise Refused("There is no such quota root", code="NONEXISTENT")
    session.write(quota_line(command.root, resources))
    return "GETQUOTA completed"


async def set_quota(_session: ImapSession, _command: SetQuota) -> str:
    """SETQUOTA: administrators do that by operations."""
    raise Refused("Quotas are set by the administrator", code="NOPERM")


async def _roots_of(session: ImapSession, info: MailboxInfo, *, owned: bool) -> list[str]:
    if owned and is_shadow(info.name):
        return [SHADOW]
    if owned:
        trees = await session.services.store.trees(session.account_id)
        return [session.peer.account, *(tree.root for tree in trees if tree.holds(info.name))]
    owner = await session.services.directory.account_by_id(info.account_id)
    return [str(owner.address)] if owner is not None else []


async def _resources(session: ImapSession, root: str) -> list[QuotaResource]:
    """What is limited under a root of the client's own; nothing for other roots."""
    if root not in (session.peer.account, SHADOW):
        return await _tree_resources(session, root)
    allowed = await session.services.allowances(session.account_id)
    used = await session.services.store.usage(session.account_id)
    if root == SHADOW:
        return _listed(("STORAGE", -(-used.deleted_bytes // _UNIT_BYTES), allowed.undelete_bytes // _UNIT_BYTES))
    return _listed(
        ("STORAGE", -(-used.size_bytes // _UNIT_BYTES), -(-allowed.quota_bytes // _UNIT_BYTES)),
        ("MESSAGE", used.messages, allowed.quota_messages),
        ("MAILBOX", used.mailboxes, allowed.quota_mailboxes),
    )


async def _tree_resources(session: ImapSession, root: str) -> list[QuotaResource]:
    for tree in await session.services.store.trees(session.account_id):
        if tree.root == root:
            storage = ("STORAGE", -(-tree.size_bytes // _UNIT_BYTES), -(-tree.quota_bytes // _UNIT_BYTES))
            return _listed(storage, ("MESSAGE", tree.messages, tree.quota_messages))
    return []


def _listed(*resources: QuotaResource) -> list[QuotaResource]:
    return [resource for resource in resources if resource[2]]
