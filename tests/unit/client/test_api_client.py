"""The Python client: methods made from the description, arguments, errors, what it sends to whom (ADM-1, ADM-6)."""

from __future__ import annotations

import inspect
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from posthouse import client as api
from posthouse.admin import describing
from posthouse.client import wire

DESCRIPTION = describing.description()


@dataclass
class Fake:
    """A server that answers with what the test says, and notes what it was asked."""

    url: str = ""
    status: int = 200
    body: bytes = b"null"
    headers: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, str, Any]] = field(default_factory=list)
    sent: list[dict[str, str]] = field(default_factory=list)
    connections: set[int] = field(default_factory=set)


@pytest.fixture
def fake() -> Iterator[Fake]:
    known = Fake()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer(200, DESCRIPTION if self.path == "/api/v1/openapi.json" else b"")

        def do_POST(self) -> None:
            octets = self.rfile.read(int(self.headers["Content-Length"]))
            known.asked.append((self.command, self.path, json.loads(octets)))
            known.sent.append(dict(self.headers))
            known.connections.add(self.client_address[1])
            self._answer(known.status, known.body)

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            for name, value in known.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return None

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    known.url = f"http://127.0.0.1:{server.server_port}"
    yield known
    server.shutdown()
    thread.join()
    server.server_close()


def test_nouns_and_verbs_are_methods_with_words_in_order_and_options_by_name(fake: Fake) -> None:
    fake.body = b'[{"queue_id": "A"}]'
    with api.Client(fake.url, token="ph_x") as client:
        assert client.queue.list(state="waiting", limit=5) == [{"queue_id": "A"}]
        client.queue.hold("A", "B")
        client.queue.hold(["A", "B"])
        client.queue.redirect("A", "jane@example.test")
        client.user.add("nina@example.test", password="secret 7", name="Nina")
        client.setting.import_(text="smtp.x = 1")
        client.run("queue", "count")
    assert [(path.removeprefix("/api/v1/"), body) for _, path, body in fake.asked] == [
        ("queue/list", {"state": "waiting", "limit": 5}),
        ("queue/hold", {"queue_ids": ["A", "B"]}),
        ("queue/hold", {"queue_ids": ["A", "B"]}),
        ("queue/redirect", {"queue_id": "A", "address": "jane@example.test"}),
        ("user/add", {"address": "nina@example.test", "password": "secret 7", "name": "Nina"}),
        ("setting/import", {"text": "smtp.x = 1"}),
        ("queue/count", {}),
    ]
    assert {sent["Authorization"] for sent in fake.sent} == {"Bearer ph_x"}
    assert len(fake.connections) == 1


def test_help_and_names_come_from_the_description(fake: Fake) -> None:
    with api.Client(fake.url) as client:
        assert {"queue", "user", "token"} <= set(dir(client))
        assert {"list", "hold"} <= set(dir(client.queue))
        assert "oldest first" in str(client.queue.list.__doc__)
        assert str(inspect.signature(client.queue.redirect)) == "(queue_id, address)"
        assert inspect.signature(client.queue.list).parameters["limit"].default == 1000
        assert client.queue.list.reads and not client.queue.hold.reads
        with pytest.raises(AttributeError, match="there is no noun 'qeue'"):
            client.qeue  # noqa: B018
        with pytest.raises(AttributeError, match="has no 'paint'"):
            client.queue.paint()


def test_what_the_operation_does_not_take_is_said_before_anything_is_sent(fake: Fake) -> None:
    with api.Client(fake.url) as client:
        with pytest.raises(api.BadArgument, match="too many"):
            client.queue.redirect("A", "b@example.test", "c")
        with pytest.raises(api.BadArgument, match="no argument 'colour'"):
            client.queue.list(colour="red")
        with pytest.raises(api.BadArgument, match="twice"):
            client.queue.redirect("A", queue_id="B")
    assert fake.asked == []


@pytest.mark.parametrize(
    ("status", "kind", "error"),
    [
        (401, "login-needed", api.LoginNeeded),
        (403, "not-allowed", api.NotAllowed),
        (404, "not-found", api.NotFound),
        (409, "exists", api.Exists),
        (409, "refused", api.Refused),
        (422, "bad-value", api.BadArgument),
        (429, "too-many", api.TooManyRequests),
        (503, "unavailable", api.Unavailable),
        (500, "fault", api.ApiError),
    ],
)
def test_problems_are_errors_of_their_kind(fake: Fake, status: int, kind: str, error: type[api.ApiError]) -> None:
    problem = {"type": f"urn:posthouse:problem:{kind}", "title": "T", "status": status, "detail": "why"}
    fake.status, fake.body, fake.headers = status, json.dumps(problem).encode(), {"Retry-After": "7"}
    with api.Client(fake.url) as client, pytest.raises(api.ApiError) as raised:
        client.run("queue", "list")
    assert type(raised.value) is error
    assert (raised.value.kind, raised.value.status, raised.value.detail, raised.value.retry_s) == (kind, status, "why", 7.0)


@pytest.mark.parametrize("body", [b"<html>", b"[]", b""])
def test_an_answer_that_is_no_problem_and_no_json_is_an_error_all_the_same(fake: Fake, body: bytes) -> None:
    fake.status, fake.body = 502, body
    with api.Client(fake.url) as client:
        with pytest.raises(api.ApiError, match="HTTP status 502"):
            client.run("queue", "list")
        fake.status, fake.body = 200, b"<html>"
        with pytest.raises(api.ApiError, match="no JSON"):
            client.run("queue", "list")


def test_rows_come_one_by_one(fake: Fake) -> None:
    with api.Client(fake.url) as client:
        each = client.queue.list.each
        fake.body = b'{"queue_id":"A"}\n{"queue_id":"B"}\n'
        assert [row["queue_id"] for row in each(limit=2)] == ["A", "B"]
    assert fake.sent[-1]["Accept"] == "application/x-ndjson"


def test_an_idle_connection_is_not_used_again(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "FRESH_S", -1.0)
    with api.Client(fake.url) as client:
        client.run("queue", "count")
        client.run("queue", "count")
    assert len(fake.connections) == 2


def test_a_server_that_is_not_there_is_told(fake: Fake) -> None:
    with api.Client("http://127.0.0.1:1") as client, pytest.raises(api.NotReached):
        client.run("queue", "count")


def test_an_endless_answer_is_not_taken(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "MAX_ANSWER_BYTES", 1000)
    fake.body = b" " * 2000
    with api.Client(fake.url) as client, pytest.raises(api.ApiError, match="too long"):
        client.run("queue", "count")


@pytest.mark.parametrize("url", ["http://mx1.example.com", "http://192.0.2.1:2080"])
def test_secrets_are_not_shown_to_the_network(url: str) -> None:
    with pytest.raises(ValueError, match="https only"):
        api.Client(url, token="ph_x")
    with pytest.raises(ValueError, match="https only"):
        api.Client(url, login=("ada@example.test", "x"))


@pytest.mark.parametrize("url", ["ftp://mx", "https://", "https://ada:x@mx", "https://mx/api", "mx1.example.com"])
def test_a_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="URL"):
        api.Client(url)
