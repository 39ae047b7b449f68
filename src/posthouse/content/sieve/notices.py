"""Messages that actions make: answers (RFC 5230 §5), notifications by mail (RFC 5436), excerpts.

Each is complete, with CRLF line ends, in UTF-8; Date and Message-ID come from whoever sends it. All of them bear
Auto-Submitted, so that no other machine answers, and go out with the null sender or as their RFC says.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

from posthouse.content.sieve.actions import Excerpt, Notify, Vacation
from posthouse.content.sieve.facts import Facts
from posthouse.formats import dates, headers
from posthouse.model.address import Address

_LINE_END = re.compile(r"\r\n|\r|\n")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")
_MAILTO_FIELDS = ("subject", "body", "cc", "to", "bcc")
MAX_RECIPIENTS = 10


def is_valid_method(uri: str) -> bool:
    """A ``mailto:`` URI with at least one good address (RFC 5436 §2.1)."""
    return bool(mailto_recipients(uri))


def mailto_recipients(uri: str) -> list[str]:
    """The addresses of a ``mailto:`` URI (RFC 6068); empty if one of them is none, or it is another URI."""
    scheme, _, rest = uri.partition(":")
    if scheme.strip().lower() != "mailto" or len(uri) > 2_000:
        return []
    path, _, query = rest.partition("?")
    words = path.split(",") if path else []
    words += [word for name, value in _query(query) if name in ("to", "cc", "bcc") for word in value.split(",")]
    found = []
    for word in words:
        try:
            found.append(str(Address.parse(unquote(word).strip())))
        except ValueError:
            return []
    return found if len(found) <= MAX_RECIPIENTS else []


def _query(query: str) -> list[tuple[str, str]]:
    pairs = [piece.partition("=") for piece in query.split("&") if piece]
    return [(name.lower(), value) for name, _, value in pairs if name.lower() in _MAILTO_FIELDS]


def vacation_message(action: Vacation, facts: Facts, message_id: str) -> bytes:
    """The answer (RFC 5230 §5): to the sender, in the thread, ``Auto: `` before the subject unless the script gave one."""
    view = facts.message
    subject = action.subject or f"Auto: {_first(view.fields('subject')) or 'your message'}"
    answered = _first(view.fields("message-id"))
    references = " ".join((*view.fields("references"), *([answered] if answered else [])))
    fields = [
        ("From", _one_line(action.sender or facts.recipient or facts.owner)),
        ("To", action.to),
        ("Subject", headers.encode_header(_one_line(subject))),
        ("Date", dates.render(facts.now)),
        ("Message-ID", message_id),
        ("Auto-Submitted", "auto-replied (vacation)"),
        ("Precedence", "bulk"),
    ]
    if answered:
        fields += [("In-Reply-To", answered), ("References", _folded(references))]
    return _message(fields, action.reason, mime=action.mime)


def notify_message(action: Notify, facts: Facts, message_id: str) -> bytes:
    """A notification by mail (RFC 5436 §2.7). Send it to ``mailto_recipients(action.method)``."""
    query = dict(_query(action.method.partition("?")[2]))
    subject = unquote(query.get("subject", "")) or action.message or f"New mail: {_first(facts.message.fields('subject'))}"
    body = unquote(query.get("body", "")) or action.message or _summary(facts)
    fields = [
        ("From", _one_line(action.sender or facts.owner or facts.recipient)),
        ("To", ", ".join(mailto_recipients(action.method))),
        ("Subject", headers.encode_header(_one_line(subject)[:200])),
        ("Date", dates.render(facts.now)),
        ("Message-ID", message_id),
        ("Auto-Submitted", f"auto-notified; owner-email={facts.owner or facts.recipient}"),
        ("X-Priority", {"1": "1 (High)", "2": "3 (Normal)", "3": "5 (Low)"}[action.importance]),
    ]
    return _message(fields, body)


def excerpt_message(action: Excerpt, facts: Facts, message_id: str) -> bytes:
    """A short message with sender, subject and the beginning of the text (CON-2)."""
    fields = [
        ("From", facts.owner or facts.recipient or facts.sender),
        ("To", action.address),
        ("Subject", headers.encode_header(_one_line(_first(facts.message.fields("subject")))[:100])),
        ("Date", dates.render(facts.now)),
        ("Message-ID", message_id),
        ("Auto-Submitted", "auto-generated"),
    ]
    return _message(fields, _summary(facts)[: action.max_chars])


def _summary(facts: Facts) -> str:
    view = facts.message
    text = " ".join(view.plain_text.text[:4_000].split())
    return f"{_first(view.fields('from'))}: {_first(view.fields('subject'))}\r\n{text}"


def _first(found: tuple[str, ...]) -> str:
    return found[0] if found else ""


def _one_line(text: str) -> str:
    return _CONTROL.sub(" ", text).strip()


def _folded(value: str) -> str:
    return "\r\n ".join(_one_line(value).split())


def _message(fields: list[tuple[str, str]], body: str, *, mime: bool = False) -> bytes:
    head = "".join(f"{name}: {value if chr(10) in value else _one_line(value)}\r\n" for name, value in fields)
    text = "\r\n".join(_LINE_END.split(body))
    head += "MIME-Version: 1.0\r\n"
    if not mime:
        head += "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    return (head + text + ("" if text.endswith("\r\n") else "\r\n")).encode("utf-8", "replace")
