"""What is asked for often is done at once, then seldom, and never forgotten."""

from __future__ import annotations

import asyncio

from posthouse.roles.seldom import Seldom


async def test_many_calls_are_done_at_once_and_once_more_after_a_moment() -> None:
    done: list[float] = []
    again = asyncio.Event()
    loop = asyncio.get_running_loop()

    def work() -> None:
        done.append(loop.time())
        if len(done) == 2:
            again.set()

    seldom = Seldom(loop, work, moment_s=0.05)
    for _ in range(100):
        seldom.call()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert len(done) == 1
    for _ in range(100):
        seldom.call()
    await asyncio.wait_for(again.wait(), 60)
    assert done[1] - done[0] > 0.04 and len(done) == 2
