"""The mail store: mailboxes and messages (STO-1, STO-7, IMP-1).

Reads may be served from a snapshot that is milliseconds old, but a session always reads its own writes, and a read that
starts after another session's write was acknowledged sees it. A write has happened, durably (fsync), when its call
returns; it raises Temporary (NoSpace when the disk is full) when it did not happen. Mailbox names are text with ``/``.
UIDs in arguments that do not exist are ignored. All sequences of rows are in ascending UID order.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Literal, Protocol

from posthouse.interfaces.sharing import FlagAction, SharingReader, SharingWriter
from posthouse.interfaces.usage import Annotations, Expiring, UsageBook
from posthouse.model.mailbox import (
    Appended,
    Changes,
    Copied,
    FlagsChanged,
    MailboxInfo,
    MessageFacts,
    MessageRow,
    MessageSize,
    NewMessage,
    SpecialUse,
)

__all__ = ["HEAD_BYTES", "FactName", "FlagAction", "MailReader", "MailStore", "MailWriter", "Watched"]
HEAD_BYTES = 16_384
Watched = Literal["mailbox", "account", "names"]
FactName = Literal["size_bytes", "received_at", "saved_at", "envelope", "body", "bodystructure", "preview", "object_id"]


class MailReader(SharingReader, Protocol):
    """Reading. ``account_id`` is the directory's; an account that has no mailboxes yet shows the default ones (DIR-4)."""

    async def mailboxes(self, account_id: int) -> Sequence[MailboxInfo]:
        """All mailboxes of an account, sorted by name, INBOX first. Subscribed names without mailbox: ``subscriptions``."""
        ...

    async def mailbox(self, account_id: int, name: str) -> MailboxInfo | None:
        """One mailbox, fresh; None if there is none. ``inbox`` in any case means INBOX."""
        ...

    async def mailbox_by_id(self, mailbox_id: int) -> MailboxInfo | None:
        """One mailbox, fresh; None once it is deleted. Cheap: called at every synchronisation point of a session."""
        ...

    async def subscriptions(self, account_id: int) -> Sequence[str]:
        """Subscribed names, sorted; a name stays subscribed when its mailbox is deleted (RFC 9051 §6.3.7)."""
        ...

    async def mod_seq(self, mailbox_id: int) -> int:
        """Its mod-sequence, fresh; 0 once it is deleted. As cheap as can be: asked before most commands of a session."""
        ...

    def want_notices(self, kind: Watched, number: int, *, on: bool) -> None:
        """Whether this process is to hear of changes (topic ``mailbox`` of the bus) of a mailbox, of all of an account's, or of
        all whose ``names`` may show. It may hear of others too."""
        ...

    async def rows(self, mailbox_id: int) -> tuple[MailboxInfo, Sequence[MessageRow]]:
        """A consistent view of a whole mailbox. Raises NotFound."""
        ...

    async def changes(self, mailbox_id: int, since_mod_seq: int) -> Changes:
        """All that happened after ``since_mod_seq``, consistent. Raises NotFound."""
        ...

    async def facts(self, mailbox_id: int, uids: Sequence[int]) -> Sequence[MessageFacts]:
        """Unchanging facts of the given messages. Callers ask in batches of a few hundred."""
        ...

    async def sizes(self, mailbox_id: int) -> Sequence[MessageSize]:
        """Of all messages, at one moment. Raises NotFound."""
        ...

    async def heads(self, mailbox_id: int, uids: Sequence[int]) -> Sequence[tuple[int, bytes]]:
        """(UID, the first ``HEAD_BYTES`` octets, or all) of the messages that exist. Callers ask in batches of a few
        hundred."""
        ...

    async def some_facts(self, mailbox_id: int, uids: Sequence[int], names: Sequence[FactName]) -> Sequence[tuple[Any, ...]]:
        """(UID, the facts of these names) of the messages that exist: those of ``MessageFacts``, and ``Summary.preview``.
        Callers ask in batches of a few hundred."""
        ...

    async def listed_fields(
        self, mailbox_id: int, uids: Sequence[int], names: Collection[str]
    ) -> Sequence[tuple[int, bytes | None]]:
        """(UID, header fields) of the messages that exist: those of ``names``, which are of ``model.listed_fields``, as they
        stand in the message, and a blank line. None: not at hand, look at the message. In batches of a few hundred."""
        ...

    async def contents(self, mailbox_id: int, uids: Sequence[int]) -> Sequence[tuple[int, int, bytes | None]]:
        """(UID, body_id, the whole message, or None if it is large) of the messages that exist. In batches of a few."""
        ...

    async def url_key(self, account_id: int, mailbox_id: int) -> bytes | None:
        """The secret that signs an account's URLs to a mailbox (RFC 4467 §3); None if none was made."""
        ...

    async def content(self, body_id: int) -> bytes:
        """The whole message. Raises NotFound if it was expunged and swept."""
        ...


class MailWriter(SharingWriter, Protocol):
    """Writing. Each call is one unit: it happens whole or not at all."""

    async def create(self, account_id: int, name: str, special_use: SpecialUse = "") -> MailboxInfo:
        """Makes a mailbox and its missing parents. Raises AlreadyExists, BadValue (name), Permanent (limits)."""
        ...

    async def delete(self, account_id: int, name: str) -> None:
        """Deletes a mailbox and its messages; if it has children the name stays, not selectable (RFC 9051 §6.3.5).
        Raises NotFound; Permanent for INBOX."""
        ...

    async def rename(self, account_id: int, name: str, new_name: str) -> None:
        """Renames a mailbox and all below it; INBOX's messages move to the new name and INBOX stays, empty
        (RFC 9051 §6.3.6). Raises NotFound, AlreadyExists, BadValue."""
        ...

    async def subscribe(self, account_id: int, name: str, *, on: bool) -> None:
        """Adds or removes a name in the list of subscriptions; the mailbox need not exist."""
        ...

    async def append(self, mailbox_id: int, messages: Sequence[NewMessage], *, name: str = "") -> Appended:
        """Adds messages, all or none. ``name``: only if it is still called so. Raises NotFound, BadValue (keywords)."""
        ...

    async def store_flags(
        self,
        mailbox_id: int,
        uids: Sequence[int],
        action: FlagAction,
        flags: Sequence[str],
        unchanged_since: int | None = None,
    ) -> FlagsChanged:
        """Changes flags. Rows come back also when nothing changed; only real changes raise a mod-sequence."""
        ...

    async def expunge(self, mailbox_id: int, uids: Sequence[int] | None, *, unmarked: bool = False) -> Sequence[int]:
        """Removes messages that have ``\\Deleted`` (``unmarked``: any), among ``uids`` if given; gives the UIDs that went.

        With undelete on they go to the shadow tree (``model.undelete``, STO-2), unless they come from there."""
        ...

    async def settle(self, mailbox_id: int, gone: Sequence[int], seen: Sequence[int]) -> None:
        """What a POP session leaves (RFC 1939 §6), as one unit: ``gone`` are removed as by ``expunge``, marked or not, ``seen``
        get ``\\Seen``. Raises NotFound."""
        ...

    async def copy(self, mailbox_id: int, uids: Sequence[int], target_id: int, *, move: bool = False) -> Copied:
        """Copies or moves with flags and INTERNALDATE; content is shared, never duplicated. Raises NotFound."""
        ...

    async def replace(self, mailbox_id: int, uid: int, target_id: int, message: NewMessage) -> tuple[int, int]:
        """Adds ``message`` to ``target_id`` and removes message ``uid`` of ``mailbox_id``, as one unit (RFC 8508); gives
        UIDVALIDITY and UID. Raises NotFound (mailboxes, message), BadValue (keywords)."""
        ...

    async def make_url_key(self, account_id: int, mailbox_id: int) -> bytes:
        """The secret of ``url_key``, made if there is none. Raises NotFound."""
        ...

    async def drop_url_keys(self, account_id: int, mailbox_id: int | None = None) -> None:
        """Forgets one mailbox's secret, or all of an account: the URLs signed with it are void (RFC 4467 §7)."""
        ...

    async def delete_account(self, account_id: int) -> None:
        """Removes all mailboxes, messages and subscriptions of an account."""
        ...


class MailStore(MailReader, MailWriter, UsageBook, Annotations, Expiring, Protocol):
    """All of it. Whoever makes an account grow past its quota gets OVERQUOTA (``model.quota``)."""
