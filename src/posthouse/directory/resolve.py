"""From a recipient's address to where its mail goes: aliases, plus-addressing, catch-all (RTE-4).

Used by ``pipeline/route.py`` for each RCPT TO. In a local domain the order is: alias of exactly this address; account;
the same two without the plus-addressing detail; the domain's catch-all; for ``postmaster`` and ``abuse`` an administrator
(RFC 5321 §4.5.1, RFC 2142); unknown.
An account may forward, with or without keeping a copy. A rewritten sender of a local domain leads back to whom it was
made for (SRS). Whom the node does not have, outside directories may: their groups are taken apart, their hosts and addresses
followed, in domains of ours before the catch-all (RTE-2). Aliases of aliases are followed, loops are cut, every final recipient
comes out once.
A target ``+archive.list@domain`` is a mailbox of the domain's shared tree, for aliases only: a stranger cannot write to it.
It asks the directory only and decides nothing about relaying: an address elsewhere comes back as it is.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Literal

from msgspec import Struct, field

from posthouse.directory.outside import Outside
from posthouse.directory.rewriting import SenderRewriting
from posthouse.interfaces.directory import Directory
from posthouse.model.account import Account
from posthouse.model.address import Address
from posthouse.model.mailbox import INBOX
from posthouse.model.namespaces import delivery_name, shared_account, shared_domain_id
from posthouse.model.outside import Posting
from posthouse.model.route import NextHop
from posthouse.model.settings import RouteSettings, Settings

Why = Literal["unknown", "disabled", "loop", "too deep", "too many"]

ROLE_NAMES = ("postmaster", "abuse")
STEPS_PER_TURN = 64


class LocalMailbox(Struct, frozen=True):
    """Into ``mailbox`` of a local account: INBOX, or what plus-addressing named (which need not exist); or of a shared tree,
    for which an account stands that no one has.

    ``address`` is the address that led to the account at the end of all aliases, its detail included.
    """

    account: Account
    mailbox: str
    address: Address


class Routed(Struct, frozen=True):
    """To the host that an outside directory names, for ``address``; ``source`` is the address that led to it."""

    address: Address
    hop: NextHop
    source: Address


class Problem(Struct, frozen=True):
    """An address met on the way that leads nowhere, and why."""

    address: Address
    why: Why


class Resolution(Struct, frozen=True):
    """Where the mail for ``address`` goes.

    ``is_local`` tells whether its domain is ours. ``via`` lists the aliases and catch-alls followed, for the trace.
    ``postings`` say who may write to the outside groups that it leads to, but for those within other groups.
    With ``problems`` and destinations both, the mail goes to the destinations; without any, ``problems[0]`` is the reason.
    """

    address: Address
    is_local: bool
    mailboxes: tuple[LocalMailbox, ...] = ()
    elsewhere: tuple[Address, ...] = ()
    routed: tuple[Routed, ...] = ()
    problems: tuple[Problem, ...] = ()
    via: tuple[Address, ...] = ()
    postings: tuple[Posting, ...] = ()

    @property
    def is_deliverable(self) -> bool:
        """Whether there is at least one destination."""
        return bool(self.mailboxes or self.elsewhere or self.routed)

    @property
    def grown(self) -> int:
        """By how many recipients it is more than the one that was asked about."""
        return max(len(self.mailboxes) + len(self.elsewhere) + len(self.routed) + len(self.problems) - 1, 0)


class RecipientResolver:
    """Stateless but for what it was given; ``settings()`` is the current snapshot; ``rewriting`` knows rewritten senders,
    ``outside`` other directories."""

    def __init__(
        self,
        directory: Directory,
        settings: Callable[[], Settings],
        rewriting: SenderRewriting | None = None,
        outside: Outside | None = None,
    ) -> None:
        self._directory = directory
        self._settings = settings
        self._rewriting = rewriting
        self.outside = outside or Outside()

    async def resolve(self, address: Address, *, routed: bool = False) -> Resolution:
        """``routed``: its domain has a route, but an outside directory leads elsewhere. Raises Temporary if a directory cannot
        be asked."""
        route = self._settings().route
        expansion = _Expansion(route, address if routed else None)
        expansion.add(address, None, "")
        while (step := expansion.next()) is not None:
            await self._follow(step, expansion, route)
            if len(expansion.seen) % STEPS_PER_TURN == 0:
                await asyncio.sleep(0)  # the directory answers at once: a long list would keep everybody waiting
        return expansion.result(address)

    async def forbids(self, resolution: Resolution, sender: Address | None, *, is_inside: bool) -> Posting | None:
        """The outside group that ``sender`` may not write to, if there is one. ``is_inside``: the client is one of the site.
        Raises Temporary."""
        for posting in resolution.postings:
            forgeable = False
            if sender is not None and not is_inside:
                forgeable = self.outside.owns(sender.domain) or await self._directory.domain(sender.domain) is not None
            if not await self.outside.may_post(posting, sender, is_inside=is_inside, is_forgeable=forgeable):
                return posting
        return None

    async def _follow(self, step: _Step, expansion: _Expansion, route: RouteSettings) -> None:
        """Turns one address into destinations, further steps, or a problem."""
        address = step.address
        domain = await self._directory.domain(address.domain) if address.domain else None
        if domain is None and address.domain:
            known = expansion.routed_root is address
            if self.outside.leads(address.domain, known=known) and await self._found_outside(step, expansion):
                return
            if address.local.lower() not in ROLE_NAMES or not self.outside.owns(address.domain):
                expansion.elsewhere.setdefault(address.key, address)
                return
        if domain is not None:
            if await self._found(step, address, step.detail, expansion):
                return
            if self._rewriting is not None and (back := self._rewriting.original(address)) is not None:
                expansion.via.append(address)
                expansion.add(back, step, "")
                return
            if step.source is not None and (name := delivery_name(address.local)):
                expansion.deliver(shared_account(domain, address), name, address)
                return
            base, detail = address.split_detail(route.plus_addressing)
            if base != address.local and await self._found(step, address.with_local(base), detail, expansion):
                return
            if self.outside.leads(address.domain, known=True) and await self._found_outside(step, expansion):
                return
            if domain.catch_all and (catch_all := _parsed(domain.catch_all)) is not None:
                expansion.via.append(address)
                expansion.add(catch_all, step, "")
                return
        if address.local.lower() in ROLE_NAMES and (account := await self._administrator(address.domain)) is not None:
            expansion.deliver(account, INBOX, address)
            return
        expansion.problem(address, "unknown")

    async def _found(self, step: _Step, address: Address, detail: str, expansion: _Expansion) -> bool:
        """Whether an alias or account has exactly ``address``; if so it has been dealt with."""
        alias = await self._directory.alias(address)
        if alias is not None:
            expansion.via.append(address)
            for target in alias.targets:
                expansion.add(target, step, detail)
            return True
        account = await self._directory.account(address)
        if account is None:
            return False
        if not account.enabled:
            expansion.problem(address, "disabled")
            return True
        if account.forward is not None:
            expansion.via.append(account.address)
            for target in account.forward.targets:
                expansion.add(target, step, detail)
        if account.forward is None or account.forward.keep:
            expansion.deliver(account, mailbox_name(detail), step.address)
        return True

    async def _found_outside(self, step: _Step, expansion: _Expansion) -> bool:
        """Whether an outside directory says where an address leads; if so it has been dealt with."""
        lead = await self.outside.lead(step.address)
        if lead is None:
            return False
        if lead.members is not None:
            if lead.posting is not None and not expansion.is_within_group(step):
                expansion.postings.append(lead.posting)
            expansion.groups.add(step.address.key)
            expansion.via.append(step.address)
            for member in lead.members:
                self._add_outside(member, step, expansion)
            if not lead.members:
                expansion.problem(step.address, "unknown")
        elif lead.hop is not None:
            expansion.routed.setdefault(lead.address.key, Routed(lead.address, lead.hop, step.address))
        else:
            expansion.via.append(step.address)
            self._add_outside(lead.address, step, expansion)
        return True

    def _add_outside(self, address: Address, step: _Step, expansion: _Expansion) -> None:
        """A directory writes into the shared tree of no other domain than the address's own (as ``admin/alias.py``)."""
        if delivery_name(address.local) and address.domain != step.address.domain:
            expansion.problem(address, "unknown")
        else:
            expansion.add(address, step, "")

    async def _administrator(self, domain: str) -> Account | None:
        """The first enabled administrator of ``domain``, else of the node."""
        for where in dict.fromkeys((domain, "")):
            for account in await self._directory.accounts(domain=where, role="administrator"):
                if account.enabled:
                    return account
        return None


class _Step(Struct, frozen=True):
    """An address on the way; ``source`` is the step whose alias named it, ``detail`` the hint carried along."""

    address: Address
    source: _Step | None
    detail: str
    depth: int

    def comes_from(self, key: str) -> bool:
        step: _Step | None = self
        while step is not None:
            if step.address.key == key:
                return True
            step = step.source
        return False


class _Expansion(Struct):
    """What one resolution has seen and found so far; destinations are kept in the order of finding, each once."""

    route: RouteSettings
    routed_root: Address | None = None
    waiting: deque[_Step] = field(default_factory=deque)
    seen: set[str] = set()
    mailboxes: dict[tuple[int, str], LocalMailbox] = {}
    elsewhere: dict[str, Address] = {}
    routed: dict[str, Routed] = {}
    problems: dict[str, Problem] = {}
    via: list[Address] = []
    groups: set[str] = set()
    postings: list[Posting] = []
    too_many: Address | None = None

    def add(self, address: Address, source: _Step | None, detail: str) -> None:
        """One more address to follow, unless it was seen, is too deep, or makes them too many."""
        depth = source.depth + 1 if source is not None else 0
        if source is not None and source.comes_from(address.key):
            self.problem(address, "loop")
        elif address.key in self.seen:
            return
        elif depth > self.route.max_alias_depth:
            self.problem(address, "too deep")
        elif len(self.seen) > self.route.max_expansion:
            self.too_many = address
        else:
            self.seen.add(address.key)
            self.waiting.append(_Step(address, source, detail, depth))

    def next(self) -> _Step | None:
        """The next step; None when all is done, or there are too many to go on."""
        return self.waiting.popleft() if self.waiting and self.too_many is None else None

    def is_within_group(self, step: _Step) -> bool:
        """Whether an outside group has led here: who may write to it may reach those in it."""
        source = step.source
        while source is not None:
            if source.address.key in self.groups:
                return True
            source = source.source
        return False

    def deliver(self, account: Account, mailbox: str, address: Address) -> None:
        shared = mailbox if shared_domain_id(account.account_id) else ""
        self.mailboxes.setdefault((account.account_id, shared), LocalMailbox(account, mailbox, address))

    def problem(self, address: Address, why: Why) -> None:
        self.problems.setdefault(address.key, Problem(address, why))

    def result(self, address: Address) -> Resolution:
        """Too many recipients give none at all: half a list served is worse than a clear refusal."""
        if self.too_many is not None:
            return Resolution(address, is_local=True, problems=(Problem(self.too_many, "too many"),), via=tuple(self.via))
        return Resolution(
            address,
            is_local=address.key not in self.elsewhere,
            mailboxes=tuple(self.mailboxes.values()),
            elsewhere=tuple(self.elsewhere.values()),
            routed=tuple(self.routed.values()),
            problems=tuple(self.problems.values()),
            via=tuple(self.via),
            postings=tuple(self.postings),
        )


def mailbox_name(detail: str) -> str:
    """The mailbox that a plus-addressing detail names; INBOX for none, and for text that cannot be a mailbox's name."""
    usable = detail.isprintable() and detail.strip("/ ") == detail and "//" not in detail
    return INBOX if not detail or not usable or detail.upper() == INBOX else detail


def _parsed(text: str) -> Address | None:
    try:
        return Address.parse(text)
    except ValueError:
        return None
