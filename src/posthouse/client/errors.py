"""Why a request was not done: one class for each kind of problem that a program may want to tell apart (RFC 9457)."""

from __future__ import annotations

from collections.abc import Mapping

_TYPE = "urn:posthouse:problem:"


class ApiError(Exception):
    """``kind`` is the end of the problem's type, such as ``not-found``; ``status`` is HTTP's, 0 when there was no answer."""

    def __init__(self, detail: str, *, kind: str = "", title: str = "", status: int = 0, retry_s: float = 0.0) -> None:
        super().__init__(f"{title}: {detail}" if title and detail else title or detail)
        self.detail = detail
        self.kind = kind
        self.title = title
        self.status = status
        self.retry_s = retry_s


class BadArgument(ApiError):
    """An argument is missing, not known, or does not fit."""


class LoginNeeded(ApiError):
    """The token or the password is wrong, or over."""


class NotAllowed(ApiError):
    """Role, domain or scopes do not cover it."""


class NotFound(ApiError):
    """What was named does not exist; or there is no such operation."""


class Exists(ApiError):
    """What was to be made exists already."""


class Refused(ApiError):
    """The operation says no."""


class TooManyRequests(ApiError):
    """Wait ``retry_s`` seconds."""


class Unavailable(ApiError):
    """The server cannot do it at this moment; ``retry_s`` says when to try again."""


class NotReached(ApiError):
    """No connection, or it was lost: whether the operation was done is not known."""


_KINDS: Mapping[str, type[ApiError]] = {
    "malformed": BadArgument,
    "bad-value": BadArgument,
    "wrong-media-type": BadArgument,
    "too-large": BadArgument,
    "login-needed": LoginNeeded,
    "not-allowed": NotAllowed,
    "tls-needed": NotAllowed,
    "not-found": NotFound,
    "no-such-operation": NotFound,
    "exists": Exists,
    "refused": Refused,
    "too-many": TooManyRequests,
    "unavailable": Unavailable,
}


def of_problem(status: int, problem: Mapping[str, object], retry_after: str = "") -> ApiError:
    """The error that a problem's details mean; ``ApiError`` itself for kinds without a class."""
    kind = str(problem.get("type", "")).removeprefix(_TYPE)
    return _KINDS.get(kind, ApiError)(
        str(problem.get("detail", "")),
        kind=kind,
        title=str(problem.get("title", "")) or f"HTTP status {status}",
        status=status,
        retry_s=float(retry_after) if retry_after.isascii() and retry_after.isdigit() else 0.0,
    )
