"""Call-forward over SMTP and LMTP: MAIL FROM:<>, RCPT TO, and no message (interfaces/recipient_probe.py, INB-5).

Bounded on all sides: one address is asked about once at a time, a host by so many connections at once, and who would have to
wait for too many others hears that it cannot be known. Answers are kept, unknown ones for a shorter time, since users come.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from functools import partial

from posthouse.base.clock import Clock
from posthouse.base.errors import MailError, Temporary
from posthouse.interfaces.courier import Answer, Courier, Unreachable
from posthouse.interfaces.recipient_probe import Probed
from posthouse.model.address import Address
from posthouse.model.envelope import Recipient
from posthouse.model.route import NextHop
from posthouse.model.settings import Settings
from posthouse.queue.targets import Targets

MAX_KEPT = 50_000
AT_ONCE = 8
"""Questions to one next hop at a time."""
MAX_WAITING = 200
POLICY = ("5.7.", "4.7.")
"""Enhanced codes that speak of us, not of the address."""

Key = tuple[str, str]


class CallForward:
    """One per process, on its loop."""

    def __init__(self, targets: Targets, courier: Courier, settings: Callable[[], Settings], clock: Clock) -> None:
        self._targets = targets
        self._courier = courier
        self._settings = settings
        self._clock = clock
        self._kept: OrderedDict[Key, tuple[float, Probed]] = OrderedDict()
        self._running: dict[Key, asyncio.Task[Probed]] = {}
        self._places: dict[str, asyncio.Semaphore] = {}

    async def ask(self, address: Address, hop: NextHop) -> Probed:
        key = (address.key, str(hop))
        kept = self._kept.get(key)
        if kept is not None and kept[0] > self._clock.steady():
            return kept[1]
        task = self._running.get(key)
        if task is None:
            if len(self._running) >= MAX_WAITING:
                raise Temporary("Too many recipients to ask about", cause="call-forward overloaded")
            task = self._running[key] = asyncio.create_task(self._asked(key, address, hop))
            task.add_done_callback(partial(self._done, key))
        return await asyncio.shield(task)

    def _done(self, key: Key, task: asyncio.Task[Probed]) -> None:
        del self._running[key]
        if not task.cancelled():
            task.exception()  # whoever asked may have gone

    async def _asked(self, key: Key, address: Address, hop: NextHop) -> Probed:
        smtp = self._settings().smtp
        place = self._places.setdefault(hop.host, asyncio.Semaphore(AT_ONCE))
        try:
            async with asyncio.timeout(smtp.call_forward_timeout_s), place:
                answer = await self._answer(address, hop)
        except TimeoutError:
            raise Temporary("The next host did not answer in time", cause=f"{hop.host}: no answer in time") from None
        enhanced = answer.text.partition(" ")[2]
        if answer.code // 100 == 4 or enhanced.startswith(POLICY):
            raise Temporary("The next host does not say", cause=f"{hop.host}: {answer.text}")
        found = Probed(answer.code // 100 == 2, answer.text[:200])
        keep_s = smtp.call_forward_keep_s if found.known else smtp.call_forward_keep_unknown_s
        self._kept[key] = (self._clock.steady() + keep_s, found)
        self._kept.move_to_end(key)
        if len(self._kept) > MAX_KEPT:
            self._kept.popitem(last=False)
        return found

    async def _answer(self, address: Address, hop: NextHop) -> Answer:
        """The first host's that can be reached. Raises Temporary."""
        failure: MailError = Unreachable("no host")
        try:
            for target in await self._targets.find(address.domain, str(hop)):
                try:
                    return await self._courier.probe(target, Recipient(address))
                except Unreachable as error:
                    failure = error
        except MailError as error:
            failure = error
        raise Temporary("The next host cannot be reached", cause=failure.cause or failure.public)
