"""Messages that came as binary (RFC 3516, RFC 3030) in a form without NULs and endless lines: base64 instead of ``binary``.

Only parts that say ``Content-Transfer-Encoding: binary`` change, and what says the same of the multiparts around them. All
other octets stay as they are.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator

from posthouse.formats import headers
from posthouse.formats.mime.tree import index
from posthouse.model.summary import Part

_BASE64 = b"Content-Transfer-Encoding: base64\r\n"
_EIGHT_BIT = b"Content-Transfer-Encoding: 8bit\r\n"


def without_binary(content: bytes) -> bytes:
    """``content`` with its binary parts in base64; the same object if there are none."""
    cuts = sorted(_cuts(content, index(content)))
    if not cuts:
        return content
    pieces: list[bytes] = []
    at = 0
    for start, end, octets in cuts:
        pieces += (content[at:start], octets)
        at = end
    pieces.append(content[at:])
    return b"".join(pieces)


def _cuts(content: bytes, root: Part) -> Iterator[tuple[int, int, bytes]]:
    """(start, end, what comes there instead), never overlapping."""
    waiting = [root]
    while waiting:
        part = waiting.pop()
        waiting += part.children
        field = headers.find(part.headers, "content-transfer-encoding")
        if part.encoding != "binary" or field is None:
            continue
        whole = part.type == "multipart" or bool(part.children)
        yield field.start, field.end, _EIGHT_BIT if whole else _BASE64
        if not whole:
            body = base64.encodebytes(content[part.body_start : part.body_end]).replace(b"\n", b"\r\n")
            ends_message = part.body_end == len(content)
            yield part.body_start, part.body_end, body if ends_message else body.removesuffix(b"\r\n")
