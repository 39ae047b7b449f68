"""Facts about a body: how it hides what it says, where its links lead, in which letters it is written. See ``facts``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

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
MAX_LINKS = 200
LOOKED_AT = 20_000

LINK = re.compile(r"(?:https?|ftp)://([^\s\"'<>()/\\?#]{1,100})", re.I)
_ANCHOR = re.compile(r"<a\s[^<>]{0,200}?href\s*=\s*[\"']?https?://([^\s\"'<>/?#]{1,100})[^<>]{0,300}>([^<]{4,100})<", re.I)
_SHOWN_HOST = re.compile(r"\s*(?:https?://)?((?:[a-z0-9\-]{1,60}\.){1,6}[a-z]{2,18})(?=[/\s:]|$)", re.I)
_ADDRESS = re.compile(r"(?:\d{1,10}|0x[0-9a-f]+)(?:\.\d{1,3}){0,3}")
_HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden|font-size\s*:\s*0(?:px|pt|;|\")", re.I)
_TINY = re.compile(r"font-size\s*:\s*[1-4](?:px|pt)\b|<font[^>]{0,80}\ssize\s*=\s*[\"']?-[3-9]", re.I)
_BROKEN = re.compile(r"\w<(?:!--[^<>]{0,60}--|[a-z]{6,20}[^<>\s]{0,20})>\w", re.I)
_ODD = re.compile(r"\b(?=[a-z]*[0134578@$!|])[a-z]{1,8}[0134578@$!|]{1,2}[a-z]{2,8}\b", re.I)
_SPACED = re.compile(r"\b(?:[A-Za-z][ .\-_*]){5,}[A-Za-z]\b")
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
    html = [text for text in texts.texts if text.html]
    if html:
        yield from _markup("\n".join([text.source for text in html])[:LOOKED_AT])
        if any("<img" in text.source[:LOOKED_AT].lower() for text in html) and size < 60:
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
    letters = sum(map(str.isalpha, shown[:5_000]))
    if letters > 100 and sum(map(str.isupper, shown[:5_000])) * 10 > letters * 6:
        yield "shouting"
    if shown.startswith(">") or "\n>" in shown:
        yield "quoted"
    if "-----BEGIN PGP SIGNED" in shown:
        yield "signed"
    if _ODD.search(shown):
        yield "odd_letters"
    if _SPACED.search(shown):
        yield "spaced_letters"
    if not shown.isascii():
        yield "beyond_ascii"
        if _INVISIBLE.search(shown):
            yield "invisible_letters"
        if _MIXED.search(shown):
            yield "mixed_letters"
        for name, pattern in _LETTERS:
            if len(pattern.findall(shown)) * 10 > letters:
                yield name


def link_hosts(texts: Texts) -> list[str]:
    """The hosts that links lead to, in lower case, without names and ports; each once, in order."""
    return list(dict.fromkeys([host.rpartition("@")[2].partition(":")[0] for host in _authorities(texts)]))


def _authorities(texts: Texts) -> list[str]:
    found: list[str] = []
    for text in texts.texts:
        if "://" in text.source:
            found += LINK.findall(text.source)[: MAX_LINKS - len(found)]
    return [authority.lower() for authority in found]


def _links(texts: Texts, lists: Mapping[str, frozenset[str]]) -> Iterator[str]:
    authorities = _authorities(texts)
    if not authorities:
        return
    yield "link"
    if len(authorities) > 20:
        yield "many_links"
    short = lists.get("shorteners", frozenset())
    for authority in set(authorities):
        user, _, host = authority.rpartition("@")
        name, _, port = host.partition(":")
        if user:
            yield "link_user"
        if port and port not in ("80", "443"):
            yield "link_port"
        if _ADDRESS.fullmatch(name):
            yield "link_address"
        if name.removeprefix("www.") in short:
            yield "link_short"
    yield from _disguised(texts)


def _disguised(texts: Texts) -> Iterator[str]:
    for text in texts.texts:
        if text.html and any(_differs(*found) for found in _ANCHOR.findall(text.source[:LOOKED_AT])[:MAX_LINKS]):
            yield "link_disguised"


def _differs(leads_to: str, shows: str) -> bool:
    match = _SHOWN_HOST.match(shows)
    if match is None:
        return False
    shown, real = match[1].lower().split("."), leads_to.lower().rpartition("@")[2].partition(":")[0].split(".")
    return shown[-2:] != real[-2:]


def _markup(source: str) -> Iterator[str]:
    lower = source.lower()
    if _HIDDEN.search(source):
        yield "hidden_text"
    if _TINY.search(source):
        yield "tiny_text"
    if _BROKEN.search(source):
        yield "broken_words"
    if "<script" in lower:
        yield "script"
    if "<form" in lower:
        yield "form"
    if "<iframe" in lower or "<object" in lower or "<embed" in lower:
        yield "frame"
