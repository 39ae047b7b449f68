"""HTML as it reads on the screen: tags, comments, scripts and styles gone, entities decoded; for searching only.

Never to be shown as HTML again. Linear in the size of the input; nothing of it raises.
"""

from __future__ import annotations

import html
import re

# Tags that do not end a word: "inter<b>nation</b>al" reads as one.
_INLINE = re.compile(
    r"</?(?:a|abbr|b|bdi|bdo|big|code|del|em|font|i|ins|kbd|mark|o:p|q|s|small|span|strike|strong|sub|sup|tt|u|var|wbr)"
    r"(?:[\s/][^<>]*+)?>",
    re.I,
)
_TAG = re.compile(r"<[!/?A-Za-z][^<>]*+>?")
_INVISIBLE = dict.fromkeys(map(ord, "\u00ad\u034f\u200b\u200c\u200d\u200e\u200f\u2060\ufeff"))
_HIDDEN = (("<!--", "-->"), ("<style", "</style"), ("<script", "</script"))


def visible_text(source: str) -> str:
    """The text that a reader sees, white space as single spaces."""
    for opening, closing in _HIDDEN:
        source = _without(source, opening, closing)
    text = _TAG.sub(" ", _INLINE.sub("", source))
    if "&" in text:
        text = html.unescape(text)
    if not text.isascii():
        text = text.translate(_INVISIBLE)
    return " ".join(text.split())


def _without(source: str, opening: str, closing: str) -> str:
    lower = source.lower()
    if len(lower) != len(source):  # A letter whose lower case is longer: look for what is written so.
        lower = source
    start = lower.find(opening)
    if start < 0:
        return source
    kept, position = [], 0
    while start >= 0:
        kept.append(source[position:start])
        end = lower.find(closing, start + len(opening))
        position = len(source) if end < 0 else end + (len(closing) if closing == "-->" else 0)
        start = lower.find(opening, position)
    kept.append(source[position:])
    return " ".join(kept)
