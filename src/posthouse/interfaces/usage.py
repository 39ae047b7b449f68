"""What accounts and domains use, and annotations: two further faces of the mail store (STO-5, STO-6, RFC 5464)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from posthouse.model.expiry import Expiry
from posthouse.model.quota import Standing, Usage
from posthouse.model.tree_quota import TreeQuota

SERVER, SHARED = 0, 0
"""In place of a mailbox: the server; in place of an account: what everyone sees."""

Annotation = tuple[str, bytes]


class UsageBook(Protocol):
    """Sums that change in the same transaction as what they count."""

    async def usage(self, account_id: int) -> Usage:
        """What an account uses at this moment. Cheap."""
        ...

    async def standing(self, account_id: int) -> Standing: ...

    async def domain_usage(self, domain_id: int) -> Usage:
        """The sum over the accounts that are known to be the domain's (``belong``)."""
        ...

    async def deleted_bytes(self, mailbox_id: int) -> int:
        """Octets of the messages of a mailbox that have ``\\Deleted`` (RFC 9208 §3.2)."""
        ...

    async def warnings_due(self, limit: int) -> Sequence[int]:
        """Accounts whose owners are to be told that their mailbox fills up."""
        ...

    async def warned(self, account_id: int) -> None:
        """The owner was told; not again before the account was below the warning percentage."""
        ...

    async def belong(self, accounts: Sequence[tuple[int, int]]) -> None:
        """(account_id, domain_id): counts accounts among their domain's. Whoever is limited is counted by himself."""
        ...

    async def limit_tree(self, mailbox_id: int, quota_bytes: int, quota_messages: int) -> None:
        """Gives a mailbox with all below it a quota of its own; 0 for none. Raises NotFound."""
        ...

    async def trees(self, account_id: int) -> Sequence[TreeQuota]:
        """The account's mailboxes with such quotas, sorted by name. Cheap for those that have none."""
        ...

    async def recount(self) -> int:
        """Makes all sums anew; gives how many were wrong."""
        ...


class Annotations(Protocol):
    """Small values under names like ``/shared/comment``, without their ``/shared`` or ``/private`` being looked at.

    ``mailbox_id`` is SERVER or a mailbox; ``account_id`` is SHARED, or whose private annotation it is.
    """

    async def annotations(self, mailbox_id: int, account_id: int) -> Sequence[Annotation]:
        """(entry, value), sorted by entry."""
        ...

    async def annotate(self, mailbox_id: int, account_id: int, entries: Sequence[tuple[str, bytes | None]]) -> None:
        """Sets them all, or none; None removes. Raises NotFound; Permanent (METADATA TOOMANY)."""
        ...


class Expiring(Protocol):
    """What expires by schedule."""

    async def expiring(self, after: int, limit: int) -> Sequence[tuple[int, int, str, str]]:
        """(mailbox_id, account_id, special_use, policy) of mailboxes past number ``after`` that have a policy, and of all Trash
        and Junk Mail (policy "" if they have none of their own); in ascending order."""
        ...

    async def expired(self, mailbox_id: int, expiry: Expiry, now: float, limit: int) -> Sequence[int]:
        """UIDs that the policy lets go, oldest first."""
        ...
