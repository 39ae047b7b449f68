"""What a request brings, taken within bounds of size and time."""

from __future__ import annotations

import asyncio

from starlette.requests import ClientDisconnect, Request

from posthouse.servers.http.problems import Problem

MAX_BYTES = 1 << 20
BODY_S = 60.0
"""For the whole body, however it comes."""
_CLOSE = {"Connection": "close"}


async def body(request: Request, limit_bytes: int = MAX_BYTES) -> bytes:
    """Raises Problem; the connection ends then, as the rest of the body would be taken for a request."""
    length = request.headers.get("content-length", "0")
    if not (length.isascii() and length.isdigit()) or int(length) > limit_bytes:
        raise Problem("too-large", f"at most {limit_bytes} octets", _CLOSE)
    taken = bytearray()
    try:
        async with asyncio.timeout(BODY_S):
            async for chunk in request.stream():
                taken += chunk
                if len(taken) > limit_bytes:
                    raise Problem("too-large", f"at most {limit_bytes} octets", _CLOSE)
    except (TimeoutError, ClientDisconnect):
        raise Problem("too-slow", f"the whole request must come within {BODY_S:.0f} seconds", _CLOSE) from None
    return bytes(taken)
