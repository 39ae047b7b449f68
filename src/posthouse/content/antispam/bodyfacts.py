"""Facts about a body: how it hides what it says, where its links lead, in which letters it is written. See ``facts``."""

from __future__ import annotations

import re
import string
from collections.abc import Iterator, Mapping

from posthouse.content.antispam.automaton import Named
from posthouse.content.antispam.texts import Texts
from posthouse.formats.text.message import file_name

BODY_FACTS: Mapping[str, str] = {
    "html_only": "HTML without a plain text beside it",
    "base64_text": "plain ASCII text in base64",
    "image_mostly": "images and hardly a word",
    "hidden_text": "text that is made invisible", "tiny_text": "text too small to be read",
    "broken_words": "tags or comments inside of words",
    "invisible_letters": "letters without a width inside of words",
    "mixed_letters": "words of Latin and other letters that look alike",
    "odd_letters": "figures and signs inside of words", "spaced_letters": "words with a gap behind every letter",
    "link": "a link", "link_address": "a link to a bare address", "link_user": "a link with a name in front of the host",
    "link_port": "a link to an unusual port", "link_disguised": "a link that shows one host and leads to another",
    "link_short": "a link by way of a shortener", "many_links": "more than 20 links",
    "script": "a script", "form": "a form", "frame": "a frame or an object",
    "short": "less than 200 characters of text", "empty": "no text at all", "long": "more than 10,000 characters of text",
    "shouting": "mostly capital letters", "quoted": "quotes another message", "signed": "signed with PGP or S/MIME",
    "attachment": "an attachment", "program": "an attachment that is a program",
    "beyond_ascii": "text outside ASCII", "cyrillic": "text in Cyrillic letters", "cjk": "text in Chinese, Japanese or Korean",
    "greek": "text in Greek letters", "hebrew": "text in Hebrew letters", "arabic": "text in Arabic letters",
    "thai": "text in Thai letters",
}  # fmt: skip

PROGRAMS = frozenset((
    "exe", "scr", "pif", "com", "bat", "cmd", "vbs", "vbe", "js", "jse", "wsf", "wsh", "hta", "cpl", "msi", "ps1", "lnk", "jar",
    "iso", "img",
))  # fmt: skip
LOOKED_AT = 16_000

_CAPITALS, _SMALL = string.ascii_uppercase.encode(), string.ascii_lowercase.encode()

_ANCHOR = re.compile(r"<a\s[^<>]{0,200}?href\s*=\s*[\"']?https?://([^\s\"'<>/?#]{1,100})[^<>]{0,300}>([^<]{4,100})<")
_SHOWN_HOST = re.compile(r"\s*(?:https?://)?((?:[a-z0-9\-]{1,60}\.){1,6}[a-z]{2,18})(?=[/\s:]|$)")
_ADDRESS = re.compile(r"(?:\d{1,10}|0x[0-9a-f]+)(?:\.\d{1,3}){0,3}")
_IN_SOURCE = Named({
    "hidden_text": r"""display\s*:\s*none|visibility\s*:\s*hidden|font-size\s*:\s*0(?:px|pt|;|")""",
    "tiny_text": r"""font-size\s*:\s*[1-4](?:px|pt)\b|<font[^<>]{0,80}\ssize\s*=\s*["']?-[3-9]""",
    "broken_words": r"[a-z]<(?:!--[^<>]{0,60}--|[a-z]{6,20}[^<>\s]{0,20})>[a-z]",
    "script": "<script", "form": "<form", "frame": "<(?:iframe|object|embed)", "an image": "<img",
})  # fmt: skip
_IN_SHOWN = Named({
    "odd_letters": r"\b[a-z]{1,8}[0134578@$!|]{1,2}[a-z]{2,8}\b",
    "spaced_letters": r"\b(?:[a-z][ .\-_*]){5,20}[a-z]\b",
    "quoted": r"(?m)^>",
    "signed": "-----BEGIN PGP SIGNED",
})  # fmt: skip
_INVISIBLE = re.compile(r"\w[\u00ad\u200b-\u200d\u2060\ufeff]+\w")
_MIXED = re.compile(r"[A-Za-z][\u0400-\u04ff\u0370-\u03ff]|[\u0400-\u04ff\u0370-\u03ff][A-Za-z]")
_LETTERS = (
    ("cyrillic", re.compile(r"[\u0400-\u052f]")),
    ("cjk", re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")),
    ("greek", re.compile(r"[\u0370-\u03ff]")),
    ("hebrew", re.compile(r"[\u0590-\u05ff]")),
    ("arabic", re.compile(r"[\u0600-\u06ff]")),
    ("thai", re.compile(r"[\u0e00-\u0e7f]")),
)


def body_facts(texts: Texts, lists: Mapping[str, frozenset[str]]) -> Iterator[str]:
    """The names of the facts of ``BODY_FACTS`` that hold."""
    yield from _parts(texts)
    shown = texts.shown[:LOOKED_AT]
    size = len(shown.strip())
    if size == 0:
        yield "empty"
    elif size < 200:
        yield "short"
    elif size > 10_000:
        yield "long"
    yield from _words(shown)
    yield from _links(texts, lists)
    if any(text.html for text in texts.texts):
        source = "\n".join([text.source for text in texts.texts if text.html])
        found = _IN_SOURCE.found_in(source[:LOOKED_AT].encode("utf-8", "replace"))
        yield from found - {"an image"}
        if size < 60 and "an image" in found:
            yield "image_mostly"


def _parts(texts: Texts) -> Iterator[str]:
    if texts.texts and all(text.html for text in texts.texts):
        yield "html_only"
    if any(text.part.encoding == "base64" and text.source.isascii() for text in texts.texts):
        yield "base64_text"
    for part in texts.parts:
        if part.type == "multipart" and part.subtype == "signed":
            yield "signed"
        name = file_name(part).lower()
        if name or part.disposition == "attachment":
            yield "attachment"
            if name.rpartition(".")[2] in PROGRAMS:
                yield "program"


def _words(shown: str) -> Iterator[str]:
    yield from _IN_SHOWN.found_in(shown.encode("utf-8", "replace"))
    sample = shown[:5_000]
    plain = sample.encode("ascii", "ignore")
    capitals = len(plain) - len(plain.translate(None, _CAPITALS))
    letters = capitals + len(plain) - len(plain.translate(None, _SMALL)) + len(sample) - len(plain)
    if letters > 100 and capitals * 10 > letters * 6:
        yield "shouting"
    if len(plain) < len(sample):
        yield "beyond_ascii"
        if _INVISIBLE.search(shown):
            yield "invisible_letters"
        if _MIXED.search(shown):
            yield "mixed_letters"
        for name, pattern in _LETTERS:
            if len(pattern.findall(sample)) * 10 > letters:
                yield name


def link_hosts(texts: Texts) -> list[str]:
    """The hosts that links lead to, each once, in order."""
    return list(dict.fromkeys([link.host for link in texts.links]))


def _links(texts: Texts, lists: Mapping[str, frozenset[str]]) -> Iterator[str]:
    if not texts.links:
        return
    yield "link"
    if len(texts.links) > 20:
        yield "many_links"
    short = lists.get("shorteners", frozenset())
    for link in set(texts.links):
        if link.user:
            yield "link_user"
        if link.port and link.port not in ("80", "443"):
            yield "link_port"
        if _ADDRESS.fullmatch(link.host):
            yield "link_address"
        if link.host.removeprefix("www.") in short:
            yield "link_short"
    for text in texts.texts:
        if text.html and any(_differs(*found) for found in _ANCHOR.findall(text.lower[:LOOKED_AT])):
            yield "link_disguised"


def _differs(leads_to: str, shows: str) -> bool:
    match = _SHOWN_HOST.match(shows)
    if match is None:
        return False
    shown, real = match[1].split("."), leads_to.rpartition("@")[2].partition(":")[0].split(".")
    return shown[-2:] != real[-2:]
