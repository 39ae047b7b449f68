"""Errors of the HTTP API as problem details (RFC 9457): which status an operation's refusal has, and how it is written."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from starlette.responses import Response

from posthouse.base.errors import MailError
from posthouse.protocols.control import Answer

MEDIA_TYPE = "application/problem+json"
RETRY_S = 5
TITLES: dict[str, tuple[int, str]] = {
    "malformed": (400, "The request cannot be understood"),
    "login-needed": (401, "Log in first"),
    "not-allowed": (403, "You may not do this"),
    "tls-needed": (403, "Passwords and tokens are not taken without TLS"),
    "not-found": (404, "There is no such thing"),
    "no-such-operation": (404, "There is no such operation"),
    "wrong-method": (405, "Another method is needed"),
    "too-slow": (408, "The request came too slowly"),
    "exists": (409, "It exists already"),
    "refused": (409, "The operation was refused"),
    "too-large": (413, "It is too large"),
    "wrong-media-type": (415, "JSON is needed"),
    "bad-value": (422, "An argument does not fit"),
    "too-many": (429, "Too many requests"),
    "fault": (500, "Something is wrong inside"),
    "unavailable": (503, "Try again later"),
    "unfinished": (504, "The operation takes long, and goes on"),
}
"""Kinds of problems, their status and title; the kind is the end of the problem's ``type``."""
_BY_CODE = {
    "NOSUCHOPERATION": "no-such-operation",
    "NONEXISTENT": "not-found",
    "ALREADYEXISTS": "exists",
    "NOPERM": "not-allowed",
    "CLIENTBUG": "bad-value",
    "LIMIT": "too-large",
    "SERVERBUG": "fault",
}


class Problem(Exception):
    """Why a request is not done. ``detail`` is for whoever asks."""

    def __init__(self, kind: str, detail: str = "", headers: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{kind}: {detail}")
        self.kind = kind
        self.detail = detail
        self.headers = dict(headers or {})
        self.status = TITLES[kind][0]
        if self.status in (503, 429):
            self.headers.setdefault("Retry-After", str(RETRY_S))

    def response(self) -> Response:
        """As RFC 9457 writes it."""
        title = TITLES[self.kind][1]
        body = {"type": f"urn:posthouse:problem:{self.kind}", "title": title, "status": self.status, "detail": self.detail}
        return Response(msgspec.json.encode(body), self.status, self.headers, MEDIA_TYPE)


def of_answer(answer: Answer) -> Problem:
    """Why an operation was not done."""
    if answer.temporary:
        return Problem("unavailable", answer.text)
    return Problem(_BY_CODE.get(answer.code, "bad-value" if answer.kind == "usage" else "refused"), answer.text)


def of_error(error: MailError) -> Problem:
    """Why something else failed."""
    if error.temporary:
        return Problem("unavailable", error.public)
    return Problem(_BY_CODE.get(error.imap_code, "refused"), error.public)
