"""Allowed and blocked senders and allowed recipients: of the system, of domains, of users (CON-12)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from posthouse.admin.arguments import Document as Text
from posthouse.admin.arguments import DomainName, UsageError
from posthouse.admin.context import Context, NotAllowed
from posthouse.admin.operation import operation
from posthouse.base.errors import BadValue, NotFound
from posthouse.model.address import Address
from posthouse.model.senders import SYSTEM_LIST, EntryKind, ListOwner, SenderEntry, normal_pattern

Kind = Literal["sender", "recipient", "blocked"]
_WORDS: dict[EntryKind, str] = {"sender": "allowed sender", "recipient": "allowed recipient", "blocked": "blocked sender"}
_MAX_LINES = 20_000
_CHANGERS = ("administrator", "domain-administrator")
_LOOKERS = (*_CHANGERS, "help-desk")


@dataclass(frozen=True, slots=True)
class EntryRow:
    """One entry."""

    kind: str
    entry: str


@dataclass(frozen=True, slots=True)
class ListChange:
    """How many entries came or went."""

    changed: int


@operation("sender allow", role="user", scope="domain")
async def allow(
    context: Context,
    entries: tuple[str, ...],
    *,
    system: bool = False,
    domain: DomainName | None = None,
    user: Address | None = None,
    recipients: bool = False,
) -> ListChange:
    """Allows senders: their mail is no spam. Where their domain publishes a DMARC policy, it must pass.

    Args:
        entries: addresses, domains (subdomains too; @example.com for it alone), or patterns with * and ?.
        system: for the whole site.
        domain: for this domain's users.
        user: for this user; users name nobody: their own list is meant.
        recipients: the entries are recipients, such as mailing lists: what is sent to them is no spam.
    """
    owner = await owner_of(context, system=system, domain=domain, user=user, write=True)
    return await _add(context, owner, "recipient" if recipients else "sender", entries)


@operation("sender block", role="user", scope="domain")
async def block(
    context: Context,
    entries: tuple[str, ...],
    *,
    system: bool = False,
    domain: DomainName | None = None,
    user: Address | None = None,
) -> ListChange:
    """Blocks senders; what happens to their mail is said by junk set. Allowed ones are asked first.

    Args:
        entries: addresses, domains (subdomains too; @example.com for it alone), or patterns with * and ?.
        system: for the whole site.
        domain: for this domain's users.
        user: for this user; users name nobody: their own list is meant.
    """
    owner = await owner_of(context, system=system, domain=domain, user=user, write=True)
    return await _add(context, owner, "blocked", entries)


@operation("sender load", role="user", scope="domain")
async def load(
    context: Context,
    kind: Kind,
    text: Text,
    *,
    system: bool = False,
    domain: DomainName | None = None,
    user: Address | None = None,
) -> ListChange:
    """Adds a whole list at once.

    Args:
        kind: allowed senders, allowed recipients, or blocked senders.
        text: the list, an entry a line; # begins a comment.
        system: for the whole site.
        domain: for this domain's users.
        user: for this user; users name nobody: their own list is meant.
    """
    owner = await owner_of(context, system=system, domain=domain, user=user, write=True)
    lines = [line.partition("#")[0].strip() for line in text.splitlines()]
    return await _add(context, owner, kind, tuple(line for line in lines if line))


@operation("sender remove", role="user", scope="domain")
async def remove(
    context: Context,
    entries: tuple[str, ...],
    *,
    system: bool = False,
    domain: DomainName | None = None,
    user: Address | None = None,
) -> ListChange:
    """Takes entries out of a list, whether they allow or block.

    Args:
        entries: the entries, as they are listed.
        system: from the list of the whole site.
        domain: from this domain's.
        user: from this user's; users name nobody: their own list is meant.
    """
    owner = await owner_of(context, system=system, domain=domain, user=user, write=True)
    count = await context.junk.senders_writer.remove(owner, None, {normal_pattern(entry) for entry in entries})
    if not count:
        raise NotFound(f"no entry {entries[0]!r} there" if entries else "which entries?")
    return ListChange(count)


@operation("sender list", role="user", scope="domain", reads=True)
async def list_(
    context: Context,
    *,
    system: bool = False,
    domain: DomainName | None = None,
    user: Address | None = None,
    kind: Kind | None = None,
    after: str = "",
    count: int = 1000,
) -> Sequence[EntryRow]:
    """Lists a list's entries in alphabetical order.

    Args:
        system: the list of the whole site.
        domain: this domain's.
        user: this user's; users name nobody: their own list is meant.
        kind: allowed senders, allowed recipients, or blocked senders alone.
        after: only what comes behind this entry.
        count: how many to show at most.
    """
    if not 1 <= count <= _MAX_LINES:
        raise BadValue(f"count is 1 to {_MAX_LINES}")
    owner = await owner_of(context, system=system, domain=domain, user=user, write=False)
    found = await context.junk.senders.entries(owner, kind=kind, after=after, limit=count)
    return [EntryRow(_WORDS[entry.kind], entry.pattern) for entry in found]


async def owner_of(context: Context, *, system: bool, domain: str | None, user: Address | None, write: bool) -> ListOwner:
    """Exactly one of the three must be given. A user of another mail system behind this node needs no account here.

    Who administers no users has their own list alone. Raises UsageError, NotAllowed, NotFound."""
    others = _CHANGERS if write else _LOOKERS
    if context.role not in others:
        return await _own(context, alone=not system and domain is None and (user is None or context.is_own(user)))
    if [system, domain is not None, user is not None].count(True) != 1:
        raise UsageError("whose list? one of --system, --domain DOMAIN, --user ADDRESS")
    if system:
        if context.role != "administrator" and (write or context.own_domain):
            raise NotAllowed("the system's lists are the administrators'")
        return SYSTEM_LIST
    if domain is not None:
        context.require_domain(domain)
        return ListOwner("domain", domain)
    assert user is not None
    context.require_domain(user.domain)
    account = await context.directory.account(user)
    if account is not None and write and not context.is_own(user):
        context.require_account(account)
    if account is None and any(each.name == user.domain for each in await context.directory.domains()):
        raise NotFound(f"no user {user}")
    return ListOwner("user", user.key)


async def _own(context: Context, *, alone: bool) -> ListOwner:
    """Raises NotAllowed."""
    if not alone:
        raise NotAllowed("you may look at and change your own list only")
    try:
        account = await context.directory.account(Address.parse(context.who))
    except ValueError:
        account = None
    if account is None:
        raise NotAllowed(f"{context.who} has no list")
    return ListOwner("user", account.address.key)


async def _add(context: Context, owner: ListOwner, kind: EntryKind, texts: Sequence[str]) -> ListChange:
    if not texts:
        raise UsageError("which entries?")
    if len(texts) > _MAX_LINES:
        raise BadValue(f"at most {_MAX_LINES} entries at once")
    now = context.clock.now()
    entries = [SenderEntry(owner, kind, normal_pattern(text), now) for text in texts]
    return ListChange(await context.junk.senders_writer.add(entries))
