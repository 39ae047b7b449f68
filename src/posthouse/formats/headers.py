"""Header fields as text: unfolding, RFC 2047 words both ways, looking fields up, address lists.

Stands on the header index that ``mime`` makes; used by every stage that reads a field, by search, and by what composes
messages. Decoding is bounded and never raises. RFC 5322 §2.2, RFC 2047, RFC 6532 (UTF-8 in fields).
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Iterator

from posthouse.formats import addresslist, charsets
from posthouse.model.summary import HeaderField, Part

MAX_DECODED = 1000

# A word of an encoded text may take this many octets for each character that it yields; what lies beyond is not looked at.
_RAW_PER_CHARACTER = 16
_WORD = re.compile(r"=\?([^?\s*]{1,40})(?:\*[^?\s]{0,20})?\?([bBqQ])\?([^?]*+)\?=")
_FOLD = re.compile(r"[\r\n]++[ \t]*+")
_Q_HEX = re.compile(rb"=([0-9A-Fa-f]{2})")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]++")


def unfold(raw: bytes) -> str:
    """A raw field value as one line of text: folds become one space, NUL goes, outer white space goes.

    Octets that are not UTF-8 are read as Windows-1252, so that the result can always be encoded. RFC 2047 words stay.
    """
    text = charsets.text_of(raw).strip()
    if "\n" in text or "\r" in text:
        text = _FOLD.sub(" ", text)
    return text.replace("\0", "") if "\0" in text else text


def field_value(content: bytes, field: HeaderField) -> str:
    """The field's value, unfolded, RFC 2047 words as they are."""
    return unfold(content[field.value_start : field.end])


def decoded_value(content: bytes, field: HeaderField, max_chars: int = MAX_DECODED) -> str:
    """The field's value for people: unfolded, RFC 2047 words decoded, at most ``max_chars`` characters."""
    return decode_words(field_value(content, field), max_chars)


def find(fields: Iterable[HeaderField], name: str) -> HeaderField | None:
    """The first field of this name (lower case), or None."""
    return next((field for field in fields if field.name == name), None)


def value_of(content: bytes, part: Part, name: str) -> str:
    """The unfolded value of the part's first field of this name (lower case), "" if there is none."""
    field = find(part.headers, name)
    return field_value(content, field) if field else ""


def values_of(content: bytes, part: Part, name: str) -> list[str]:
    """The unfolded values of all fields of this name (lower case)."""
    return [field_value(content, field) for field in part.headers if field.name == name]


def field_contains(content: bytes, part: Part, name: str, needle: str) -> bool:
    """IMAP SEARCH HEADER (RFC 9051 §6.4.4): a field of this name whose decoded value holds ``needle``, whatever the case.

    An empty needle asks only whether the field exists.
    """
    wanted = needle.casefold()
    limit = 65_536
    return any(
        wanted in decoded_value(content, field, limit).casefold() for field in part.headers if field.name == name.lower()
    )


def decode_words(text: str, max_chars: int = MAX_DECODED) -> str:
    """``text`` with its RFC 2047 words decoded and control characters as spaces, cut to ``max_chars`` characters."""
    if "=?" in text:
        text = "".join(_decoded_pieces(text[: max_chars * _RAW_PER_CHARACTER]))
    text = text[:max_chars]
    return text if text.isprintable() else _CONTROL.sub(" ", text)


def _decoded_pieces(text: str) -> Iterator[str]:
    """Adjacent words of one charset are decoded together: writers split multi-octet characters between words."""
    position, charset, octets = 0, "", b""
    for match in _WORD.finditer(text):
        between = text[position : match.start()]
        piece = _word_octets(match[2], match[3])
        if octets and not between.strip():
            if match[1].lower() != charset:
                yield charsets.decode(octets, charset)
                octets = b""
        else:
            yield charsets.decode(octets, charset)
            yield between
            octets = b""
        charset, octets, position = match[1].lower(), octets + piece, match.end()
    yield charsets.decode(octets, charset)
    yield text[position:]


def _word_octets(encoding: str, text: str) -> bytes:
    raw = text.encode("utf-8", "replace")
    if encoding in "bB":
        return base64_lenient(raw)
    return _Q_HEX.sub(lambda match: bytes.fromhex(match[1].decode()), raw.replace(b"_", b" "))


def base64_lenient(raw: bytes) -> bytes:
    """Base64 with foreign characters skipped and a broken end dropped."""
    try:
        return binascii.a2b_base64(raw + b"==")
    except binascii.Error:  # One character too many: the last group is not whole.
        letters = re.sub(rb"[^A-Za-z0-9+/]", b"", raw)
        return binascii.a2b_base64(letters[: len(letters) // 4 * 4])


def encode_header(text: str) -> str:
    """``text`` as an unstructured value in ASCII: as it is, or as RFC 2047 words of at most 75 characters, folded."""
    text = _CONTROL.sub(" ", text)
    if text.isascii() and "=?" not in text:
        return text
    words, start = [], 0
    while start < len(text):
        end, size = start, 0
        # 45 octets give 60 characters of base64; with =?utf-8?B??= the word is 72 long.
        while end < len(text) and (size := size + len(text[end].encode("utf-8", "replace"))) <= 45:
            end += 1
        words.append("=?utf-8?B?" + base64.b64encode(text[start:end].encode("utf-8", "replace")).decode() + "?=")
        start = end
    return "\r\n ".join(words)


def addresses(value: str) -> list[tuple[str, str, str]]:
    """The mailboxes of an unfolded address list, groups opened: (decoded name or "", local part, domain or "")."""
    return [
        (decode_words(name) if name else "", local or "", domain)
        for name, local, domain in addresslist.entries(value)
        if domain is not None
    ]
