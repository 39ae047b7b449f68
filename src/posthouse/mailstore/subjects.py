"""The base subject: what SORT and THREAD compare, without ``Re:``, ``Fwd:`` and labels in brackets (RFC 5256 §2.1).

Texts come decoded. ``collated`` is i;unicode-casemap (RFC 5051), the order of both commands. Linear in the text's length.
"""

from __future__ import annotations

import re
import unicodedata

_REPLY = re.compile(r"(?:re|fwd?)\s*(?:\[[^\[\]]*+\]\s*)?:\s*", re.IGNORECASE)
_BLOB = re.compile(r"\[[^\[\]]*+\]\s*")
_SPACES = re.compile(r"\s+")
_TAIL_CHARS = 5


def base_subject(subject: str) -> tuple[str, bool]:
    """The base subject, and whether something said that the message is a reply or was forwarded."""
    text = _SPACES.sub(" ", subject).strip()
    replied = False
    while True:
        while text[-_TAIL_CHARS:].lower() == "(fwd)":
            text, replied = text[:-_TAIL_CHARS].rstrip(), True
        text, led = _without_leaders(text)
        replied = replied or led
        if not (text[:5].lower() == "[fwd:" and text.endswith("]")):
            return text, replied
        text, replied = text[5:-1].strip(), True


def _without_leaders(text: str) -> tuple[str, bool]:
    at, replied = 0, False
    while True:
        match = _REPLY.match(text, at)
        if match is not None:
            at, replied = match.end(), True
            continue
        match = _BLOB.match(text, at)
        if match is None or match.end() == len(text) or _is_forwarded(text, at):
            return text[at:], replied
        at = match.end()


def _is_forwarded(text: str, at: int) -> bool:
    """``[fwd: ...]`` around all of the rest is no label."""
    return text[at : at + 5].lower() == "[fwd:" and text.endswith("]") and text.find("]", at) == len(text) - 1


def collated(text: str) -> str:
    """``text`` such that comparing the results compares the texts by i;unicode-casemap."""
    if text.isascii():
        return text.upper()
    return unicodedata.normalize("NFKD", "".join(map(str.title, text)))
