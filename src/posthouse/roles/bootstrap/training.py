"""What is learnt of spam where users say it, in the steward: the trainer, and the engines that operations ask."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace

from posthouse.admin.context import Context
from posthouse.admin.junkdesk import SpamEngines
from posthouse.backends.mail_places import LocalPlaces
from posthouse.base import log
from posthouse.content.antispam.tokens import tokens_of
from posthouse.content.bulk.scorer import BulkScorer
from posthouse.content.training import Tools, Trainer
from posthouse.interfaces.bulk_signatures import BulkSignatures
from posthouse.model import teaching
from posthouse.model.spam import SITE_ID
from posthouse.model.summary import Summary
from posthouse.pipeline.scoring import Scoring
from posthouse.roles.bootstrap.engines import EngineParts, bulk_table, spam_engines
from posthouse.roles.bootstrap.writers import Writers
from posthouse.roles.data_files import Files
from posthouse.roles.live import Live

HOUR_S = 3_600.0
DAY_S = 86_400.0
DRAIN_S = 5.0
REPORTS_S = 30 * DAY_S
"""How long it counts what a user said about bulk mail."""
Chore = tuple[float, Callable[[], Awaitable[None]]]
_log = log.get("training")


@dataclass(frozen=True, slots=True)
class Training:
    """``chores`` are the steward's, with the seconds between."""

    context: Context
    chores: Sequence[Chore]


def with_engines(context: Context, files: Files, writers: Writers, live: Live, stack: AsyncExitStack) -> Training:
    """The context with the spam engines: to be asked (which counts for nothing), and to be taught."""
    assert context.scorer is not None, "where spam.db is written there is a desk for it"
    book = context.scorer.lessons
    table = bulk_table(files, writers.bulk.told, live, stack, writers.bulk)
    reporter = BulkScorer(table, context.clock, lambda: live.settings().antispam)
    tools = Tools(
        store=context.store,
        learn=book.learn,
        tokens=_tokens,
        clock=context.clock,
        settings=lambda: live.settings().antispam,
        reported=reporter.reported,
    )
    trainer = Trainer(tools)
    parts = EngineParts(files, live, context.lists.block_lists, lambda _: None, stack)
    scoring = Scoring(spam_engines(parts), context.clock, live.settings)

    async def known(word: str) -> str:
        if word != "embedded":
            return "counts what comes" if word == "bulk" else "another program"
        learnt = await book.learnt(SITE_ID)
        waiting = f", {learnt.changes - learnt.fitted} of that not in use yet" if learnt.changes != learnt.fitted else ""
        return f"{learnt.spam} spam and {learnt.ham} ham messages{waiting}"

    engines = SpamEngines(
        trainer=trainer,
        places=LocalPlaces(),
        reports=lambda mail: scoring.reports(mail, live.settings().antispam.timeout_s),
        known=known,
        forget=book.forget_owner,
    )
    return Training(replace(context, junk=replace(context.junk, engines=engines)), ((HOUR_S, _expiry(table, context, live)),))


def start_training(training: Training, stack: AsyncExitStack) -> None:
    """Hears what users say, and learns it in the background."""
    engines = training.context.junk.engines
    assert engines is not None, "made with the context"
    trainer = engines.trainer

    def hear(payload: object) -> None:
        taught = teaching.taught_of(payload) if isinstance(payload, dict) else None
        if taught is not None:
            trainer.note(taught)

    stop = training.context.bus.subscribe(teaching.TOPIC, hear)
    task = asyncio.create_task(trainer.run())

    async def end() -> None:
        stop()
        await trainer.drain(DRAIN_S)
        task.cancel()

    stack.push_async_callback(end)


def _expiry(table: BulkSignatures, context: Context, live: Live) -> Callable[[], Awaitable[None]]:
    async def expire_bulk() -> None:
        window_s, now = max(live.settings().antispam.bulk_window_s, DAY_S), context.clock.now()
        if count := await table.expire(now - window_s, now - REPORTS_S):
            _log.info("bulk-expired", count=count)

    return expire_bulk


def _tokens(content: bytes, summary: Summary) -> tuple[int, ...]:
    return tokens_of(content, summary).numbers
