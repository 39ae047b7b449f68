"""Recorded sessions as text: one JSON object a line, for rehearsal and for tests (PLN-3).

    {"at": "2026-11-24T10:30:00+00:00", "client": "192.0.2.9", "helo": "mx.elsewhere.test", "sender": "lena@elsewhere.test",
     "recipients": ["jane@example.com"], "message": "From: ...", "service": "smtp", "dns": {"mx elsewhere.test": ["10 mx"]}}

``message`` is the message's octets as text, each octet below 256 one character (latin-1), or ``content`` has them in base64.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from posthouse.base.errors import BadValue
from posthouse.model.rehearsal import RecordedSession

MAX_LINE_BYTES = 64 << 20
MAX_RECIPIENTS = 1_000
_TEXTS = ("service", "helo", "host", "account", "protocol", "trace_id", "source")


def render(session: RecordedSession) -> str:
    """One line, without its end."""
    shown: dict[str, Any] = {
        "at": datetime.fromtimestamp(session.at, UTC).isoformat(),
        "client": session.client,
        "sender": session.sender,
        "recipients": list(session.recipients),
    }
    shown |= {name: value for name in _TEXTS if (value := getattr(session, name))}
    if session.dns:
        shown["dns"] = {question: list(answers) for question, answers in session.dns}
    shown["content"] = base64.b64encode(session.content).decode()
    return json.dumps(shown, ensure_ascii=True)


def parse(lines: Iterable[bytes]) -> Iterator[RecordedSession]:
    """Raises BadValue naming the line."""
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                yield _session(line, number)
            except (ValueError, TypeError, KeyError, binascii.Error, RecursionError) as error:
                raise BadValue(f"line {number} is no recorded session: {str(error)[:200]}") from None


def _session(line: bytes, number: int) -> RecordedSession:
    if len(line) > MAX_LINE_BYTES:
        raise ValueError("it is too long")
    read = json.loads(line)
    if not isinstance(read, dict):
        raise ValueError("it is no object")
    given = {name: _text(read[name], name) for name in _TEXTS if name in read}
    given.setdefault("source", f"line {number}")
    recipients = read["recipients"]
    if not isinstance(recipients, list) or not 0 < len(recipients) <= MAX_RECIPIENTS:
        raise ValueError("recipients is no list of addresses")
    if "content" in read:
        content = base64.b64decode(_text(read["content"], "content"), validate=True)
    else:
        content = _text(read["message"], "message").encode("latin-1")
    return RecordedSession(
        at=_time(read["at"]),
        client=_text(read["client"], "client"),
        sender=_text(read["sender"], "sender"),
        recipients=tuple(_text(each, "recipients") for each in recipients),
        content=content,
        dns=_dns(read.get("dns", {})),
        **given,
    )


def _text(value: object, name: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{name} is no text")
    return value


def _time(value: object) -> float:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    moment = datetime.fromisoformat(_text(value, "at"))
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _dns(value: object) -> tuple[tuple[str, tuple[str, ...]], ...]:
    if not isinstance(value, dict):
        raise ValueError("dns is no object")
    return tuple((_text(name, "dns"), tuple(_text(each, "dns") for each in answers)) for name, answers in value.items())
