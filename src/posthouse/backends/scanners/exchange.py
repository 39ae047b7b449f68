"""One question and one answer over TCP or a Unix socket: sends all, reads until the end; bounded in time and size.

Failing: Temporary, whatever the trouble is, with the place in the private cause.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from posthouse.base.errors import Temporary
from posthouse.model.scanners import ScannerPlace

CONNECT_S = 5.0
MAX_ANSWER_BYTES = 1 << 20
_PIECE_BYTES = 65_536


def trouble(place: ScannerPlace, what: object) -> Temporary:
    """The error for an engine that does not do its part."""
    return Temporary("A scanner is not available, try again later", cause=f"{place}: {what}")


async def exchange(place: ScannerPlace, request: Sequence[bytes], *, timeout_s: float, half_close: bool = True) -> bytes:
    """The whole answer. ``half_close`` tells the other side that nothing more will come. Raises Temporary."""
    try:
        async with asyncio.timeout(timeout_s):
            return await _exchange(place, request, half_close=half_close)
    except TimeoutError:
        raise trouble(place, f"no answer within {timeout_s:g} s") from None
    except (OSError, EOFError, ValueError) as error:
        raise trouble(place, repr(error)) from error


async def _exchange(place: ScannerPlace, request: Sequence[bytes], *, half_close: bool) -> bytes:
    async with asyncio.timeout(CONNECT_S):
        if place.path:
            reader, writer = await asyncio.open_unix_connection(place.path)
        else:
            reader, writer = await asyncio.open_connection(place.host, place.port)
    try:
        writer.writelines(request)
        await writer.drain()
        if half_close and writer.can_write_eof():
            writer.write_eof()
        answer = bytearray()
        while piece := await reader.read(_PIECE_BYTES):
            answer += piece
            if len(answer) > MAX_ANSWER_BYTES:
                raise ValueError("the answer is too long")
        return bytes(answer)
    finally:
        writer.close()
