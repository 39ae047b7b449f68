"""Walks one recorded session along a path, and tells what would become of it for each recipient."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from posthouse.base.clock import ManualClock
from posthouse.model.address import Address
from posthouse.model.envelope import Recipient, Sender
from posthouse.model.plan import Destination, ToMailbox, ToNowhere, ToQuarantine, ToQueue
from posthouse.model.rehearsal import RecordedSession
from posthouse.model.session import Session, TlsFacts
from posthouse.model.settings import Settings
from posthouse.model.trace import TraceStep
from posthouse.model.verdict import Reply
from posthouse.pipeline.copies import Form
from posthouse.pipeline.driver import Driver
from posthouse.pipeline.rehearsal.untouched import RehearsalSink
from posthouse.pipeline.transaction import Transaction

TOO_LARGE = Reply(552, "5.3.4", "Message too big")
"""What the protocol answers by itself."""
_OF_THE_MOMENT = frozenset(
    ("received", "return-path", "authentication-results", "dkim-signature", "arc-seal", "arc-message-signature",
     "arc-authentication-results", "x-spam-status", "x-spam-report", "x-junkmail-status", "x-spam-score")
)  # fmt: skip
"""Fields that say how a message was judged, not what was done with it."""


@dataclass(frozen=True, slots=True)
class Walked:
    """``fates`` by recipient, in words; ``contents`` what of the message they get. ``steps`` are all verdicts."""

    fates: Mapping[str, str]
    contents: Mapping[str, str]
    steps: tuple[TraceStep, ...]
    subject: str


@dataclass(frozen=True, slots=True)
class Way:
    """One path with what belongs to it."""

    driver: Driver
    settings: Settings
    clock: ManualClock
    sink: RehearsalSink


async def walk(way: Way, recorded: RecordedSession) -> Walked:
    """Raises ValueError for addresses that are none."""
    way.clock.advance(recorded.at - way.clock.now())
    way.sink.taken.clear()
    session = _session(recorded)
    refused = await way.driver.connect(session)
    if refused is not None:
        step = TraceStep(recorded.at, refused.reason.stage, refused.reason.rule, "refuse", "", refused.reason.detail)
        return _ended(recorded, refused.reply, (step,), "")
    sender = Sender(Address.parse(recorded.sender) if recorded.sender else None)
    transaction, ended = await way.driver.begin(session, sender)
    if ended is not None:
        return _ended(recorded, ended.reply, tuple(transaction.steps), "")
    fates: dict[str, str] = {}
    for text in recorded.recipients:
        refusal = await way.driver.recipient(transaction, Recipient(Address.parse(text)))
        if refusal is not None:
            fates[text] = _said(refusal.reply)
    if not transaction.recipients:
        return Walked(fates, {}, tuple(transaction.steps), "")
    reply = TOO_LARGE
    if len(recorded.content) <= way.settings.smtp.max_message_bytes:
        reply = await way.driver.message(transaction, recorded.content)
    subject = transaction.summary.subject if transaction.summary else ""
    if reply.code != 250:
        fates |= {str(each): _said(reply) for each in transaction.recipients}
        return Walked(fates, {}, tuple(transaction.steps), subject)
    return _accepted(transaction, way.sink, fates, subject)


def _accepted(transaction: Transaction, sink: RehearsalSink, fates: dict[str, str], subject: str) -> Walked:
    places: dict[str, list[str]] = {}
    contents: dict[str, list[str]] = {}
    digests: dict[int, str] = {}
    for copy in transaction.copies:
        whom = str(copy.destination.recipient)
        places.setdefault(whom, []).append(_place(copy.destination))
        if id(copy.form) not in digests:
            digests[id(copy.form)] = _digest(copy.form)
        contents.setdefault(whom, []).append(digests[id(copy.form)])
    if not transaction.copies:
        places = {str(each): ["dropped"] for each in transaction.recipients}
    for follower in transaction.afterwards:
        to = ", ".join(str(each.recipient) for each in follower.destinations)
        places.setdefault("follow-up", []).append(f"a message to {to}")
    found = {whom: " and ".join(sorted(set(words))) for whom, words in places.items()}
    return Walked(
        fates | found,
        {whom: " ".join(sorted(set(words))) for whom, words in contents.items()},
        tuple(transaction.steps),
        subject,
    )


def _ended(recorded: RecordedSession, reply: Reply, steps: tuple[TraceStep, ...], subject: str) -> Walked:
    return Walked({text: _said(reply) for text in recorded.recipients}, {}, steps, subject)


def _said(reply: Reply) -> str:
    return f"{'refused' if reply.code >= 500 or reply.code == 421 else 'deferred'}: {reply.code} {reply.enhanced} {reply.text}"


def _place(destination: Destination) -> str:
    if isinstance(destination, ToMailbox):
        flags = f" with {' '.join(destination.flags)}" if destination.flags else ""
        return f"{destination.mailbox} of {destination.account}{flags}"
    if isinstance(destination, ToQueue):
        tls = ", verified TLS only" if destination.recipient.verified_tls else ""
        return f"sent to {destination.recipient}{f' by {destination.next_hop}' if destination.next_hop else ''}{tls}"
    if isinstance(destination, ToQuarantine):
        return f"held in {destination.kind} quarantine {destination.name}"
    assert isinstance(destination, ToNowhere), "there is no other"
    return f"dropped: {destination.why}"


def _digest(form: Form) -> str:
    """Of what a recipient sees: fields that only tell of judgements left out."""
    content, root = form.content, form.summary.root
    hashed = hashlib.sha256(content[root.body_start :])
    for field in root.headers:
        if field.name not in _OF_THE_MOMENT:
            hashed.update(content[field.start : field.end])
    return hashed.hexdigest()


def _session(recorded: RecordedSession) -> Session:
    session = Session(
        service=recorded.service,  # type: ignore[arg-type]
        client_address=recorded.client or "192.0.2.1",
        client_port=0,
        server_address="",
        server_port=0,
        connected_at=recorded.at,
        helo=recorded.helo,
        esmtp=recorded.protocol != "SMTP",
        host=recorded.host,
        account=recorded.account,
    )
    if "S" in recorded.protocol.removeprefix("E").removeprefix("UTF8").removeprefix("SMTP").removeprefix("LMTP"):
        session.tls = TlsFacts("TLSv1.3", "")
    return session
