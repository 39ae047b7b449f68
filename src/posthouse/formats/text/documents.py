"""The text of attached documents: which parts are documents, and the one door to their readers.

PDF, Office Open XML (docx, xlsx, pptx), OpenDocument, RTF, and text in other clothes (JSON, XML). A reader gives what text it
finds and stops at the limits; what is broken, encrypted or a bomb raises ``Unreadable``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from posthouse.formats import charsets
from posthouse.formats.mime import transfer
from posthouse.formats.text.limits import DEFAULT, TextLimits
from posthouse.formats.text.trouble import Unreadable as Unreadable
from posthouse.model.summary import Part

Kind = Literal["pdf", "word", "sheet", "slides", "opendocument", "rtf", "plain"]
KINDS: tuple[Kind, ...] = get_args(Kind)

_OOXML = "vnd.openxmlformats-officedocument."
_BY_SUBTYPE: dict[str, Kind] = {
    "pdf": "pdf",
    "x-pdf": "pdf",
    f"{_OOXML}wordprocessingml.document": "word",
    f"{_OOXML}wordprocessingml.template": "word",
    "vnd.ms-word.document.macroenabled.12": "word",
    f"{_OOXML}spreadsheetml.sheet": "sheet",
    f"{_OOXML}spreadsheetml.template": "sheet",
    "vnd.ms-excel.sheet.macroenabled.12": "sheet",
    f"{_OOXML}presentationml.presentation": "slides",
    f"{_OOXML}presentationml.slideshow": "slides",
    f"{_OOXML}presentationml.template": "slides",
    "vnd.ms-powerpoint.presentation.macroenabled.12": "slides",
    **{f"vnd.oasis.opendocument.{kind}": "opendocument" for kind in ("text", "spreadsheet", "presentation", "graphics")},
    "rtf": "rtf",
    **dict.fromkeys(("json", "xml", "javascript", "x-javascript", "x-sh", "yaml", "x-yaml", "sql", "toml"), "plain"),
}  # fmt: skip
_BY_ENDING: dict[str, Kind] = {
    "pdf": "pdf",
    **dict.fromkeys(("docx", "docm", "dotx"), "word"),
    **dict.fromkeys(("xlsx", "xlsm", "xltx"), "sheet"),
    **dict.fromkeys(("pptx", "pptm", "ppsx", "potx"), "slides"),
    **dict.fromkeys(("odt", "ods", "odp", "odg", "ott", "ots", "otp"), "opendocument"),
    "rtf": "rtf",
    **dict.fromkeys(("txt", "csv", "md", "json", "xml", "yaml", "yml", "log", "ini", "conf", "sql", "toml"), "plain"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Attached:
    """A document in the message, transfer encoding undone when asked for (``octets``)."""

    kind: Kind
    part: Part


def kind_of(part: Part, name: str) -> Kind | None:
    """What kind of document a part is, by its type, or by its name's ending when the type says nothing; None for others.

    Text parts are searched as they are; of them only RTF is a document.
    """
    if part.children or part.type in ("text", "multipart", "message"):
        return "rtf" if part.type == "text" and part.subtype == "rtf" else None
    if part.type == "application":
        kind = _BY_SUBTYPE.get(part.subtype) or ("plain" if part.subtype.endswith(("+xml", "+json")) else None)
        if kind is not None:
            return kind
    return _BY_ENDING.get(name.rpartition(".")[2].lower()) if part.type == "application" and "." in name else None


def octets(content: bytes, part: Part, limits: TextLimits = DEFAULT) -> bytes | None:
    """The document's own octets; None when they are too many, or in an encoding that cannot be undone."""
    size = part.body_end - part.body_start
    if part.encoding not in transfer.KNOWN or size > limits.document_bytes * (1.4 if part.encoding == "base64" else 1):
        return None
    return transfer.decode(content[part.body_start : part.body_end], part.encoding)


def document_text(kind: Kind, document: bytes, limits: TextLimits = DEFAULT) -> str:
    """The document's text, at most ``limits.chars`` characters. Raises Unreadable.

    The readers come in when first needed: most processes never need them.
    """
    if kind == "pdf":
        from posthouse.formats.text import pdf

        return pdf.text(document, limits)
    if kind == "rtf":
        from posthouse.formats.text import rtf

        return rtf.text(document, limits)
    if kind == "plain":
        return charsets.text_of(document[: limits.chars * 4])[: limits.chars]
    from posthouse.formats.text import office

    return office.text(kind, document, limits)
