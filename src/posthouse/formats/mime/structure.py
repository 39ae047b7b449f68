"""IMAP's BODY and BODYSTRUCTURE from the index (RFC 9051 §7.5.2), both in one walk.

A multipart without parts, which the grammar does not know, shows one empty text part, as Dovecot does. Parameters outside
ASCII are sent in RFC 2231's form, which clients decode.
"""

from __future__ import annotations

from urllib.parse import quote

from posthouse.formats import headers
from posthouse.formats.mime import envelope
from posthouse.formats.mime.imapstring import string
from posthouse.formats.mime.parameters import Parameters
from posthouse.model.summary import Part

_EMPTY = '("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 0 0)'
_EMPTY_EXTENDED = '("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 0 0 NIL NIL NIL NIL)'


def render(content: bytes, part: Part) -> tuple[str, str]:
    """BODY and BODYSTRUCTURE of ``part`` and all below it."""
    if part.type == "multipart":
        return _multipart(content, part)
    head = (
        f'("{part.type}" "{part.subtype}" {_parameters(part.params)} {_or_nil(part.content_id)} {_or_nil(part.description)}'
        f" {string(part.encoding)} {part.body_end - part.body_start}"
    )
    md5, tail = _extension(content, part)
    if part.type == "text":
        return f"{head} {part.lines})", f"{head} {part.lines} {md5} {tail})"
    if part.children:
        embedded = part.children[0]
        inner, _ = envelope.render(envelope.values(content, embedded.headers))
        basic, extended = render(content, embedded)
        return f"{head} {inner} {basic} {part.lines})", f"{head} {inner} {extended} {part.lines} {md5} {tail})"
    if part.type == "message" and part.subtype in ("rfc822", "global"):
        inner, _ = envelope.render({})
        return f"{head} {inner} {_EMPTY} {part.lines})", f"{head} {inner} {_EMPTY_EXTENDED} {part.lines} {md5} {tail})"
    return f"{head})", f"{head} {md5} {tail})"


def _multipart(content: bytes, part: Part) -> tuple[str, str]:
    rendered = [render(content, child) for child in part.children] or [(_EMPTY, _EMPTY_EXTENDED)]
    basic = "".join([each[0] for each in rendered])
    extended = "".join([each[1] for each in rendered])
    _, tail = _extension(content, part)
    return f'({basic} "{part.subtype}")', f'({extended} "{part.subtype}" {_parameters(part.params)} {tail})'


def _extension(content: bytes, part: Part) -> tuple[str, str]:
    """MD5, and disposition with language and location."""
    md5 = language = location = "NIL"
    for field in part.headers:
        name = field.name
        if name[:8] != "content-":
            continue
        if name == "content-md5":
            md5 = string(headers.field_value(content, field))
        elif name == "content-language":
            language = _languages(headers.field_value(content, field))
        elif name == "content-location":
            location = string(headers.field_value(content, field))
    shown = f"({string(part.disposition)} {_parameters(part.disposition_params)})" if part.disposition else "NIL"
    return md5, f"{shown} {language} {location}"


def _languages(value: str) -> str:
    tags = [tag.strip() for tag in value.split(",")[:100] if tag.strip()]
    return "(" + " ".join(map(string, tags)) + ")" if tags else "NIL"


def _parameters(pairs: Parameters) -> str:
    if not pairs:
        return "NIL"
    return "(" + " ".join([_parameter(name, value) for name, value in pairs]) + ")"


def _parameter(name: str, value: str) -> str:
    if value.isascii():
        return f"{string(name)} {string(value)}"
    return f"{string(name + '*')} {string(chr(39).join(('utf-8', '', quote(value, safe='', errors='replace'))))}"


def _or_nil(text: str) -> str:
    return string(text) if text else "NIL"
