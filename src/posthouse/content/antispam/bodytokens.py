"""What the body of a message says, as tokens: its words, where its links lead, how its parts are put together.

Words count as the reader sees them, in lower case. HTML's tags are not looked at: by them, advertising that people asked for
is the same as advertising that nobody did.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterator
from itertools import pairwise

from posthouse.content.antispam.headertokens import organisation, shape
from posthouse.content.antispam.texts import Link, Texts
from posthouse.formats.mime.parameters import parameter
from posthouse.formats.text.message import file_name

MAX_WORDS = 6_000
MAX_WORD = 24
MAX_RUN = 500
MAX_LINKS = 100
SAMPLE_CHARS = 5_000

_WORD = re.compile(r"[^\W_]++(?:['\-.][^\W_]++)*+|[$€£]\d[\d,.]*+|!{2,}|[$€£]++")
_MAILTO = re.compile(r"mailto:([^\s\"'<>?]{1,80})")
_PATH_WORD = re.compile(r"[A-Za-z0-9_\-]{2,20}")
_UNSPACED = re.compile(r"[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]{2,}")
_CAPITALS, _FIGURES = string.ascii_uppercase.encode(), string.digits.encode()


def body_tokens(texts: Texts) -> set[str]:
    """The tokens of all parts."""
    found: set[str] = set()
    _parts(texts, found)
    for link in dict.fromkeys(texts.links[:MAX_LINKS]):
        found.update(_link(link))
    for text in texts.texts:
        if "mailto:" in text.lower:
            for address in _MAILTO.findall(text.lower)[:MAX_LINKS]:
                found.add("m:" + address)
                found.add("md:" + address.rpartition("@")[2])
        quoted = text.source.count("\n>") + text.source.startswith(">")
        found.add(f"q:{10 * quoted // (text.source.count(chr(10)) + 1)}")
    shown = texts.shown
    found.update(["w:" + word[:MAX_WORD] for word in set(_WORD.findall(shown.lower())[:MAX_WORDS])])
    if not shown.isascii():
        found.update(_unspaced(shown))
    found.update(_looks(shown))
    return found


def _parts(texts: Texts, found: set[str]) -> None:
    for part in texts.parts:
        kind = f"{part.type}/{part.subtype}"
        found.add("p:" + kind)
        found.add(f"pe:{kind}/{part.encoding[:20]}")
        charset = parameter(part.params, "charset")
        if charset:
            found.add("cs:" + charset.lower()[:40])
        if part.disposition:
            found.add("pd:" + part.disposition[:20])
        name = file_name(part)
        if name:
            found.add("ext:" + name.lower().rpartition(".")[2][:10])


def _link(link: Link) -> Iterator[str]:
    name = link.host
    if link.user:
        yield "uat"
    yield "u:" + name
    if "." in name:
        owner = organisation(name)
        yield "ud:" + owner
        yield "ut:" + owner.rpartition(".")[2]
    if name.replace(".", "").isdigit():
        yield "uip"
    if link.port:
        yield "uport:" + link.port[:6]
    yield "us:" + shape(link.path)
    for word in _PATH_WORD.findall(link.path)[:6]:
        yield "up:" + word


def _unspaced(shown: str) -> Iterator[str]:
    """Pairs of letters, for scripts that put no space between words."""
    for run in _UNSPACED.findall(shown)[:MAX_WORDS]:
        for first, second in pairwise(run[:MAX_RUN]):
            yield f"w2:{first}{second}"


def _looks(shown: str) -> Iterator[str]:
    """How the text looks from afar."""
    sample = shown[:SAMPLE_CHARS]
    size, ascii_only = len(sample) or 1, sample.encode("ascii", "ignore")
    yield f"len:{len(shown).bit_length()}"
    yield f"up:{20 * _count(ascii_only, _CAPITALS) // size}"
    yield f"dig:{20 * _count(ascii_only, _FIGURES) // size}"
    yield f"nonasc:{10 * (len(sample) - len(ascii_only)) // size}"
    yield f"excl:{shown.count('!').bit_length()}"
    yield f"doll:{shown.count('$').bit_length()}"


def _count(octets: bytes, which: bytes) -> int:
    return len(octets) - len(octets.translate(None, which))
