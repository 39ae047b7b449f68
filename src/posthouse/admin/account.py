"""Accounts whose password was stolen: held, released, looked into, their mail recalled (OUT-5)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from posthouse.admin import user
from posthouse.admin.arguments import Moment
from posthouse.admin.context import Context
from posthouse.admin.ldapdesk import outside_of
from posthouse.admin.operation import operation
from posthouse.admin.rendering import record, stamp
from posthouse.base.errors import NotFound, Permanent
from posthouse.model.account_hold import AccountHold
from posthouse.model.address import Address
from posthouse.model.trace import TraceQuery, TraceRecord, TraceStep

if TYPE_CHECKING:
    from posthouse.pipeline.holding import HoldDesk
    from posthouse.pipeline.recall import Recalled

DAY_S = 86_400.0
MOST_RECORDS = 20_000
MOST_CLIENTS = 50


@dataclass(frozen=True, slots=True)
class HoldRow:
    """One hold; ``released`` is empty while it lasts."""

    account: str
    since: str
    sign: str
    why: str
    client: str
    who: str
    released: str
    released_by: str


@dataclass(frozen=True, slots=True)
class AccountDetail:
    """``senders``: addresses, and ``@domain`` for all of a domain; ``places``: networks and clients, last used first."""

    account: str
    held_since: str
    why: str
    senders: tuple[str, ...]
    places: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """``changed``: whether the account was not so already. ``queued``: recipients in its queue that it concerned."""

    account: str
    changed: bool
    queued: int


@dataclass(frozen=True, slots=True)
class SentRow:
    """One message that an account sent, or tried to send."""

    at: str
    trace_id: str
    outcome: str
    client: str
    recipients: tuple[str, ...]
    subject: str


@dataclass(frozen=True, slots=True)
class Report:
    """What an account did. ``clients``: addresses that it sent from, with how many messages; ``queued``: recipients that its
    messages in the queue still have."""

    account: str
    since: str
    held_since: str
    why: str
    accepted: int
    refused: int
    recipients: int
    queued: int
    clients: tuple[str, ...]
    sent: tuple[SentRow, ...]

    def told(self) -> str:
        """The figures, then a line for each message."""
        names = ("account", "since", "held_since", "why", "accepted", "refused", "recipients", "queued", "clients")
        facts = {name: getattr(self, name) for name in names} | {"clients": ", ".join(self.clients)}
        lines = [record(facts), "sent:"]
        lines += [
            f"  {row.at} {row.outcome} {row.trace_id} from {row.client} to {', '.join(row.recipients)}: {row.subject}"
            for row in self.sent
        ]
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class RecalledRow:
    """One copy in a mailbox here. ``state``: taken, or left (it was read)."""

    trace_id: str
    account: str
    mailbox: str
    uid: int
    state: Literal["taken", "left"]


@operation("account list", role="help-desk", scope="domain", reads=True)
async def list_(context: Context, *, past: bool = False, limit: int = 1000) -> Sequence[HoldRow]:
    """Lists the accounts whose sending is stopped, the newest first.

    Args:
        past: also holds that have ended, and alerts that stopped nothing.
        limit: how many to show at most.
    """
    held = await _desk(context).reader.holds(past=past, limit=limit)
    domain = context.listed_domain
    return [_row(each) for each in held if not domain or each.account.rpartition("@")[2] == domain]


@operation("account show", role="help-desk", scope="domain", reads=True)
async def show(context: Context, address: Address) -> AccountDetail:
    """Shows as whom an account may send, from where it does, and whether it is held.

    Args:
        address: the account's address.
    """
    from posthouse.directory.permitted_senders import PermittedSenders  # the command line loads this module for its syntax only

    account = await user.find(context, address)
    settings = await context.configuration.load()
    senders = await PermittedSenders(context.directory, lambda: settings).all_of(account.address)
    reader = _desk(context).reader
    held, places = await reader.hold_of(account.account_id), await reader.places(account.account_id)
    newest_first = sorted(places.items(), key=lambda each: each[1][1], reverse=True)
    return AccountDetail(
        account=account.address.key,
        held_since=stamp(held.since) if held is not None else "",
        why=held.why if held is not None else "",
        senders=("any",) if settings.submission.sender == "any" else tuple(senders),
        places=tuple(f"{name}, first {stamp(first)}, last {stamp(last)}" for name, (first, last) in newest_first),
    )


@operation("account hold", role="domain-administrator", scope="domain")
async def hold(context: Context, address: Address, *, why: str = "by hand") -> Change:
    """Stops an account's sending: submissions are refused, what it has in the queue is held, its sessions end.

    Args:
        address: the account's address.
        why: shown in the list of holds and in traces.
    """
    account = await user.find(context, address)
    context.require_account(account)
    key, now = account.address.key, context.clock.now()
    new = await _desk(context).hold(AccountHold(account.account_id, key, now, "by-hand", why, who=context.who))
    return Change(key, new, await _queued(context, key))


@operation("account release", role="domain-administrator", scope="domain")
async def release(context: Context, address: Address, *, queue: Literal["send", "keep", "delete"] = "send") -> Change:
    """Lets an account send again. What it has in the queue is sent, unless something else is said.

    Args:
        address: the account's address.
        queue: what becomes of its messages in the queue: they are sent, stay held, or are deleted without notice.
    """
    context.require_domain(address.domain)
    account = await context.directory.account(address)
    if account is not None:
        context.require_account(account)
    found, queued = await _desk(context).release(address.key, context.who, queue)
    if not found and not queued:
        raise NotFound(f"{address} is not held")
    return Change(address.key, found, queued)


@operation("account report", role="help-desk", scope="domain", reads=True, audited=True)
async def report(context: Context, address: Address, *, since: Moment | None = None, limit: int = 1000) -> Report:
    """Tells what an account has sent, from where, and to whom.

    Args:
        address: the account's address.
        since: only what was sent since then: 2h, 3d, or a date and time; without it, one day.
        limit: how many messages to show at most, the newest first; the figures count all of them.
    """
    account = await user.find(context, address)
    key, start = account.address.key, _start(context, since)
    records = await _records(context, key, start)
    accepted = [each for each in records if each.outcome in ("accepted", "held", "discarded")]
    held = await _desk(context).reader.hold_of(account.account_id)
    clients = Counter(each.client for each in records if each.client)
    return Report(
        account=key,
        since=stamp(start),
        held_since=stamp(held.since) if held is not None else "",
        why=held.why if held is not None else "",
        accepted=len(accepted),
        refused=len(records) - len(accepted),
        recipients=len({recipient.lower() for each in accepted for recipient in each.recipients}),
        queued=await _queued(context, key),
        clients=tuple(f"{client}: {count}" for client, count in clients.most_common(MOST_CLIENTS)),
        sent=tuple(
            SentRow(stamp(each.at), each.trace_id, each.outcome, each.client, each.recipients, each.subject)
            for each in records[:limit]
        ),
    )


@operation("account recall", role="domain-administrator", scope="domain")
async def recall(
    context: Context, address: Address, *, since: Moment | None = None, seen: bool = False
) -> Sequence[RecalledRow]:
    """Takes what an account has sent out of the mailboxes of people here; it goes where deleted messages go.

    Args:
        address: the account's address.
        since: only what was sent since then: 2h, 3d, or a date and time; without it, one day.
        seen: also messages that were read.
    """
    from posthouse.directory.resolve import RecipientResolver  # the command line loads this module for its syntax only
    from posthouse.pipeline.onward import Onward
    from posthouse.pipeline.recall import recall as take_back

    account = await user.find(context, address)
    context.require_account(account)
    settings = await context.configuration.load()
    onward = Onward(RecipientResolver(context.directory, lambda: settings, outside=outside_of(context)), context.routes)
    records = await _records(context, account.address.key, _start(context, since))
    sent = [each for each in records if each.outcome == "accepted"]
    found = await take_back(context.store, onward.own_mail, sent, seen=seen, domain=context.own_domain)
    _note(context, sent, found)
    return [
        RecalledRow(each.trace_id, each.account, each.mailbox, each.uid, "taken" if each.taken else "left") for each in found
    ]


def _note(context: Context, sent: Sequence[TraceRecord], found: Sequence[Recalled]) -> None:
    """What was taken stands in the trace of its message."""
    now, by_id = context.clock.now(), {each.trace_id: each for each in sent}
    steps: dict[str, list[TraceStep]] = {}
    for each in found:
        if each.taken:
            detail = f"taken out of {each.mailbox} by {context.who}"
            steps.setdefault(each.trace_id, []).append(TraceStep(now, "recall", "account", "recalled", each.account, detail))
    for trace_id, taken in steps.items():
        before = by_id[trace_id]
        whom = tuple(dict.fromkeys(step.recipient for step in taken))
        told = replace(before, at=now, service="recall", client="", helo="", account="", recipients=whom, reply="")
        context.traces.record(replace(told, outcome="discarded", steps=tuple(taken)))


def _row(hold: AccountHold) -> HoldRow:
    return HoldRow(
        account=hold.account,
        since=stamp(hold.since),
        sign=hold.sign,
        why=hold.why,
        client=hold.client,
        who=hold.who,
        released=stamp(hold.released_at) if hold.released_at else "",
        released_by=hold.released_by,
    )


def _start(context: Context, since: Moment | None) -> float:
    return since if since is not None else context.clock.now() - DAY_S


async def _records(context: Context, account: str, since: float) -> Sequence[TraceRecord]:
    """What it brought in, the newest first; not what the queue did with it."""
    return await context.traces.search(TraceQuery(account=account, since=since, limit=MOST_RECORDS))


async def _queued(context: Context, account: str) -> int:
    """Recipients of its messages in the queue."""
    count, after = 0, ""
    while page := await context.spool.listing(account=account, after=after):
        count += sum(len(message.recipients) for message in page)
        after = page[-1].queue_id
    return count


def _desk(context: Context) -> HoldDesk:
    if context.holds is None:
        raise Permanent("Holding accounts needs a node", enhanced="5.3.0")
    return context.holds
