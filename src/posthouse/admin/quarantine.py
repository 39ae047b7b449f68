"""Held mail as its administrators and its recipients see it (QTN-1, QTN-4, QTN-6): every look at it is audited too.

Administrators see all of it, a domain's administrator what is for the domain, a user their own junk.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from posthouse.admin.arguments import DomainName, Moment
from posthouse.admin.context import Context, NotAllowed
from posthouse.admin.operation import operation
from posthouse.admin.rendering import record, stamp
from posthouse.base.errors import BadValue, MailError, Permanent
from posthouse.formats.mime import summarise
from posthouse.model.address import Address
from posthouse.model.held import HeldMessage, HeldQuery
from posthouse.model.senders import ListOwner, SenderEntry, has_wildcard, normal_pattern
from posthouse.model.verdict import QuarantineKind
from posthouse.pipeline.release import Releases, gone

_MAX_CONTENT = 1 << 20
_TOGETHER = 20
_ALL = ("administrator", "quarantine-administrator")


@dataclass(frozen=True, slots=True)
class HeldRow:
    """One held message in a list."""

    held_id: int
    held: str
    kind: str
    quarantine: str
    sender: str
    recipient: str
    subject: str
    size_bytes: int
    why: str
    release: str
    score: float | None


@dataclass(frozen=True, slots=True)
class HeldDetail:
    """One held message, with its header or all of it. ``attachments`` are names and types."""

    held_id: int
    trace_id: str
    kind: str
    quarantine: str
    sender: str
    author: str
    recipient: str
    subject: str
    received: str
    held: str
    release: str
    stage: str
    rule: str
    why: str
    client: str
    spf: str
    dkim: str
    dmarc: str
    score: float | None
    size_bytes: int
    text: str
    content: str = ""

    def told(self) -> str:
        """As a record, and the text or the message below."""
        names = [name for name in self.__slots__ if name not in ("text", "content")]
        below = self.content or self.text
        shown = record({name: getattr(self, name) for name in names})
        return f"{shown}\n\n{below}" if below else shown


@dataclass(frozen=True, slots=True)
class HeldOutcome:
    """What became of one. ``outcome``: accepted, held (again), discarded, refused, deleted, or failed."""

    held_id: int
    outcome: str
    detail: str


@dataclass(frozen=True, slots=True)
class HeldStats:
    """One quarantine; of personal ones there is a line for all together."""

    kind: str
    quarantine: str
    messages: int
    size_bytes: int
    oldest: str


@operation("quarantine list", role="user", scope="domain", reads=True, audited=True)
async def list_(  # noqa: PLR0913 - the signature is the operation's syntax
    context: Context,
    *,
    kind: QuarantineKind | None = None,
    name: str = "",
    recipient: str = "",
    domain: DomainName | None = None,
    search: str = "",
    since: Moment | None = None,
    until: Moment | None = None,
    before: int = 0,
    limit: int = 100,
) -> Sequence[HeldRow]:
    """Lists held mail, the newest first: all of it for administrators, one's own junk for users.

    Args:
        kind: outbreak, virus, filter or junk.
        name: of one quarantine of filters.
        recipient: only for this address; * and ? stand for any characters.
        domain: only for this domain.
        search: a part of subject, author or sender.
        since: held since then, such as 2d or 2026-11-24.
        until: held before then.
        before: only what was held before the one of this number: the next page.
        limit: how many to show at most.
    """
    query = HeldQuery(
        kind=kind,
        name=name,
        recipient=recipient,
        domain=domain or "",
        text=search,
        since=since,
        until=until,
        before_id=before,
        limit=max(1, min(limit, 1000)),
    )
    return [_row(each) for each in await context.quarantine.listing(await _narrowed(context, query))]


@operation("quarantine show", role="user", scope="domain", reads=True, audited=True)
async def show(context: Context, held_id: int, *, content: bool = False) -> HeldDetail:
    """Shows one held message: why it is held, how it came, the beginning of its text.

    Args:
        held_id: its number in the list.
        content: the whole message as it is, up to a megabyte; for those who know what may be in it.
    """
    held = await _held(context, held_id)
    octets = await context.quarantine.content(held.body_id)
    whole = octets[:_MAX_CONTENT].decode("utf-8", "replace") if content else ""
    origin = held.origin
    return HeldDetail(
        held_id=held.held_id,
        trace_id=held.trace_id,
        kind=held.kind,
        quarantine=held.name,
        sender=str(held.sender) or "<>",
        author=held.author,
        recipient=str(held.recipient),
        subject=held.subject,
        received=stamp(held.received_at),
        held=stamp(held.held_at),
        release=stamp(held.release_at),
        stage=held.stage,
        rule=held.rule,
        why=held.why,
        client=f"{origin.client_host} [{origin.client_address}]".strip(),
        spf=origin.spf,
        dkim=origin.dkim,
        dmarc=origin.dmarc,
        score=origin.score,
        size_bytes=held.size_bytes,
        text=summarise(octets).preview,
        content=whole,
    )


@operation("quarantine release", role="user", scope="domain")
async def release(context: Context, held_ids: tuple[int, ...], *, allow: bool = False) -> Sequence[HeldOutcome]:
    """Lets held messages go on to their recipients, through the scanners once more; what holds a virus never goes.

    Args:
        held_ids: their numbers in the list.
        allow: allows the author as a sender of the recipient from now on; for junk.
    """

    async def one(held: HeldMessage) -> HeldOutcome:
        found = await _releases(context).release(held, context.who)
        allowed = f"; {held.author} is allowed from now on" if allow and await _allow(context, held) else ""
        return HeldOutcome(held.held_id, found.outcome, found.detail + allowed)

    return await _each(context, held_ids, one)


@operation("quarantine reject", role="quarantine-administrator", scope="domain")
async def reject(
    context: Context, held_ids: tuple[int, ...], *, reason: str = "The message was rejected by its recipient's site"
) -> Sequence[HeldOutcome]:
    """Sends back what filters hold: its sender gets a notice if it is surely the sender's, else nobody does.

    Args:
        held_ids: their numbers in the list.
        reason: what the notice says.
    """

    async def one(held: HeldMessage) -> HeldOutcome:
        found = await _releases(context).reject(held, context.who, " ".join(reason.split())[:200])
        return HeldOutcome(held.held_id, found.outcome, found.detail)

    return await _each(context, held_ids, one)


@operation("quarantine delete", role="user", scope="domain")
async def delete(context: Context, held_ids: tuple[int, ...]) -> Sequence[HeldOutcome]:
    """Deletes held messages for good, without notice to anyone.

    Args:
        held_ids: their numbers in the list.
    """

    async def one(held: HeldMessage) -> HeldOutcome:
        if not await _releases(context).delete(held, context.who):
            raise gone(held.held_id)
        return HeldOutcome(held.held_id, "deleted", "")

    return await _each(context, held_ids, one)


@operation("quarantine inform", role="quarantine-administrator", scope="domain")
async def inform(context: Context, held_ids: tuple[int, ...], *, sender: bool = False) -> Sequence[HeldOutcome]:
    """Tells the recipients of held messages that they are held, or asks their senders for a clean copy.

    Args:
        held_ids: their numbers in the list.
        sender: asks the sender, if it is surely the sender's own address.
    """

    async def one(held: HeldMessage) -> HeldOutcome:
        notice = await _releases(context).inform(held, context.who, sender=sender)
        return HeldOutcome(held.held_id, "told", f"a message to {notice.destinations[0].recipient}, id {notice.trace_id}")

    return await _each(context, held_ids, one)


@operation("quarantine stats", role="quarantine-administrator", scope="domain", reads=True)
async def stats(context: Context) -> Sequence[HeldStats]:
    """Counts what is held, by quarantine."""
    return [
        HeldStats(each.kind, each.name or "(personal)", each.messages, each.size_bytes, stamp(each.oldest_at))
        for each in await context.quarantine.counts(context.listed_domain)
    ]


async def _each(
    context: Context, held_ids: Sequence[int], act: Callable[[HeldMessage], Awaitable[HeldOutcome]]
) -> Sequence[HeldOutcome]:
    """Acts on each, some at a time. One that fails does not keep the others; if none succeeds, the first failure is raised."""
    busy = asyncio.Semaphore(_TOGETHER)

    async def one(held_id: int) -> HeldOutcome:
        async with busy:
            return await act(await _held(context, held_id))

    found = await asyncio.gather(*(one(held_id) for held_id in dict.fromkeys(held_ids)), return_exceptions=True)
    done: list[HeldOutcome] = []
    failures: list[MailError] = []
    for held_id, outcome in zip(dict.fromkeys(held_ids), found, strict=True):
        if isinstance(outcome, MailError):
            failures.append(outcome)
            done.append(HeldOutcome(held_id, "failed", outcome.public))
        elif isinstance(outcome, BaseException):
            raise outcome
        else:
            done.append(outcome)
    if failures and len(failures) == len(done):
        raise failures[0]
    return done


async def _narrowed(context: Context, query: HeldQuery) -> HeldQuery:
    """To what the caller may see. Raises NotAllowed."""
    if context.role in _ALL:
        return replace(query, domain=query.domain or context.domain)
    if context.role == "domain-administrator":
        context.require_domain(query.domain or context.own_domain)
        return replace(query, domain=context.own_domain)
    return replace(query, kind="junk", account_id=await _own_id(context))


async def _held(context: Context, held_id: int) -> HeldMessage:
    """One that the caller may see; for all others it is as if it were not there. Raises NotFound."""
    held = await context.quarantine.get(held_id)
    if held is None:
        raise gone(held_id)
    if context.role in _ALL:
        return held
    if context.role == "domain-administrator":
        visible = held.recipient.address.domain == context.own_domain
    else:
        visible = held.kind == "junk" and held.account_id == await _own_id(context)
    if not visible:
        raise gone(held_id)
    return held


async def _own_id(context: Context) -> int:
    try:
        account = await context.directory.account(Address.parse(context.who))
    except ValueError:
        account = None
    if account is None:
        raise NotAllowed(f"{context.who} has no quarantine")
    return account.account_id


def _releases(context: Context) -> Releases:
    if context.releases is None:
        raise Permanent("mail can be let go on a running node only")
    return context.releases


async def _allow(context: Context, held: HeldMessage) -> bool:
    """Adds the author to the recipient's own list; whether there is one that can be added."""
    try:
        pattern = normal_pattern(held.author)
        owner = ListOwner("user", Address.parse(held.account or str(held.recipient)).key)
    except (ValueError, BadValue):
        return False
    if "@" not in pattern.strip("@") or has_wildcard(pattern):  # a stranger's From is no pattern
        return False
    await context.junk.senders_writer.add([SenderEntry(owner, "sender", pattern)])
    return True


def _row(held: HeldMessage) -> HeldRow:
    return HeldRow(
        held_id=held.held_id,
        held=stamp(held.held_at),
        kind=held.kind,
        quarantine=held.name,
        sender=str(held.sender) or "<>",
        recipient=str(held.recipient),
        subject=held.subject,
        size_bytes=held.size_bytes,
        why=held.why,
        release=stamp(held.release_at),
        score=held.origin.score,
    )
