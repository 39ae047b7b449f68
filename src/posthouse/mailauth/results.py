"""The field Authentication-Results (RFC 8601): writing ours, reading others', finding forged ones that bear our name.

Everything from strangers is made safe here: a value that is no token becomes a quoted string in printable ASCII, comments
lose what could end them, all of it is cut. Values are one line, with spaces where they may be folded.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from posthouse.formats.headers import unfold
from posthouse.mailauth.message import Message
from posthouse.model.mail_authentication import AuthReport, BimiResult, DkimResult, DmarcResult, SpfResult
from posthouse.model.summary import HeaderField

FIELD = "Authentication-Results"
MAX_VALUE = 256
MAX_COMMENT = 200
MAX_READ = 4096
MAX_ID = 1024

_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+\-.^_`{|}~]+")
_PLAIN_ADDRESS = re.compile(r"[A-Za-z0-9!#$%&'*+\-/^_`{|}~.]+@[A-Za-z0-9\-._]+|@[A-Za-z0-9\-._]+")
_FOREIGN = re.compile(r"[^\x20-\x7e]")
_UNSAFE_IN_COMMENT = re.compile(r"[()\\]|[^\x20-\x7e]")
_RESULT = re.compile(r"([A-Za-z][A-Za-z0-9\-]*)(?:/\d+)?=([A-Za-z]+)")
_PROPERTY = re.compile(r'(?<![A-Za-z])([A-Za-z]++\.[A-Za-z][A-Za-z0-9\-]*+)=("(?:[^"\\]|\\.)*+"|[^\s;]++)')
_SPACED = re.compile(r" ?([=.;/]) ?")
_QUOTED = r'"(?:[^"\\]|\\.)*+(?:"|\Z)'
_PIECE = re.compile(rf'(?:{_QUOTED}|[^;"])++')
_QUOTED_OR_NOT = re.compile(rf"({_QUOTED})")


@dataclass(frozen=True, slots=True)
class Entry:
    """One method's result as another host wrote it; ``properties`` are pairs such as ``("header.d", "example.org")``."""

    method: str
    result: str
    properties: tuple[tuple[str, str], ...]


def compose(authserv_id: str, report: AuthReport) -> str:
    """The value of our field, ``authserv_id`` first."""
    parts = [entry for entry in (_spf(report.helo), _spf(report.spf)) if entry]
    parts += [_dkim(entry) for entry in report.dkim] or ["dkim=none"]
    if report.arc.result != "none":
        parts.append(f"arc={_arc_word(report)}{_comment(report.arc.detail)}")
    if report.dmarc is not None:
        parts.append(_dmarc(report.dmarc))
    if report.bimi is not None and report.bimi.result not in ("none", "skipped"):
        parts.append(_bimi(report.bimi))
    return "; ".join([token_or_quoted(authserv_id), *(parts or ["none"])])


def entry(found: DmarcResult | DkimResult) -> str:
    """One method's result as it stands in the field."""
    return _dmarc(found) if isinstance(found, DmarcResult) else _dkim(found)


def _arc_word(report: AuthReport) -> str:
    """RFC 8617 §10.1 knows none, pass, fail; a chain that could not be checked is none of ours to vouch for."""
    return report.arc.result if report.arc.result in ("pass", "fail") else "none"


def _spf(found: SpfResult | None) -> str:
    if found is None:
        return ""
    value = found.sender if found.identity == "mailfrom" else found.domain
    return f"spf={found.result}{_comment(found.detail)} smtp.{found.identity}={_value(value)}"


def _dkim(found: DkimResult) -> str:
    text = f"dkim={found.result}{_comment(found.detail)}"
    properties = (
        ("header.d", found.domain),
        ("header.i", found.identity),
        ("header.s", found.selector),
        ("header.a", found.algorithm),
        ("header.b", found.signature),
    )
    return text + "".join(f" {name}={_value(value)}" for name, value in properties if value)


def _dmarc(found: DmarcResult) -> str:
    policy = f"p={found.policy}; " if found.policy_domain else ""
    text = f"dmarc={found.result}{_comment(policy + found.detail)}"
    return text + (f" header.from={_value(found.domain)}" if found.domain else "")


def _bimi(found: BimiResult) -> str:
    text = (
        f"bimi={found.result}{_comment(found.detail)} header.d={_value(found.domain)} header.selector={_value(found.selector)}"
    )
    if found.result != "pass":
        return text
    evidence = f" policy.authority-uri={_value(found.authority)}" if found.authority else ""
    return f"{text} policy.authority=none{evidence}"


def _comment(text: str) -> str:
    return f" ({_UNSAFE_IN_COMMENT.sub('_', text[:MAX_COMMENT]).replace('=?', '=_')})" if text else ""


def _value(text: str) -> str:
    """A pvalue (RFC 8601 §2.2)."""
    if len(text) <= MAX_VALUE and _PLAIN_ADDRESS.fullmatch(text):
        return text
    return token_or_quoted(text)


def token_or_quoted(text: str) -> str:
    """A token as it is, everything else as a quoted string."""
    text = text[:MAX_VALUE]
    if _TOKEN.fullmatch(text):
        return text
    quoted = _FOREIGN.sub("?", text).replace("\\", "\\\\").replace('"', '\\"').replace("=?", "=\\?")
    return f'"{quoted}"'


def forged(message: Message, authserv_ids: Iterable[str]) -> list[HeaderField]:
    """The Authentication-Results fields that claim to be ours; they must go (RFC 8601 §5).

    What cannot be read counts as forged: a reader further on may be more lenient than we are.
    """
    ours = {name.lower() for name in authserv_ids}
    found = message.named(FIELD.lower())
    return [field for field in found if claimed_id(unfold(message.value(field))) in (*ours, "")]


def claimed_id(value: str) -> str:
    """The authserv-id of a field's value, in lower case; "" if it cannot be read."""
    text = value[:MAX_ID].lstrip()
    if text.startswith("("):
        text = without_comments(text).lstrip()
    if text.startswith('"'):
        match = re.match(r'"((?:[^"\\]|\\.)*+)"', text)
        return re.sub(r"\\(.)", r"\1", match[1]).strip().lower() if match else ""
    return re.split(r"[\s;(]", text, maxsplit=1)[0].lower()


def parse(value: str) -> tuple[str, tuple[Entry, ...]]:
    """The authserv-id and the results of a field's value. Lenient; never raises; what it cannot read it leaves out."""
    text = without_comments(value[:MAX_READ])
    entries = []
    for piece in _pieces(text)[1:]:
        match = _RESULT.match(_tightened(piece))
        if match is None:
            continue
        properties = tuple((name.lower(), _unquoted(text)) for name, text in _PROPERTY.findall(_tightened(piece)))
        entries.append(Entry(match[1].lower(), match[2].lower(), properties))
    return claimed_id(value), tuple(entries)


def without_comments(text: str) -> str:
    """``text`` with its comments, nested ones too, replaced by a space (RFC 5322 §3.2.2). An open end is cut off."""
    if "(" not in text:
        return text
    out: list[str] = []
    depth, quoted, position = 0, False, 0
    while position < len(text):
        char = text[position]
        if char == "\\":
            if not depth:
                out.append(text[position : position + 2])
            position += 2
            continue
        if char == '"' and not depth:
            quoted = not quoted
        if char == "(" and not quoted:
            depth += 1
        elif char == ")" and depth:
            depth -= 1
            char = " "
        if not depth:
            out.append(char)
        position += 1
    return "".join(out)


def _pieces(text: str) -> Sequence[str]:
    """The parts between semicolons that are not quoted."""
    return _PIECE.findall(text)


def _tightened(piece: str) -> str:
    """With single spaces, none around ``=``, ``.`` and ``/``; quoted strings as they are."""
    parts = _QUOTED_OR_NOT.split(piece.strip())
    return "".join(text if number % 2 else _SPACED.sub(r"\1", re.sub(r"\s++", " ", text)) for number, text in enumerate(parts))


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1]) if text.startswith('"') else text
