"""The mail store's part for sharing: rights on mailboxes, and mailboxes as readers have them who do not own them (STO-3,
IMP-1).

A mailbox's owner has all rights and is not in its list. A *reader* is an account that does not own the mailbox: its \\Seen is
its own, all other flags are common with the owner and the other readers; the owner's \\Seen is unknown to it. In a shared
tree, whose account number is negative (``model.namespaces``), everyone is a reader, and there are no default mailboxes. A
reader's change of its own \\Seen raises the mailbox's mod-sequence like any change; for the reader a message's mod-sequence
is that of the later of the message's own change and its own. A mailbox made below another one begins with that one's list;
renaming keeps it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Literal, Protocol

from posthouse.model.mailbox import Changes, Copied, FlagsChanged, MailboxInfo, MessageRow
from posthouse.model.rights import Acl, AclAction, CopyReaders, Reader, SharedMailbox

FlagAction = Literal["add", "remove", "replace"]


class SharingReader(Protocol):
    """Reading. ``reader`` is the account of one who does not own the mailbox."""

    async def acl(self, mailbox_id: int) -> Acl:
        """The entries by identifier; none for a mailbox that does not exist. Cheap: asked at every command of a reader."""
        ...

    async def shared_with(self, identifiers: Collection[str]) -> Sequence[SharedMailbox]:
        """The mailboxes that whoever goes by all these identifiers may at least look up, by owner and name."""
        ...

    async def reader_unseen(self, mailbox_id: int, reader: int) -> int:
        """How many messages the reader has not seen."""
        ...

    async def reader_rows(self, mailbox_id: int, reader: int) -> tuple[MailboxInfo, Sequence[MessageRow]]:
        """``rows`` as the reader has them; the info is the owner's. Raises NotFound."""
        ...

    async def reader_changes(self, mailbox_id: int, since_mod_seq: int, reader: int) -> Changes:
        """``changes`` as the reader has them. Raises NotFound."""
        ...


class SharingWriter(Protocol):
    """Writing."""

    async def set_acl(self, mailbox_id: int, identifier: str, action: AclAction, rights: str) -> None:
        """Changes one entry; one that is left without rights goes. Raises NotFound, Permanent (too many entries)."""
        ...

    async def forget_identifier(self, identifier: str) -> None:
        """Removes all entries of an identifier that is no more, also those that take rights away from it."""
        ...

    async def store_reader_flags(
        self,
        mailbox_id: int,
        uids: Sequence[int],
        action: FlagAction,
        flags: Sequence[str],
        unchanged_since: int | None,
        reader: Reader,
    ) -> FlagsChanged:
        """``store_flags`` by a reader: flags outside the reader's mask stay as they are. Raises NotFound, BadValue."""
        ...

    async def copy_between(
        self, mailbox_id: int, uids: Sequence[int], target_id: int, readers: CopyReaders, *, move: bool = False
    ) -> Copied:
        """``copy`` where one of the mailboxes, or both, are not the user's own."""
        ...
