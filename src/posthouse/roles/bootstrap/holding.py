"""What watches accounts in the workers, and what holds them in the steward (OUT-5)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, closing
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from posthouse.admin.context import Context
from posthouse.admin.ldapdesk import outside_of
from posthouse.backends.country_file import CountryFile
from posthouse.backends.memory.account_holds import MemoryAccountHolds
from posthouse.backends.sqlite.account_holds import RemotePlaces, SqliteAccountHolds, SqliteAccountHoldsWriter
from posthouse.base.clock import Clock
from posthouse.directory.behaviour import Behaviour
from posthouse.directory.resolve import RecipientResolver
from posthouse.interfaces.account_holds import AccountHolds
from posthouse.interfaces.counters import Counters
from posthouse.model.account_hold import AccountHold
from posthouse.pipeline.account_watch import WatchTools
from posthouse.pipeline.hold_alerts import HoldAlerts
from posthouse.pipeline.holding import HoldDesk, HoldTools
from posthouse.pipeline.onward import Onward
from posthouse.roles.bootstrap.outgoing import letter_tools
from posthouse.roles.bootstrap.writers import Writers
from posthouse.roles.config import NodeConfig
from posthouse.roles.data_files import Files
from posthouse.roles.live import Live

HOLD_CALL = "account-hold"


def account_watch(
    config: NodeConfig,
    live: Live,
    counters: Counters,
    clock: Clock,
    call: Callable[[str, Any], Awaitable[Any]],
    stack: AsyncExitStack,
) -> WatchTools:
    """A worker's; ``call`` is the gate client's."""

    def file() -> Path | None:
        name = live.settings().watch.countries_file
        return config.data / name if name else None

    async def hold(held: AccountHold) -> None:
        await call(HOLD_CALL, asdict(held))

    holds = stack.enter_context(closing(SqliteAccountHolds(Files.under(config.data).outgoing)))
    behaviour = Behaviour(live.settings, counters, clock)
    return WatchTools(behaviour, holds, RemotePlaces(call), hold, CountryFile(file, clock).country_of)


def watch_nothing(live: Live, counters: Counters, clock: Clock) -> WatchTools:
    """For a path along which nobody submits anything."""
    nobody = MemoryAccountHolds()
    return WatchTools(Behaviour(live.settings, counters, clock), nobody, nobody.came_from, _not_held)


async def _not_held(_: AccountHold) -> None:
    return None


def barred(holds: AccountHolds, live: Live) -> Callable[[int], Awaitable[bool]]:
    """Which accounts may not log in, as set."""

    async def ask(account_id: int) -> bool:
        return live.settings().watch.refuse_logins and await holds.hold_of(account_id) is not None

    return ask


def with_holds(
    config: NodeConfig, context: Context, writers: Writers, live: Live, counters: Counters, stack: AsyncExitStack
) -> Context:
    """``context`` with what holds and releases accounts; workers reach it over the gate."""
    files = Files.under(config.data)
    onward = Onward(
        RecipientResolver(context.directory, live.settings, outside=outside_of(context)),
        context.routes,
        lambda: live.settings().route.message_router,
    )
    letters = letter_tools(config, context, live, onward)
    tools = HoldTools(
        holds=stack.enter_context(closing(SqliteAccountHolds(files.outgoing))),
        writer=SqliteAccountHoldsWriter(writers.outgoing),
        spool=context.spool,
        directory=context.directory,
        behaviour=Behaviour(live.settings, counters, context.clock),
        bus=context.bus,
        settings=live.settings,
        clock=context.clock,
        tell=HoldAlerts(live.settings, letters).tell,
    )
    desk = HoldDesk(tools)
    writers.calls[HOLD_CALL] = partial(_breached, desk)
    return replace(context, holds=desk)


async def _breached(desk: HoldDesk, payload: Any) -> None:
    await desk.breached(msgspec.convert(payload, AccountHold))
