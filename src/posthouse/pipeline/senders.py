"""What the lists of a recipient, its domain and the site say of a message (CON-12): part of stage ``junk``.

Order: allowed senders, allowed recipients, blocked senders, each on all three lists; so whoever is allowed anywhere is not
blocked elsewhere. A sender is the From address or the envelope's; an allowed one must be the only From address, and be who it
says it is (``sender_alignment``). A recipient is the envelope's, or one that To or Cc names.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from posthouse.formats import headers
from posthouse.interfaces.senders import SenderLists
from posthouse.model.address import Address
from posthouse.model.senders import EntryKind, ListOwner, SenderEntry, keys_of, matches, owners_for, parsed
from posthouse.pipeline.sender_alignment import Alignment
from posthouse.pipeline.transaction import Transaction

MAX_ADDRESSES = 50
"""Addresses of one header field that are looked at."""


@dataclass(frozen=True, slots=True)
class ListWord:
    """What the lists say. ``kind`` None: nothing. ``objections``: entries that would have allowed it, and why they do not."""

    kind: EntryKind | None = None
    why: str = ""
    objections: tuple[str, ...] = ()


NOTHING_SAID = ListWord()


class ListReading:
    """For one message: asks each list once, whoever the recipients are. Whom it names is read when a list has entries."""

    def __init__(self, lists: SenderLists, transaction: Transaction, alignment: Alignment) -> None:
        summary = transaction.summary
        assert summary is not None, "the driver sets the summary before it asks"
        self._content = transaction.content
        self._summary = summary
        self._envelope = transaction.sender.address
        self._lists = lists
        self._alignment = alignment
        self._known: dict[tuple[ListOwner, Address], Sequence[SenderEntry]] = {}

    @cached_property
    def _spelled(self) -> Sequence[str]:
        authors = headers.values_of(self._content, self._summary.root, "from")
        return [f"{local}@{domain}" for value in authors for _, local, domain in headers.addresses(value)[:MAX_ADDRESSES]]

    @cached_property
    def _authors(self) -> Sequence[Address]:
        return parsed(self._spelled[:MAX_ADDRESSES])

    @cached_property
    def _addressed(self) -> Sequence[Address]:
        to, cc = self._summary.to_addresses, self._summary.cc_addresses
        return parsed((*to[:MAX_ADDRESSES], *cc[:MAX_ADDRESSES]))

    @cached_property
    def _keys(self) -> set[str]:
        return {key for address in (*self._senders(), *self._addressed) for key in keys_of(address)}

    async def word(self, recipient: Address, account: Address) -> ListWord:
        """What the lists of ``account`` say of a copy that was addressed to ``recipient``."""
        owners = await self._lists.having(owners_for(account))
        found = [entry for owner in owners for entry in await self._entries(owner, recipient)]
        if not found:
            return NOTHING_SAID
        objections: list[str] = []
        if (allowed := await self._allowed(found, objections)) is not None:
            return ListWord("sender", _words(allowed), tuple(objections))
        for entry in found:
            if entry.kind == "recipient" and any(matches(entry.pattern, each) for each in (recipient, *self._addressed)):
                return ListWord("recipient", _words(entry), tuple(objections))
        for entry in found:
            if entry.kind == "blocked" and any(matches(entry.pattern, each) for each in self._senders()):
                return ListWord("blocked", _words(entry), tuple(objections))
        return ListWord(None, "", tuple(objections))

    async def _allowed(self, found: Sequence[SenderEntry], objections: list[str]) -> SenderEntry | None:
        for entry in found:
            if entry.kind != "sender":
                continue
            for address in self._allowable():
                if matches(entry.pattern, address):
                    objection = await self._alignment.objection(address)
                    if not objection:
                        return entry
                    objections.append(f"{_words(entry)}, but {objection}")
        return None

    def _allowable(self) -> list[Address]:
        """Senders that an entry may allow: of several authors none is."""
        authors = self._authors if len(self._spelled) == 1 else ()
        return [*authors, *([self._envelope] if self._envelope and self._envelope not in authors else [])]

    def _senders(self) -> list[Address]:
        return [*self._authors, *([self._envelope] if self._envelope else [])]

    async def _entries(self, owner: ListOwner, recipient: Address) -> Sequence[SenderEntry]:
        """Those that may match."""
        asked = (owner, recipient)
        if asked not in self._known:
            self._known[asked] = await self._lists.candidates(owner, self._keys.union(keys_of(recipient)))
        return self._known[asked]


def _words(entry: SenderEntry) -> str:
    whose = {"system": "the site", "domain": entry.owner.name, "user": entry.owner.name}[entry.owner.scope]
    return f"{entry.pattern}, on the list of {whose}"
