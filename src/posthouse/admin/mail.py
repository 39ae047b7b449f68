"""Where is my message: the recorded path of mail, told in plain words (MON-1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from posthouse.admin.arguments import Moment
from posthouse.admin.context import Context
from posthouse.admin.operation import operation
from posthouse.admin.rendering import stamp
from posthouse.base import ids
from posthouse.base.errors import BadValue
from posthouse.model.trace import TraceQuery, TraceRecord
from posthouse.reporting.story import tell

_MAX_LIMIT = 10_000


@dataclass(frozen=True, slots=True)
class MailRow:
    """One mail transaction or later event of a message, in a list."""

    at: str
    trace_id: str
    service: str
    outcome: str
    sender: str
    recipients: tuple[str, ...]
    size_bytes: int
    subject: str


@dataclass(frozen=True, slots=True)
class StepRow:
    """One verdict or event."""

    at: str
    stage: str
    rule: str
    verdict: str
    recipient: str
    detail: str


@dataclass(frozen=True, slots=True)
class EventRow:
    """One record of a message's path with its steps."""

    at: str
    service: str
    client: str
    helo: str
    account: str
    outcome: str
    reply: str
    steps: tuple[StepRow, ...]


@dataclass(frozen=True, slots=True)
class MailStory:
    """One message's whole path; ``story`` in plain words."""

    trace_id: str
    message_id: str
    sender: str
    recipients: tuple[str, ...]
    subject: str
    size_bytes: int
    outcome: str
    story: str
    events: tuple[EventRow, ...]

    def told(self) -> str:
        """The story."""
        return self.story


@operation("mail list", role="help-desk", scope="domain", reads=True)
async def list_(
    context: Context,
    word: str = "",
    *,
    sender: str = "",
    recipient: str = "",
    since: Moment | None = None,
    until: Moment | None = None,
    limit: int = 100,
) -> Sequence[MailRow]:
    """Lists mail transactions, newest first.

    Args:
        word: a trace id, a Message-ID, or an address of sender or recipient.
        sender: address, * for any run of characters.
        recipient: address, * for any run of characters.
        since: not older than this; 2h, or a date and time.
        until: not newer than this.
        limit: how many to show at most.
    """
    query = TraceQuery(sender=sender, recipient=recipient, since=since, until=until, limit=limit)
    return [_row(record) for record in await find(context, word, query)]


@operation("mail trace", role="help-desk", scope="domain", reads=True, columns=("trace_id", "outcome", "story"))
async def trace(  # noqa: PLR0913 - the signature is the operation's syntax
    context: Context,
    word: str = "",
    *,
    id: str = "",
    sender: str = "",
    recipient: str = "",
    message_id: str = "",
    since: Moment | None = None,
    until: Moment | None = None,
    limit: int = 100,
) -> Sequence[MailStory]:
    """Tells what became of messages, from connection to mailbox or next hop, in plain words.

    Args:
        word: a trace id, a Message-ID, or an address of sender or recipient.
        id: trace id.
        sender: address, * for any run of characters.
        recipient: address, * for any run of characters.
        message_id: Message-ID, with or without its angle brackets.
        since: not older than this; 2h, or a date and time.
        until: not newer than this.
        limit: how many records to look at, newest first.
    """
    query = TraceQuery(
        trace_id=id.upper(),
        sender=sender,
        recipient=recipient,
        message_id=_bracketed(message_id),
        since=since,
        until=until,
        limit=limit,
    )
    found = await find(context, word, query)
    stories = []
    for trace_id in dict.fromkeys(record.trace_id for record in found):
        whole = await _search(context, TraceQuery(trace_id=trace_id, limit=_MAX_LIMIT))
        if whole:
            stories.append(_story(sorted(whole, key=lambda record: record.at)))
    return stories


async def find(context: Context, word: str, query: TraceQuery) -> Sequence[TraceRecord]:
    """Records for a query and a word that may be a trace id, a Message-ID or an address; only what the caller may see."""
    if not 1 <= query.limit <= _MAX_LIMIT:
        raise BadValue(f"limit is from 1 to {_MAX_LIMIT}")
    if not word:
        return await _search(context, query)
    if _is_trace_id(word):
        return await _search(context, replace(query, trace_id=word.upper()))
    if word.startswith("<"):
        return await _search(context, replace(query, message_id=word))
    found: dict[int, TraceRecord] = {}
    for one in _word_queries(word, query):
        found.update({hash(record): record for record in await _search(context, one)})
    return sorted(found.values(), key=lambda record: record.at, reverse=True)[: query.limit]


def _word_queries(word: str, query: TraceQuery) -> list[TraceQuery]:
    wanted = word if "@" in word or "*" in word else f"*{word}*"
    out = [replace(query, message_id=_bracketed(word))] if "@" in word else []
    if not query.sender:
        out.append(replace(query, sender=wanted))
    if not query.recipient:
        out.append(replace(query, recipient=wanted))
    return out


def _is_trace_id(word: str) -> bool:
    return len(word) == ids.LENGTH and all(char in ids.ALPHABET for char in word.upper())


def _bracketed(message_id: str) -> str:
    return message_id if not message_id or message_id.startswith("<") else f"<{message_id}>"


async def _search(context: Context, query: TraceQuery) -> Sequence[TraceRecord]:
    found = await context.traces.search(query)
    own = context.own_domain
    return [seen for record in found if (seen := _within(record, own))] if own else found


def _within(record: TraceRecord, domain: str) -> TraceRecord | None:
    """The part of a record that a domain's administrator may see: all of it when someone of the domain sent it, else only
    what concerns the domain's recipients."""
    end = f"@{domain}"
    if record.account.lower().endswith(end):
        return record
    own = tuple(each for each in record.recipients if each.lower().endswith(end))
    if not own:
        return None
    steps = tuple(step for step in record.steps if not step.recipient or step.recipient.lower().endswith(end))
    return replace(record, recipients=own, steps=steps)


def _row(record: TraceRecord) -> MailRow:
    return MailRow(
        at=stamp(record.at),
        trace_id=record.trace_id,
        service=record.service,
        outcome=record.outcome,
        sender=record.sender or "<>",
        recipients=record.recipients,
        size_bytes=record.size_bytes,
        subject=record.subject,
    )


def _story(records: Sequence[TraceRecord]) -> MailStory:
    first = records[0]
    return MailStory(
        trace_id=first.trace_id,
        message_id=first.message_id,
        sender=first.sender or "<>",
        recipients=first.recipients,
        subject=first.subject,
        size_bytes=first.size_bytes,
        outcome=records[-1].outcome,
        story="\n".join(tell(records)),
        events=tuple(_event(record) for record in records),
    )


def _event(record: TraceRecord) -> EventRow:
    return EventRow(
        at=stamp(record.at),
        service=record.service,
        client=record.client,
        helo=record.helo,
        account=record.account,
        outcome=record.outcome,
        reply=record.reply,
        steps=tuple(
            StepRow(stamp(step.at), step.stage, step.rule, step.verdict, step.recipient, step.detail) for step in record.steps
        ),
    )
