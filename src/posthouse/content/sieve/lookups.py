"""Who answers a script's questions in the house: the mail store, the scripts' memory, the directory, the resolver.

Knows interfaces only. What fails raises MailError; the run then ends in an error, and the message is kept. A block list that
does not answer counts as not listing (open): one dead list must not keep mail.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from posthouse.base.clock import Clock
from posthouse.base.errors import BadValue, Temporary
from posthouse.content.sieve import facts
from posthouse.content.wordlists import WordList, find
from posthouse.interfaces.directory import Directory
from posthouse.interfaces.mailstore import MailReader
from posthouse.interfaces.resolver import Resolver
from posthouse.interfaces.scripts import Scripts
from posthouse.model.address import Address
from posthouse.model.mailbox_name import normal_name
from posthouse.model.networks import plain_ip
from posthouse.model.script import ScriptOwner

DIRECTORY = "directory"
"""The address book that everybody has: who is in the directory, seen from one's own domain; everybody for the system."""
LARGE_LIST_CHARS = 4_096
MAX_GROUPS = 200
"""How many groups are followed from an address upwards."""

InBook = Callable[[int, str, str], Awaitable[bool]]
"""Whether (account, address, book) is so; "" is any book."""


@dataclass(frozen=True, slots=True)
class Sources:
    """What answers come from. ``resolver`` None: nothing is listed; ``in_book`` None: there are no books but the directory."""

    scripts: Scripts
    store: MailReader
    directory: Directory
    clock: Clock
    resolver: Resolver | None = None
    in_book: InBook | None = None


class HouseLookups:
    """``interfaces`` behind ``facts.Lookups``, for one owner of scripts. ``account_id`` 0: the site's own scripts.

    ``includes`` is where ``include :global`` looks: the domain's scripts for a user, the system's for a domain.
    """

    def __init__(self, sources: Sources, owner: ScriptOwner, includes: ScriptOwner) -> None:
        self._sources = sources
        self._owner = owner
        self._includes = includes
        self._account_id = owner.owner_id if owner.scope == "user" else 0

    async def answer(self, question: facts.Question) -> object:
        """The answer. Raises MailError."""
        sources = self._sources
        if isinstance(question, (facts.MailboxExists, facts.SpecialUseExists, facts.MailboxIdExists)):
            return await self._mailbox(question)
        if isinstance(question, facts.Remembered):
            return await sources.scripts.remembered(self._account_id, question.kind, question.key, sources.clock.now())
        if isinstance(question, facts.Listed):
            return await self._listed(question)
        if isinstance(question, facts.WordListNamed):
            return await word_list(sources.scripts, question.name)
        if isinstance(question, facts.IncludedScript):
            owner = self._owner if question.location == "personal" else self._includes
            found = await sources.scripts.script(owner, question.name)
            return found.text if found else None
        if isinstance(question, facts.InGroup):
            return await self._in_group(question)
        return await self._in_book(question)

    async def _mailbox(self, question: facts.MailboxExists | facts.SpecialUseExists | facts.MailboxIdExists) -> bool:
        if not self._account_id:
            return False
        store = self._sources.store
        if isinstance(question, facts.MailboxIdExists):
            return any(box.object_id == question.mailbox_id for box in await store.mailboxes(self._account_id))
        try:
            name = normal_name(question.mailbox if isinstance(question, facts.SpecialUseExists) else question.name)
        except BadValue:
            name = ""
        if isinstance(question, facts.MailboxExists):
            box = await store.mailbox(self._account_id, name) if name else None
            return box is not None and box.selectable
        boxes = [box for box in await store.mailboxes(self._account_id) if not question.mailbox or box.name == name]
        return any(box.special_use.lower() == question.use.lower() for box in boxes if box.special_use)

    async def _listed(self, question: facts.Listed) -> tuple[str, ...]:
        resolver, ip = self._sources.resolver, plain_ip(question.what)
        name = f"{_reversed(ip)}.{question.zone}" if ip is not None else f"{question.what}.{question.zone}"
        if resolver is None:
            return ()
        try:
            return tuple(code for code in await resolver.a(name) if code.startswith("127."))
        except Temporary:
            return ()

    async def _in_group(self, question: facts.InGroup) -> bool:
        group = _address(question.group)
        return group is not None and group.key in await self._groups_of(question.address)

    async def _groups_of(self, text: str) -> set[str]:
        """The groups and lists that the address is in, by way of others too; loops are cut."""
        seen: set[str] = set()
        address = _address(text)
        waiting = [address] if address is not None else []
        while waiting and len(seen) < MAX_GROUPS:
            for group in await self._sources.directory.memberships(waiting.pop(0)):
                if group.key not in seen:
                    seen.add(group.key)
                    waiting.append(group)
        return seen

    async def _in_directory(self, text: str) -> bool:
        """Whether there is such an account or list; scripts of a domain and its users know those of their domain."""
        address = _address(text)
        directory = self._sources.directory
        domain = await directory.domain(address.domain) if address is not None else None
        if address is None or domain is None:
            return False
        domain_id = {"system": domain.domain_id, "domain": self._owner.owner_id, "user": self._includes.owner_id}
        if domain_id[self._owner.scope] != domain.domain_id:
            return False
        return await directory.account(address) is not None or await directory.alias(address) is not None

    async def _in_book(self, question: facts.InAddressBook) -> bool:
        if question.book.lower() in ("", DIRECTORY) and await self._in_directory(question.address):
            return True
        asked = self._sources.in_book
        return await asked(self._account_id, question.address, question.book) if asked and self._account_id else False


def _address(text: str) -> Address | None:
    try:
        return Address.parse(text)
    except ValueError:
        return None


def _reversed(ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    """RFC 5782 §2.1, §2.4."""
    return ip.reverse_pointer.removesuffix(".in-addr.arpa").removesuffix(".ip6.arpa")


async def word_list(scripts: Scripts, name: str) -> WordList | None:
    """The list of this name as stored, else the starter of the name; None if there is neither. A large one is made ready in a
    thread: a new one takes tens of milliseconds, once."""
    stored = await scripts.word_list(name.lower())
    if stored is not None and len(stored.text) > LARGE_LIST_CHARS:
        return await asyncio.to_thread(find, name.lower(), stored.text)
    return find(name.lower(), stored.text if stored else None)
