"""Spans of messages' paths to an OpenTelemetry collector, by OTLP over HTTP (``interfaces.spans``, MON-4).

The SDK (extra ``otel``) is imported, in a thread, when a setting first names an endpoint; until then nothing of it is there.
Spans wait in the SDK's bounded queue and leave in batches from its thread; a collector that is down costs spans, never mail
(open).

A message's trace number is its trace id as a number, so that one can be found by the other; what the queue does later for the
same message joins that trace. Addresses of people are not told, only domains.
"""

from __future__ import annotations

import hashlib
import logging
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from posthouse import __version__
from posthouse.base import log
from posthouse.base.ids import decode
from posthouse.model.settings import MonitoringSettings
from posthouse.model.trace import Timing, TraceRecord

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.trace import SpanKind, Status

EXPORT_TIMEOUT_S = 5.0
DELAY_MS = 1000
CLOSE_S = 3.0
MAX_RECIPIENT_DOMAINS = 20
_ROOT = (1 << 64) - 1

_log = log.get("otlp")


class OtlpSpans:
    """``interfaces.spans.Spans``, to where the setting says; one in each process that tells any."""

    def __init__(self, settings: Callable[[], MonitoringSettings], node_name: str, process: str) -> None:
        self._settings = settings
        self._attributes = {"service.name": "posthouse", "service.version": __version__, "service.instance.id": process,
                            "host.name": node_name}  # fmt: skip
        self._endpoint = ""
        self._sender: _Sender | None = None
        self._changing: threading.Thread | None = None

    def watching(self) -> bool:
        endpoint = self._settings().otlp_endpoint
        if endpoint != self._endpoint:
            self._follow(endpoint)
        return self._sender is not None

    def tell(self, record: TraceRecord, timings: Sequence[Timing]) -> None:
        sender, number = self._sender, trace_number(record.trace_id)
        if sender is not None and timings and number % 100 < self._settings().otlp_percent:
            sender.send(record, timings, number)

    def close(self) -> None:
        """Sends what waits, for at most some seconds; nothing is told any more."""
        self._follow("")
        if self._changing is not None:
            self._changing.join(CLOSE_S)

    def _follow(self, endpoint: str) -> None:
        self._endpoint = endpoint
        before, self._sender = self._sender, None
        if before is None and not endpoint:
            return
        self._changing = threading.Thread(target=self._change, args=(before, endpoint), name="otlp", daemon=True)
        self._changing.start()

    def _change(self, before: _Sender | None, endpoint: str) -> None:
        if before is not None:
            before.close()
        if not endpoint:
            return
        try:
            sender = _Sender(endpoint, self._attributes)
        except ImportError as error:
            _log.error("otel-extra-missing", endpoint=endpoint, cause=str(error), hint="pip install 'posthouse[otel]'")
            return
        if self._endpoint == endpoint:
            self._sender = sender
        else:
            sender.close()


class _Sender:
    """Everything that needs the SDK. Raises ImportError without it."""

    def __init__(self, endpoint: str, attributes: dict[str, str]) -> None:
        from opentelemetry import trace
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import ReadableSpan
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.util.instrumentation import InstrumentationScope

        _own_log()
        exporter = OTLPSpanExporter(endpoint=endpoint, timeout=EXPORT_TIMEOUT_S)
        self._processor: BatchSpanProcessor = BatchSpanProcessor(exporter, schedule_delay_millis=DELAY_MS)
        self._resource = Resource(attributes)
        self._scope = InstrumentationScope("posthouse", __version__)
        self._api = trace
        self._make = ReadableSpan

    def send(self, record: TraceRecord, timings: Sequence[Timing], number: int) -> None:
        for span in self._spans(record, timings, number):
            self._processor.on_end(span)

    def close(self) -> None:
        self._processor.shutdown()  # type: ignore[no-untyped-call]

    def _spans(self, record: TraceRecord, timings: Sequence[Timing], number: int) -> Iterator[ReadableSpan]:
        """The message's or the delivery's own span, after those of its parts."""
        arrived = record.service != "queue"
        root = number & _ROOT or 1
        own = root if arrived else _random()
        for timing in timings:
            yield self._span(timing.name, number, _random(), own, timing.began_at, timing.ended_at)
        kind = self._api.SpanKind.SERVER if arrived else self._api.SpanKind.CLIENT
        status = self._api.Status(self._api.StatusCode.ERROR, record.outcome) if record.outcome == "failed" else None
        yield self._span(
            f"message {record.service}" if arrived else "delivery",
            number,
            own,
            0 if arrived else root,
            timings[0].began_at,
            max(timing.ended_at for timing in timings),
            kind=kind,
            attributes=_facts(record),
            status=status,
        )

    def _span(  # noqa: PLR0913 - what a span is
        self,
        name: str,
        number: int,
        own: int,
        parent: int,
        began_at: float,
        ended_at: float,
        *,
        kind: SpanKind | None = None,
        attributes: dict[str, str | int | tuple[str, ...]] | None = None,
        status: Status | None = None,
    ) -> ReadableSpan:
        from opentelemetry.trace import SpanContext

        api = self._api
        flags = api.TraceFlags(api.TraceFlags.SAMPLED)

        def context(span_id: int) -> SpanContext:
            return SpanContext(number, span_id, is_remote=False, trace_flags=flags)

        return self._make(
            name=name,
            context=context(own),
            parent=context(parent) if parent else None,
            resource=self._resource,
            attributes=attributes or {},
            kind=kind or api.SpanKind.INTERNAL,
            status=status or api.Status(api.StatusCode.UNSET),
            start_time=int(began_at * 1e9),
            end_time=int(ended_at * 1e9),
            instrumentation_scope=self._scope,
        )


def trace_number(trace_id: str) -> int:
    """128 bits, never 0: an identifier of ours as a number, another's by its digest."""
    try:
        number = decode(trace_id)
    except ValueError:
        number = int.from_bytes(hashlib.sha256(trace_id.encode()).digest()[:16], "big")
    return number or 1


def _facts(record: TraceRecord) -> dict[str, str | int | tuple[str, ...]]:
    domains = dict.fromkeys(_domain(recipient) for recipient in record.recipients)
    last = record.steps[-1] if record.steps else None
    facts: dict[str, str | int | tuple[str, ...]] = {
        "posthouse.trace_id": record.trace_id,
        "posthouse.outcome": record.outcome,
        "posthouse.reply_code": record.reply[:3],
        "posthouse.decided_by": f"{last.stage}/{last.rule}" if last else "",
        "posthouse.sender_domain": _domain(record.sender),
        "posthouse.recipient_domains": tuple(domains)[:MAX_RECIPIENT_DOMAINS],
        "posthouse.recipients": len(record.recipients),
        "posthouse.size_bytes": record.size_bytes,
    }
    if record.client:
        facts["client.address"] = record.client
    return facts


def _domain(address: str) -> str:
    return address.rpartition("@")[2].lower()


def _random() -> int:
    return int.from_bytes(os.urandom(8), "big") or 1


class _OwnLog(logging.Handler):
    """The SDK's complaints (a collector that does not answer) in the house's log."""

    def emit(self, record: logging.LogRecord) -> None:
        _log.warning("otlp-trouble", cause=record.getMessage())


def _own_log() -> None:
    theirs = logging.getLogger("opentelemetry")
    if not theirs.handlers:
        theirs.addHandler(_OwnLog(logging.WARNING))
        theirs.propagate = False
