"""Delivery status notifications: what a sender is told about delayed, failed, delivered mail (RFC 3464, RFC 6522).

``compose`` is a pure function of a ``DsnRequest``: date, Message-ID and boundary come from the caller. Three parts: plain
words for people, fields for programs, and the message or its header. Addresses outside ASCII take the forms of RFC 6533.
Whether a notice is due, and to whom, is the queue's business (RFC 3461).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from posthouse.formats import dates, tls_required
from posthouse.formats.mime.tree import index
from posthouse.model.address import Address

Action = Literal["failed", "delayed", "delivered", "relayed", "expanded"]

MAX_RETURNED_BYTES = 1 << 20

_STATUS = re.compile(r"[245]\d\d[ -](?:[245]\.\d{1,3}\.\d{1,3})(?= |\Z)")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]++")
_MAX_FIELD_OCTETS = 900
_FOLD_AT = 76

_SUBJECTS: dict[Action, str] = {
    "failed": "Your message could not be delivered",
    "delayed": "Your message is delayed",
    "delivered": "Your message was delivered",
    "relayed": "Your message was passed on",
    "expanded": "Your message was passed on to a list",
}
_WORDS: dict[Action, str] = {
    "failed": "Your message could NOT be delivered to the recipients below. It will not be tried again.",
    "delayed": "Your message has not been delivered to the recipients below yet. There is nothing for you to do:\n"
    "delivery is still being tried.",
    "delivered": "Your message was delivered to the recipients below.",
    "relayed": "Your message was passed on to a system that sends no notices of delivery, for the recipients below.",
    "expanded": "Your message was delivered to the lists below and passed on from there.",
}


@dataclass(frozen=True, slots=True)
class DsnRecipient:
    """One recipient's fate. ``status`` is an RFC 3463 code. ``original`` is ORCPT, ``type;address`` decoded, or "".

    ``written_to`` is the address the sender used, when an alias led elsewhere. ``reply`` is the last SMTP reply or reason,
    ``remote_mta`` who gave it. ``retry_until`` (seconds since 1970) is for ``delayed``.
    """

    final: Address
    action: Action
    status: str
    original: str = ""
    written_to: str = ""
    remote_mta: str = ""
    reply: str = ""
    retry_until: float | None = None


@dataclass(frozen=True, slots=True)
class DsnRequest:
    """All that a notice says. ``content`` is the message that it is about; it is returned whole if ``full`` (RET=FULL) and
    not larger than ``MAX_RETURNED_BYTES``, else its header. ``message_id`` has its brackets. Times in seconds since 1970;
    ``deliver_by`` is when the sender wanted it delivered by (RFC 2852 §5).
    """

    reporting_mta: str
    to: Address
    at: float
    message_id: str
    boundary: str
    arrived_at: float
    recipients: tuple[DsnRecipient, ...]
    content: bytes
    envid: str = ""
    full: bool = False
    deliver_by: float | None = None


def status_of(reply: str, otherwise: str = "5.0.0") -> str:
    """The RFC 3463 status of an SMTP reply line: its enhanced code, else its class; ``otherwise`` if it is no reply."""
    match = _STATUS.match(reply)
    if match and match[0][0] == match[0][4]:
        return match[0][4:]
    return f"{reply[0]}.0.0" if re.match(r"[245]\d\d(?:[ -]|\Z)", reply) else otherwise


def compose(request: DsnRequest) -> bytes:
    """The notice as a message with CRLF line ends, to be sent from the null reverse path. 8-bit only if the parts are."""
    subtype, returned = _returned(request)
    utf8 = not "".join((request.envid, str(request.to), *map(_texts, request.recipients))).isascii()
    boundary = request.boundary
    while boundary.encode() in returned:
        boundary += "="
    people = _people(request)
    machine = "\r\n".join(_message_fields(request) + [f for each in request.recipients for f in ["", *_recipient_fields(each)]])
    parts = [
        _part("text/plain; charset=utf-8", (people + "\r\n").encode()),
        _part(f"message/{'global-' if utf8 else ''}delivery-status", (machine + "\r\n").encode()),
        _part(subtype, returned),
    ]
    delimiter = f"--{boundary}\r\n".encode()
    head = _head(request, boundary, eight_bit=any(not part.isascii() for part in parts))
    return head + b"".join(delimiter + part + b"\r\n" for part in parts) + f"--{boundary}--\r\n".encode()


def _head(request: DsnRequest, boundary: str, *, eight_bit: bool) -> bytes:
    present = {each.action for each in request.recipients}
    subject = next((words for action, words in _SUBJECTS.items() if action in present), _SUBJECTS["failed"])
    lines = [
        f"Date: {dates.render(request.at)}",
        f"From: Mail Delivery System <MAILER-DAEMON@{request.reporting_mta}>",
        f"To: <{request.to}>",
        f"Subject: {subject}",
        f"Message-ID: {request.message_id}",
        "Auto-Submitted: auto-replied",
        "MIME-Version: 1.0",
        f'Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary="{boundary}"',
        *(["Content-Transfer-Encoding: 8bit"] if eight_bit else []),
        *([tls_required.FIELD.decode().strip()] if tls_required.says_no(request.content) else []),  # RFC 8689 §5
        "",
        "This is a delivery status notification in MIME format.",
        "",
    ]
    return ("\r\n".join(lines) + "\r\n").encode()


def _part(content_type: str, body: bytes) -> bytes:
    encoding = b"" if body.isascii() else b"Content-Transfer-Encoding: 8bit\r\n"
    return b"Content-Type: " + content_type.encode() + b"\r\n" + encoding + b"\r\n" + body


def _returned(request: DsnRequest) -> tuple[str, bytes]:
    """The third part's type and body: the whole message if that was asked for and can go through any mail system."""
    content = request.content
    root = index(content)
    header = content[: root.body_start]
    utf8 = not header.isascii()
    clean = b"\0" not in content and content.count(b"\n") == content.count(b"\r\n") == content.count(b"\r")
    if request.full and clean and len(content) <= MAX_RETURNED_BYTES:
        return ("message/global" if utf8 else "message/rfc822"), content
    lines = [line for line in header.replace(b"\0", b"").replace(b"\r", b"").split(b"\n") if line]
    return ("message/global-headers" if utf8 else "text/rfc822-headers"), b"".join(line[:998] + b"\r\n" for line in lines)


def _people(request: DsnRequest) -> str:
    lines = [f"This is the mail system at {request.reporting_mta}.", ""]
    for action, words in _WORDS.items():
        concerned = [each for each in request.recipients if each.action == action]
        if concerned:
            lines += [*words.split("\n"), ""]
        for each in concerned:
            lines += [*_about(each), ""]
    if any(each.action == "failed" for each in request.recipients):
        lines.append("If you need help, send these lines to the postmaster of your site.")
    return "\r\n".join(lines).rstrip("\r\n")


def _about(recipient: DsnRecipient) -> list[str]:
    final = str(recipient.final)
    lines = [f"    {recipient.written_to or final}"]
    if recipient.written_to and recipient.written_to != final:
        lines.append(f"        (that is, {final})")
    if recipient.reply:
        said = f"{_line(recipient.remote_mta)} said: " if recipient.remote_mta else ""
        lines.append(f"        {said}{_line(recipient.reply)}")
    if recipient.retry_until is not None:
        lines.append(f"        It will be tried until {dates.render(recipient.retry_until)}.")
    return lines


def _message_fields(request: DsnRequest) -> list[str]:
    """RFC 3464 §2.2."""
    return [
        f"Reporting-MTA: dns; {request.reporting_mta}",
        *([f"Original-Envelope-Id: {_line(request.envid)}"] if request.envid else []),
        f"Arrival-Date: {dates.render(request.arrived_at)}",
        *([f"Deliver-By-Date: {dates.render(request.deliver_by)}"] if request.deliver_by is not None else []),
    ]


def _recipient_fields(recipient: DsnRecipient) -> list[str]:
    """RFC 3464 §2.3, in its order."""
    kind, _, original = recipient.original.partition(";")
    final = str(recipient.final)
    fields = [f"Original-Recipient: {_line(kind)}; {_line(original)}"] if original else []
    fields.append(f"Final-Recipient: {'rfc822' if final.isascii() else 'utf-8'}; {_line(final)}")
    fields += [f"Action: {recipient.action}", f"Status: {recipient.status}"]
    if recipient.remote_mta:
        fields.append(f"Remote-MTA: dns; {_line(recipient.remote_mta)}")
    if recipient.reply:
        kind = "smtp" if re.match(r"[245]\d\d(?:[ -]|\Z)", recipient.reply) else "x-posthouse"
        fields.append(_folded(f"Diagnostic-Code: {kind}; {_line(recipient.reply)}"))
    if recipient.retry_until is not None:
        fields.append(f"Will-Retry-Until: {dates.render(recipient.retry_until)}")
    return fields


def _line(text: str) -> str:
    """A stranger's text as one bounded line."""
    return _CONTROL.sub(" ", text).encode("utf-8", "replace")[:_MAX_FIELD_OCTETS].decode("utf-8", "ignore").strip()


def _folded(field: str) -> str:
    lines, line = [], ""
    for word in field.split():
        if line and len(line) + 1 + len(word) > _FOLD_AT:
            lines.append(line)
            line = " " + word
        else:
            line = f"{line} {word}" if line else word
    return "\r\n".join([*lines, line])


def _texts(recipient: DsnRecipient) -> str:
    return f"{recipient.final}{recipient.original}{recipient.remote_mta}{recipient.reply}"
