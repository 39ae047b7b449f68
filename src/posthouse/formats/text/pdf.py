"""PDF: the text of its pages and its title, by pypdf, which reads what viewers read and stops at its own limits.

A hostile PDF may still take long or much memory: this runs in the document reader's process, never where mail is served.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Mapping

from posthouse.formats.text.limits import TextLimits
from posthouse.formats.text.trouble import Unreadable

_PROPERTIES = ("/Title", "/Subject", "/Author", "/Keywords")


def text(octets: bytes, limits: TextLimits) -> str:
    """The text, at most ``limits.chars`` characters; pages that cannot be read are left out. Raises Unreadable."""
    import pypdf  # takes a quarter of a second to come in
    from pypdf.errors import PyPdfError

    logging.getLogger("pypdf").setLevel(logging.CRITICAL + 1)
    broken = (
        PyPdfError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError, OSError,
        AssertionError, NotImplementedError,
    )  # fmt: skip
    pieces: list[str] = []
    left = limits.chars
    try:
        reader = pypdf.PdfReader(io.BytesIO(octets), strict=False)
        if reader.is_encrypted and not reader.decrypt(""):
            raise Unreadable("encrypted")
        properties: Mapping[str, object] = reader.metadata or {}
        pieces += [str(properties[key]) for key in _PROPERTIES if properties.get(key)]
        pages = min(len(reader.pages), limits.pdf_pages)
    except Unreadable:
        raise
    except broken as error:
        raise Unreadable("broken PDF") from error
    for number in range(pages):
        try:
            page = reader.pages[number].extract_text()
        except broken:
            continue
        pieces.append(page[:left])
        left -= len(page)
        if left <= 0:
            break
    return "\n".join(pieces)[: limits.chars]
