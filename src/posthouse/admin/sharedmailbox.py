"""Mailboxes of domains' shared trees (STO-3): they belong to no user, so only an administrator makes and removes the top ones.

Users see them under ``Shared`` as far as ``share add`` lets them; those who hold ``k`` there make further ones below.
"""

from __future__ import annotations

from collections.abc import Sequence

from posthouse.admin.arguments import DomainName
from posthouse.admin.context import Context
from posthouse.admin.mailbox import MailboxRow
from posthouse.admin.operation import operation
from posthouse.admin.share import tree_of
from posthouse.base.errors import BadValue, NotFound
from posthouse.model.mailbox import INBOX, MailboxInfo
from posthouse.model.namespaces import FOREIGN


def _row(info: MailboxInfo) -> MailboxRow:
    return MailboxRow(info.name, info.exists, info.unseen, info.size_bytes, "")


@operation("sharedmailbox create", role="domain-administrator", scope="domain")
async def create(context: Context, domain: DomainName, mailbox: str) -> MailboxRow:
    """Makes a mailbox in a domain's shared tree, and its missing parents. Nobody sees it before 'share add'.

    Args:
        domain: name of the domain.
        mailbox: its name, with / between levels.
    """
    tree = await tree_of(context, domain)
    if mailbox.startswith(FOREIGN) or mailbox.partition("/")[0].upper() == INBOX:
        raise BadValue(f"a shared mailbox is not called INBOX, and does not begin with {FOREIGN}")
    return _row(await context.store.create(tree, mailbox))


@operation("sharedmailbox list", role="help-desk", scope="domain", reads=True, columns=("mailbox", "messages"))
async def list_(context: Context, domain: DomainName) -> Sequence[MailboxRow]:
    """Lists the mailboxes of a domain's shared tree.

    Args:
        domain: name of the domain.
    """
    return [_row(info) for info in await context.store.mailboxes(await tree_of(context, domain))]


@operation("sharedmailbox rename", role="domain-administrator", scope="domain")
async def rename(context: Context, domain: DomainName, mailbox: str, new_name: str) -> MailboxRow:
    """Renames a shared mailbox and all below it; who may use it stays as it is.

    Args:
        domain: name of the domain.
        mailbox: its name, with / between levels.
        new_name: the new name, with / between levels.
    """
    tree = await tree_of(context, domain)
    await context.store.rename(tree, mailbox, new_name)
    info = await context.store.mailbox(tree, new_name)
    if info is None:
        raise NotFound(f"there is no shared mailbox {new_name}")
    return _row(info)


@operation("sharedmailbox delete", role="domain-administrator", scope="domain")
async def delete(context: Context, domain: DomainName, mailbox: str) -> None:
    """Deletes a shared mailbox with its messages. An alias that still delivers to it makes it anew with the next mail.

    Args:
        domain: name of the domain.
        mailbox: its name, with / between levels.
    """
    await context.store.delete(await tree_of(context, domain), mailbox)
