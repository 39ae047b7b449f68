"""Rehearsals in a process of their own (``interfaces.rehearsals``): it may take all of a core and a while, beside the mail.

Bounded: one at a time, killed when it takes longer than ``TIMEOUT_S``. It gets no way to write: ``rehearsal_child``.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from posthouse.base import log
from posthouse.base.clock import Clock
from posthouse.base.errors import Permanent, Temporary
from posthouse.model.rehearsal import ProposedPolicy, RecordedSession, RehearsalPlan, RehearsalReport, Traffic
from posthouse.roles.rehearsal_child import Answer, Request

TIMEOUT_S = 1_800.0
MAX_ANSWER_BYTES = 1 << 30

_log = log.get("rehearsal")


class RehearsalProcess:
    """``config`` is the node's file."""

    def __init__(self, config: Path, clock: Clock) -> None:
        self._config = config
        self._clock = clock
        self._busy = asyncio.Lock()

    async def rehearse(self, plan: RehearsalPlan) -> RehearsalReport:
        found = await self._asked(Request(plan))
        assert found.report is not None, "the child gives a report or says why not"
        return found.report

    async def record(self, traffic: Traffic) -> Sequence[RecordedSession]:
        plan = RehearsalPlan(ProposedPolicy(), traffic, self._clock.now())
        return (await self._asked(Request(plan, record=True))).sessions

    async def _asked(self, request: Request) -> Answer:
        if self._busy.locked():
            raise Temporary("Another rehearsal is under way")
        async with self._busy:
            child = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "posthouse.roles.rehearsal_child", str(self._config),
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            )  # fmt: skip
            try:
                async with asyncio.timeout(TIMEOUT_S):
                    out, err = await child.communicate(msgspec.msgpack.encode(request))
            except TimeoutError:
                raise Temporary("The rehearsal took too long", cause=f"longer than {TIMEOUT_S:g} s") from None
            finally:
                if child.returncode is None:
                    child.kill()
                    await child.wait()
        try:
            found = msgspec.msgpack.decode(out, type=Answer)
        except msgspec.DecodeError:
            cause = err.decode("utf-8", "replace")[-500:]
            _log.error("rehearsal-broke", status=child.returncode, cause=cause)
            raise Temporary("The rehearsal broke off", cause=cause) from None
        if found.failed:
            raise Permanent(found.failed)
        return found
