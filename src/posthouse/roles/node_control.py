"""``admin.NodeControl`` for a running node, asked of the supervisor over the bus; and for one that does not run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from posthouse import __version__
from posthouse.admin.nodecontrol import Certificate, NodeStatus, ProcessStatus, Reloaded
from posthouse.base.errors import BadValue, Permanent, Temporary
from posthouse.base.ids import Ids
from posthouse.interfaces.bus import Bus, Payload
from posthouse.model.settings import Settings
from posthouse.roles import certificates

ANSWER_S = 5.0


class BusNodeControl:
    """In the steward."""

    def __init__(self, bus: Bus, ids: Ids, name: str, data: Path, settings: Callable[[], Settings]) -> None:
        self._bus = bus
        self._ids = ids
        self._name = name
        self._data = data
        self._settings = settings

    async def status(self) -> NodeStatus:
        """Asks the supervisor. Raises Temporary when it does not answer."""
        found = await self._ask("node", "node-status")
        return NodeStatus(
            name=self._name,
            version=__version__,
            state=found["state"],
            since=found["since"],
            listeners=tuple((service, address) for service, address in found["listeners"]),
            processes=tuple(ProcessStatus(*process) for process in found["processes"]),
        )

    async def reload(self) -> Reloaded:
        found = await self._ask("node-reload", "node-reloaded")
        if found["trouble"]:
            raise BadValue(f"{found['trouble']}; settings and certificates were read anew")
        return Reloaded(tuple(found["taken"]), tuple(found["waits"]))

    async def stop(self) -> None:
        self._bus.publish("node-stop", {})

    async def certificates(self) -> Sequence[Certificate]:
        return certificates.describe(self._settings().tls, self._data)

    async def _ask(self, topic: str, answered: str) -> Any:
        """One question to the supervisor. Raises Temporary when it does not answer."""
        question = self._ids.new()
        answer: asyncio.Future[Payload] = asyncio.get_running_loop().create_future()

        def heard(payload: Payload) -> None:
            if payload.get("id") == question and not answer.done():
                answer.set_result(payload)

        unsubscribe = self._bus.subscribe(answered, heard)
        try:
            self._bus.publish(topic, {"id": question})
            async with asyncio.timeout(ANSWER_S):
                return await answer
        except TimeoutError:
            raise Temporary("The node's supervisor does not answer") from None
        finally:
            unsubscribe()


class OfflineNodeControl:
    """For operations on a node that does not run."""

    def __init__(self, name: str, data: Path, settings: Callable[[], Settings]) -> None:
        self._name = name
        self._data = data
        self._settings = settings

    async def status(self) -> NodeStatus:
        return NodeStatus(name=self._name, version=__version__, state="offline", since=0.0)

    async def reload(self) -> Reloaded:
        raise Permanent("the node does not run")

    async def stop(self) -> None:
        raise Permanent("the node does not run")

    async def certificates(self) -> Sequence[Certificate]:
        return certificates.describe(self._settings().tls, self._data)
