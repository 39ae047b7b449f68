"""The reject list: networks and domains that no mail is taken from (NET-3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from posthouse.admin.arguments import Document as Text
from posthouse.admin.arguments import UsageError
from posthouse.admin.context import Context
from posthouse.admin.operation import operation
from posthouse.base.errors import BadValue, NotFound
from posthouse.model.reject import RejectEntry, reject_entry

_MAX_ENTRIES = 200_000


@dataclass(frozen=True, slots=True)
class RejectRow:
    """One entry."""

    target: str
    note: str


@dataclass(frozen=True, slots=True)
class RejectChange:
    """How many entries came or went."""

    changed: int


@operation("reject add", role="administrator")
async def add(context: Context, targets: tuple[str, ...], *, note: str = "") -> RejectChange:
    """Adds to the reject list: no mail is taken from these networks, or from hosts and senders in these domains.

    Args:
        targets: networks (192.0.2.0/24, 192.168., 2001:db8::/32), addresses, or domains, which cover their subdomains.
        note: why, for people; a served block list tells it to those who ask.
    """
    if not targets:
        raise UsageError("reject add: give at least one network or domain")
    return await _add(context, [(target, note) for target in targets])


@operation("reject load", role="administrator")
async def load(context: Context, text: Text, *, replace: bool = False) -> RejectChange:
    """Adds many entries: one a line, then perhaps a note; what follows # is left out.

    Args:
        text: the lines.
        replace: entries that are not among the lines go.
    """
    lines = [line.partition("#")[0].split(None, 1) for line in text.splitlines()]
    wanted = [(words[0], words[1] if len(words) > 1 else "") for words in lines if words]
    if len(wanted) > _MAX_ENTRIES:
        raise BadValue(f"at most {_MAX_ENTRIES} entries at once")
    entries = [_entry(target, note, context.clock.now()) for target, note in wanted]
    changed = await context.lists.rejected_writer.add(entries)
    if replace:
        kept = {entry.target for entry in entries}
        changed += await context.lists.rejected_writer.remove([one for one in await _targets(context) if one not in kept])
    return RejectChange(changed)


@operation("reject list", role="reader", reads=True)
async def list_(context: Context, pattern: str = "*", *, after: str = "", limit: int = 1000) -> Sequence[RejectRow]:
    """Lists the reject list, by target.

    Args:
        pattern: target with * for any run of characters.
        after: only entries behind this one.
        limit: at most so many.
    """
    found = await context.lists.rejected.entries(pattern=pattern, after=after, limit=max(1, limit))
    return [RejectRow(entry.target, entry.note) for entry in found]


@operation("reject delete", role="administrator")
async def delete(context: Context, targets: tuple[str, ...]) -> RejectChange:
    """Takes entries out of the reject list.

    Args:
        targets: networks or domains as they are listed.
    """
    wanted = [_entry(target, "", 0.0).target for target in targets]
    changed = await context.lists.rejected_writer.remove(wanted)
    if not changed:
        raise NotFound(f"not in the reject list: {', '.join(wanted)}")
    return RejectChange(changed)


@operation("reject test", role="reader", reads=True)
async def test(context: Context, what: str) -> Sequence[RejectRow]:
    """Tells which entry covers an address or a domain; nothing if none does.

    Args:
        what: an IP address, or a host or domain name.
    """
    rejected = context.lists.rejected
    entry = await rejected.network_of(what) or await rejected.domain_of(what.rpartition("@")[2])
    return [RejectRow(entry.target, entry.note)] if entry is not None else []


async def _add(context: Context, wanted: Sequence[tuple[str, str]]) -> RejectChange:
    now = context.clock.now()
    entries = [_entry(target, note, now) for target, note in wanted]
    return RejectChange(await context.lists.rejected_writer.add(entries))


def _entry(target: str, note: str, now: float) -> RejectEntry:
    try:
        return reject_entry(target, note, now)
    except ValueError as error:
        raise BadValue(str(error)) from None


async def _targets(context: Context) -> list[str]:
    """All that is listed."""
    found: list[str] = []
    while page := await context.lists.rejected.entries(after=found[-1] if found else "", limit=10_000):
        found += [entry.target for entry in page]
    return found
