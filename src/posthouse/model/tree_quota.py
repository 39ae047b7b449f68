"""Quotas of a mailbox with all that is below it: a tree with a root (STO-5). They hold besides the quotas of user and domain.

Programs are refused what would go past one. Mail from outside for a mailbox in a full tree goes to INBOX, as if the mailbox
were not there; INBOX's own tree is not asked about mail, since there is nowhere else to go.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from posthouse.model.mailbox import SEPARATOR
from posthouse.model.quota import Growth, over_quota


@dataclass(frozen=True, slots=True)
class TreeQuota:
    """A root with its limits (0: none) and what its tree uses."""

    root: str
    quota_bytes: int
    quota_messages: int
    size_bytes: int
    messages: int

    def holds(self, name: str) -> bool:
        """Whether the mailbox of this name is in the tree."""
        return name == self.root or name.startswith(self.root + SEPARATOR)

    def allows(self, growth: Growth) -> bool:
        """Whether there is room."""
        bytes_fit = not self.quota_bytes or growth.size_bytes <= 0 or self.size_bytes + growth.size_bytes <= self.quota_bytes
        return bytes_fit and (not self.quota_messages or self.messages + growth.messages <= self.quota_messages)


def check_trees(trees: Iterable[TreeQuota], name: str, growth: Growth, *, source: str = "") -> None:
    """Raises Permanent (OVERQUOTA) if a tree that mailbox ``name`` is in has no room; trees that the messages leave ``source``
    for do not grow."""
    for tree in trees:
        if tree.holds(name) and not (source and tree.holds(source)) and not tree.allows(growth):
            raise over_quota(f"{tree.root} and what is below it is full", permanent=True)


def has_room(trees: Iterable[TreeQuota], name: str, growth: Growth) -> bool:
    """Whether mail from outside can go to mailbox ``name``."""
    return all(tree.allows(growth) for tree in trees if tree.holds(name))
