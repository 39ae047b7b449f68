"""Footers and disclaimers (CON-2): at the end of the first plain text, and of the first HTML text before ``</body>``.

A message that is signed or encrypted stays as it is, since a footer would break it.
"""

from __future__ import annotations

import html

from posthouse.content.sieve.message import walk
from posthouse.content.sieve.rewriting import encoded_body, encoded_fields, with_part
from posthouse.formats import charsets
from posthouse.formats.mime import index, transfer
from posthouse.formats.mime.parameters import parameter
from posthouse.model.summary import Part

_SEALED = frozenset(("multipart/signed", "multipart/encrypted", "application/pkcs7-mime", "application/x-pkcs7-mime"))
MAX_TEXT_BYTES = 4 << 20


def with_footer(content: bytes, root: Part, text: str) -> bytes:
    """``content`` with the footer, or unchanged when there is no text to put it to."""
    if any(f"{part.type}/{part.subtype}" in _SEALED for part in walk(root)):
        return content
    for subtype in ("plain", "html"):
        part = _first_text(root, subtype)
        if part is not None:
            content = _with_text(content, part, text)
            root = index(content)
    return content


def _first_text(root: Part, subtype: str) -> Part | None:
    """Not in attachments, nor in embedded messages."""
    waiting = [root]
    while waiting:
        part = waiting.pop()
        if part.type == "text" and part.subtype == subtype and part.disposition != "attachment":
            return part
        if part.type == "multipart":
            waiting += reversed(part.children)
    return None


def _with_text(content: bytes, part: Part, footer: str) -> bytes:
    if part.encoding not in transfer.KNOWN or part.body_end - part.body_start > MAX_TEXT_BYTES:
        return content
    octets = transfer.decode(content[part.body_start : part.body_end], part.encoding)
    text = charsets.decode(octets, parameter(part.params, "charset"))
    new = _html(text, footer) if part.subtype == "html" else _plain(text, footer)
    entity = b"".join(encoded_fields(part.subtype, new)) + b"\r\n" + encoded_body(new)
    return with_part(content, part, entity)


def _plain(text: str, footer: str) -> str:
    end = "" if text.endswith("\n") or not text else "\r\n"
    return f"{text}{end}\r\n{footer.rstrip()}\r\n"


def _html(text: str, footer: str) -> str:
    addition = "<p>" + "<br>\r\n".join(html.escape(line) for line in footer.strip().splitlines()) + "</p>\r\n"
    end = max(text.lower().rfind("</body"), 0) or max(text.lower().rfind("</html"), 0) or len(text)
    return text[:end] + addition + text[end:]
