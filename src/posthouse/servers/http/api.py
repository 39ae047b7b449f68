"""The HTTP API (ADM-6): ``POST /api/v1/NOUN/VERB`` with arguments as a JSON object; the registry says what there is.

The steward runs the operation for the account that asks, with its role, its domain and its token's scopes, and writes the audit
trail; here are the login, bounds and the forms of answers: JSON, or a row a line (``Accept: application/x-ndjson``). A request
must say that it is JSON: a page of another site can make a browser send its password along, but not say that, and there is no
CORS.
"""

from __future__ import annotations

import asyncio
import importlib
from typing import Annotated
from urllib.parse import quote

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from posthouse.base import log
from posthouse.base.metrics import API_REQUESTS
from posthouse.protocols import control
from posthouse.servers.http.access import Access, Caller
from posthouse.servers.http.bodies import body
from posthouse.servers.http.problems import Problem, of_answer
from posthouse.servers.http.stewards_ear import StewardsEar

ROOT = "/api/v1/"
DESCRIPTION = ROOT + "openapi.json"
NDJSON = "application/x-ndjson"
Integer = Annotated[int, msgspec.Meta(ge=-(1 << 63), le=(1 << 63) - 1)]
Value = bool | Integer | float | str
_arguments = msgspec.json.Decoder(dict[str, Value | list[Value] | None])
_log = log.get("http")
_rows = msgspec.json.Decoder(list[msgspec.Raw])


class Api:
    """An ASGI application for what is below ``/api/``."""

    def __init__(self, access: Access, ear: StewardsEar) -> None:
        self._access = access
        self._ear = ear
        self._description = b""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            response = await self._respond(request)
        except Problem as problem:
            response = problem.response()
        except Exception:
            _log.exception("request failed", path=scope["path"])
            response = Problem("fault", "the node's log has the cause").response()
        API_REQUESTS.labels(str(response.status_code)).inc()
        await response(scope, receive, send)

    async def _respond(self, request: Request) -> Response:
        path = request.url.path
        if path == DESCRIPTION:
            self._require_method(request, "GET", "HEAD")
            return Response(await self._described(), media_type="application/json")
        words = path.removeprefix(ROOT).split("/") if path.startswith(ROOT) else []
        if len(words) != 2 or not all(words):
            raise Problem("not-found", f"operations are at {ROOT}NOUN/VERB, their description at {DESCRIPTION}")
        self._require_method(request, "POST")
        caller = await self._access.caller(request)
        return await self._operate(request, caller, words)

    async def _operate(self, request: Request, caller: Caller, words: list[str]) -> Response:
        named = await self._named(request)
        answer = await self._ear.ask(
            control.Request(
                words,
                named=named,
                who=str(caller.account.address),
                role=caller.account.role,
                via=caller.via,
                face="json",
                scopes=list(caller.scopes) if caller.scopes is not None else None,
            )
        )
        if answer.kind != "done":
            raise of_answer(answer)
        headers = {"Posthouse-Complaint": quote(answer.complaint[:1000])} if answer.complaint else {}
        if NDJSON in request.headers.get("accept", "") and answer.body.startswith(b"["):
            return Response(b"".join(bytes(row) + b"\n" for row in _rows.decode(answer.body)), 200, headers, NDJSON)
        return Response(answer.body, 200, headers, "application/json")

    async def _named(self, request: Request) -> dict[str, object]:
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise Problem("wrong-media-type", "Content-Type: application/json", {"Connection": "close"})
        octets = await body(request)
        try:
            return dict(_arguments.decode(octets or b"{}"))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise Problem("malformed", f"a JSON object of arguments is needed: {error}") from None

    async def _described(self) -> bytes:
        """Made once, in a thread: it imports all operations."""
        if not self._description:
            self._description = await asyncio.to_thread(_describe)
        return self._description

    def _require_method(self, request: Request, *methods: str) -> None:
        if request.method not in methods:
            raise Problem("wrong-method", " or ".join(methods), {"Allow": ", ".join(methods), "Connection": "close"})


def _describe() -> bytes:
    described: bytes = importlib.import_module("posthouse.admin.describing").description()
    return described
