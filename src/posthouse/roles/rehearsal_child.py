"""The process that rehearses: reads a request from standard input, walks, writes the answer to standard output (PLN-3).

Started by ``rehearsal_process``, at low priority and apart from the node's own processes: it opens the databases to read, and
has no way to write. Run as ``python -m posthouse.roles.rehearsal_child node.toml``.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack, redirect_stdout
from pathlib import Path

import msgspec

from posthouse.base.errors import MailError
from posthouse.model.rehearsal import Difference, RecordedSession, RehearsalPlan, RehearsalReport
from posthouse.pipeline.rehearsal.compare import differences
from posthouse.pipeline.rehearsal.walk import walk
from posthouse.roles.bootstrap.rehearsing import rehearsal_traffic, rehearsal_ways
from posthouse.roles.config import ConfigError, NodeConfig, load

NICE = 10


class Request(msgspec.Struct):
    """``record``: the traffic itself is wanted, not a rehearsal."""

    plan: RehearsalPlan
    record: bool = False


class Answer(msgspec.Struct):
    """``failed`` "" unless it could not be done."""

    failed: str = ""
    report: RehearsalReport | None = None
    sessions: tuple[RecordedSession, ...] = ()


async def answer(config: NodeConfig, request: Request) -> Answer:
    """What the request asks for."""
    began_at = time.monotonic()
    async with AsyncExitStack() as stack:
        sessions, skipped = await rehearsal_traffic(config, request.plan, stack)
        if request.record:
            return Answer(sessions=tuple(sessions))
        found, recipients = await _rehearsed(config, request.plan, sessions, stack)
    seconds = time.monotonic() - began_at
    return Answer(report=RehearsalReport(len(sessions), recipients, seconds, tuple(found), tuple(skipped)))


async def _rehearsed(
    config: NodeConfig, plan: RehearsalPlan, sessions: Sequence[RecordedSession], stack: AsyncExitStack
) -> tuple[list[Difference], int]:
    resolver, now, then = await rehearsal_ways(config, plan, stack)
    found: list[Difference] = []
    recipients = 0
    for session in sessions:
        resolver.use(session)
        before = await walk(now, session)
        found += differences(session, before, await walk(then, session))
        recipients += len(session.recipients)
    return found, recipients


def main(arguments: Sequence[str]) -> int:
    """The whole life of the process."""
    os.setpriority(os.PRIO_PROCESS, 0, NICE)
    out = os.fdopen(os.dup(1), "wb")
    with redirect_stdout(sys.stderr):
        try:
            request = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=Request)
            found = asyncio.run(answer(load(Path(arguments[0])), request))
        except MailError as error:
            found = Answer(failed=error.public)
        except (ConfigError, ValueError, OSError) as error:
            found = Answer(failed=f"it cannot be rehearsed: {error}")
    with out:
        out.write(msgspec.msgpack.encode(found))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
