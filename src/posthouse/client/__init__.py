"""A client of the HTTP API for Python programs (ADM-1, ADM-6): standard library alone, nothing of the server.

    from posthouse.client import Client

    with Client("https://mx1.example.com", token="ph_...") as client:
        for row in client.queue.list(state="waiting"):
            print(row["queue_id"], row["last_reply"])

Nouns, verbs, their arguments and help come from the server's own description: ``help(client.queue.list)`` shows them. Errors
are ``ApiError`` and its kinds. A client is for one thread.
"""

from posthouse.client.errors import (
    ApiError,
    BadArgument,
    Exists,
    LoginNeeded,
    NotAllowed,
    NotFound,
    NotReached,
    Refused,
    TooManyRequests,
    Unavailable,
)
from posthouse.client.nouns import Client

__all__ = [
    "ApiError",
    "BadArgument",
    "Client",
    "Exists",
    "LoginNeeded",
    "NotAllowed",
    "NotFound",
    "NotReached",
    "Refused",
    "TooManyRequests",
    "Unavailable",
]
