"""Quotas of mailbox trees in ``mail.db`` (``model.tree_quota``). Few accounts have any: then it is one look at an index."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from posthouse.backends.sqlite.work import Work
from posthouse.base.errors import NotFound
from posthouse.model.tree_quota import TreeQuota

# By itself SQLite would look at all mailboxes of the account; and a sorter costs more than all the rest.
_ROOTS = (
    "SELECT name, tree_bytes, tree_messages FROM mailbox INDEXED BY mailbox_with_quota"
    " WHERE account_id = ? AND (tree_bytes OR tree_messages)"
)
_SUM = (
    "SELECT coalesce(sum(size_bytes), 0), coalesce(sum(message_count), 0) FROM mailbox"
    " WHERE account_id = ? AND (name = ? OR (name > ? || '/' AND name < ? || '0'))"
)


def trees_of(read: Callable[[str, tuple[Any, ...]], list[Any]], account_id: int) -> list[TreeQuota]:
    """All of an account, by name, with what they use; ``read`` gives the rows of a statement."""
    found = []
    for name, quota_bytes, quota_messages in sorted(read(_ROOTS, (account_id,))):
        [(size_bytes, messages)] = read(_SUM, (account_id, name, name, name))
        found.append(TreeQuota(name, quota_bytes, quota_messages, size_bytes, messages))
    return found


def limit_tree(work: Work, arguments: list[Any]) -> None:
    """``[mailbox_id, quota_bytes, quota_messages]``; 0 for none."""
    mailbox_id, quota_bytes, quota_messages = arguments
    sql = "UPDATE mailbox SET tree_bytes = ?, tree_messages = ? WHERE mailbox_id = ?"
    work.execute(sql, (quota_bytes, quota_messages, mailbox_id))
    if not work.connection.changes():
        raise NotFound("There is no such mailbox")
