"""An OpenTelemetry collector for tests: takes traces by OTLP over HTTP, decodes the protocol buffers, keeps the spans."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse


@dataclass(frozen=True, slots=True)
class Told:
    """One span. Identifiers in hexadecimal; ``status`` 2 is an error, ``kind`` 2 a server's, 3 a client's."""

    name: str
    trace: str
    span: str
    parent: str
    kind: int
    status: int
    began_ns: int
    ended_ns: int
    attributes: dict[str, object]
    resource: dict[str, str]


class Collector:
    """Use as a context manager. ``status`` is what it answers; ``spans`` are those that came."""

    def __init__(self) -> None:
        self.spans: list[Told] = []
        self.status = 200
        self.requests = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                outer.requests += 1
                body = self.rfile.read(int(self.headers["Content-Length"]))
                assert self.headers["Content-Type"] == "application/x-protobuf"
                if outer.status == 200:
                    assert self.path == "/v1/traces"
                    outer.spans += decoded(body)
                answer = ExportTraceServiceResponse().SerializeToString()
                self.send_response(outer.status)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: object) -> None:
                """Nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/v1/traces"

    def named(self, name: str) -> list[Told]:
        return [span for span in self.spans if span.name == name]

    def __enter__(self) -> Collector:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


def decoded(body: bytes) -> list[Told]:
    """The spans of one request."""
    request = ExportTraceServiceRequest()
    request.ParseFromString(body)
    found = []
    for resource in request.resource_spans:
        about = {pair.key: pair.value.string_value for pair in resource.resource.attributes}
        for scope in resource.scope_spans:
            assert scope.scope.name == "posthouse"
            for span in scope.spans:
                facts: dict[str, object] = {}
                for pair in span.attributes:
                    kind = pair.value.WhichOneof("value")
                    value = getattr(pair.value, kind or "string_value")
                    facts[pair.key] = [each.string_value for each in value.values] if kind == "array_value" else value
                ids = (span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex())
                times = (span.start_time_unix_nano, span.end_time_unix_nano)
                found.append(Told(span.name, *ids, span.kind, span.status.code, *times, facts, about))
    return found
