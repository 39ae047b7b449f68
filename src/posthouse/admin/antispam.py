"""The spam engines: what they know, what they would say, and teaching them (CON-8, CON-13).

Mailboxes and files are read with the node's rights, so teaching is for administrators of the node only.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Literal

from posthouse.admin import user as users
from posthouse.admin.arguments import Document as Text
from posthouse.admin.arguments import UsageError
from posthouse.admin.context import Context
from posthouse.admin.junkdesk import SpamEngines
from posthouse.admin.operation import operation
from posthouse.base.errors import BadValue, NotFound, Permanent
from posthouse.formats.mime import summarise
from posthouse.interfaces.mail_source import MailSource
from posthouse.model.address import Address
from posthouse.model.migration import JobSpec
from posthouse.model.spam import SITE_ID, ScoredMail

What = Literal["spam", "ham"]
BATCH = 50


@dataclass(frozen=True, slots=True)
class EngineRow:
    """One engine, and what it knows."""

    engine: str
    known: str


@dataclass(frozen=True, slots=True)
class RuleRow:
    """One rule's share; the last row of a test is the total."""

    engine: str
    rule: str
    points: float
    why: str


@dataclass(frozen=True, slots=True)
class Trained:
    """How many messages were read, and how many lessons were new."""

    messages: int
    learnt: int


@operation("antispam status", role="reader", reads=True)
async def status(context: Context) -> Sequence[EngineRow]:
    """Shows the spam engines that are asked, and how much has been learnt."""
    settings = (await context.configuration.load()).antispam
    rows = [EngineRow(word, await _engines(context).known(word)) for word in settings.engines]
    trainer = _engines(context).trainer
    return [*rows, EngineRow("training", f"{trainer.taught} lessons since the start, {trainer.waiting} words wait")]


@operation("antispam test", role="help-desk", reads=True)
async def test(
    context: Context,
    message: Text,
    *,
    sender: str = "",
    recipient: Address | None = None,
    client: str = "",
    helo: str = "",
) -> Sequence[RuleRow]:
    """Shows what every engine says about a message, rule by rule; nothing is delivered or counted.

    Args:
        message: a whole message.
        sender: the envelope's sender; the From address if it is not given.
        recipient: the envelope's recipient, whose learning is asked too.
        client: the address of the client that brings it.
        helo: how the client greets.
    """
    content = re.sub(r"\r?\n", "\r\n", message).encode("utf-8", "surrogateescape")
    summary = summarise(content)
    account = await context.directory.account(recipient) if recipient is not None else None
    mail = ScoredMail(
        content,
        summary,
        sender=sender or next(iter(summary.from_addresses), ""),
        recipients=(str(recipient),) if recipient is not None else (),
        client_address=client,
        helo=helo,
        account_id=account.account_id if account is not None else SITE_ID,
    )
    rows, total = [], 0.0
    for report in await _engines(context).reports(mail):
        if report.failed:
            rows.append(RuleRow(report.engine, "", 0.0, f"no answer: {report.failed}"))
        rows += [RuleRow(report.engine, hit.rule, round(hit.points, 2), hit.why) for hit in report.hits]
        total += report.points
    threshold = (await context.configuration.load()).junk.spam_points
    verdict = "spam" if total >= threshold else "no spam"
    return [*rows, RuleRow("all", "TOTAL", round(total, 2), f"{verdict}: {threshold:g} is the bound")]


@operation("antispam train", role="administrator")
async def train(
    context: Context,
    what: What,
    *,
    user: Address | None = None,
    mailbox: str = "",
    file: str = "",
    only_user: bool = False,
) -> Trained:
    """Teaches the embedded scorer from a mailbox, an mbox file, a folder of them, or a Maildir. What is known already
    teaches nothing new; what was taught otherwise changes sides.

    Args:
        what: whether these messages are spam or ham.
        user: whose mailbox.
        mailbox: the mailbox's name; of the user.
        file: absolute path on this machine instead.
        only_user: the user learns it, not the site.
    """
    if bool(mailbox) == bool(file) or (mailbox and user is None) or (only_user and user is None):
        raise UsageError("from where? --user ADDRESS --mailbox NAME, or --file PATH")
    account = await users.find(context, user) if user is not None else None
    owner = account.account_id if only_user and account is not None else SITE_ID
    letters = _of_file(context, file) if file else _of_mailbox(context, account.account_id if account else 0, mailbox)
    trainer, count, learnt = _engines(context).trainer, 0, 0
    batch: list[bytes] = []
    async for content in letters:
        batch.append(content)
        count += 1
        if len(batch) >= BATCH:
            learnt += await trainer.teach(batch, (owner,), spam=what == "spam")
            batch = []
    learnt += await trainer.teach(batch, (owner,), spam=what == "spam")
    return Trained(count, learnt)


async def _of_mailbox(context: Context, account_id: int, name: str) -> AsyncIterator[bytes]:
    box = await context.store.mailbox(account_id, name)
    if box is None:
        raise NotFound(f"there is no mailbox {name!r}")
    _, rows = await context.store.rows(box.mailbox_id)
    for start in range(0, len(rows), BATCH):
        for fact in await context.store.facts(box.mailbox_id, [row.uid for row in rows[start : start + BATCH]]):
            try:
                yield await context.store.content(fact.body_id)
            except NotFound:
                continue


async def _of_file(context: Context, path: str) -> AsyncIterator[bytes]:
    if not path.startswith("/") or "\0" in path:
        raise BadValue("the path must be absolute: the node does not know where you are")
    source = await _source(context, path)
    try:
        for folder in await source.folders():
            async for letter in source.letters(folder, await source.listing(folder)):
                if letter.content:
                    yield letter.content
    finally:
        await source.close()


async def _source(context: Context, path: str) -> MailSource:
    """A Maildir if it is one, else mbox."""
    places = _engines(context).places
    try:
        source = await places.source(JobSpec(0, "", "in", "maildir", path), "")
        await source.folders()
    except Permanent:
        return await places.source(JobSpec(0, "", "in", "mbox", path), "")
    return source


def _engines(context: Context) -> SpamEngines:
    if context.junk.engines is None:
        raise Permanent("there are no spam engines on this node")
    return context.junk.engines
