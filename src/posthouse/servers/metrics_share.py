"""Metrics of all processes of the node as one (MON-4): the process that is asked asks the others over the bus and adds up."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import Iterable, Sequence
from typing import cast

import msgspec
from prometheus_client import Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector, CollectorRegistry

from posthouse.base.metrics import REGISTRY
from posthouse.interfaces.bus import Bus, Payload

WAIT_S = 0.5

Sample = tuple[str, dict[str, str], float]


class MetricsShare:
    """To be made in every process; ``processes`` is how many there are. ``text`` is for the one that is asked."""

    def __init__(self, bus: Bus, process: str, processes: int) -> None:
        self._bus = bus
        self._process = process
        self._processes = processes
        self._numbers = itertools.count(1)
        self._answers: dict[str, dict[str, Sequence[Sample]]] = {}
        self._complete: dict[str, asyncio.Event] = {}
        bus.subscribe("metrics-ask", self._asked)
        bus.subscribe("metrics", self._told)

    async def text(self) -> bytes:
        """The node's metrics in Prometheus' text format; without those of a process that does not answer in half a
        second."""
        question = f"{self._process}-{os.getpid()}-{next(self._numbers)}"
        answers: dict[str, Sequence[Sample]] = {}
        complete = asyncio.Event()
        self._answers[question], self._complete[question] = answers, complete
        self._bus.publish("metrics-ask", {"question": question})
        try:
            async with asyncio.timeout(WAIT_S):
                await complete.wait()
        except TimeoutError:
            pass
        finally:
            del self._answers[question], self._complete[question]
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Sum(answers))
        return generate_latest(registry)

    def _asked(self, payload: Payload) -> None:
        self._bus.publish("metrics", {"question": payload["question"], "process": self._process, "samples": list(_samples())})

    def _told(self, payload: Payload) -> None:
        question = cast(str, payload["question"])
        answers = self._answers.get(question)
        if answers is None:
            return
        answers[cast(str, payload["process"])] = msgspec.convert(payload["samples"], list[Sample])
        if len(answers) >= self._processes:
            self._complete[question].set()


def _samples() -> Iterable[Sample]:
    for family in REGISTRY.collect():
        for sample in family.samples:
            if not sample.name.endswith("_created"):
                yield sample.name, dict(sample.labels), float(sample.value)


class _Sum(Collector):
    """The families of our registry with everyone's samples added up."""

    def __init__(self, answers: dict[str, Sequence[Sample]]) -> None:
        self._answers = answers

    def collect(self) -> Iterable[Metric]:
        sums: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}
        for samples in self._answers.values():
            for name, labels, value in samples:
                key = name, tuple(labels.items())
                sums[key] = sums.get(key, 0.0) + value
        for family in REGISTRY.collect():
            merged = Metric(family.name, family.documentation, family.type)
            names = {family.name, *(f"{family.name}_{end}" for end in ("total", "bucket", "count", "sum"))}
            for (name, pairs), value in sums.items():
                if name in names:
                    merged.add_sample(name, dict(pairs), value)
            yield merged
        answering = Metric("posthouse_processes", "Processes that answered.", "gauge")
        answering.add_sample("posthouse_processes", {}, float(len(self._answers)))
        yield answering
