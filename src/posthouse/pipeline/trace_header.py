"""The fields that this host puts in front of a message: Return-Path on final delivery, Received, and what stages tag it with.

Tags of stages that see the message itself come above Received (``put_late_tags``), once the last of them has spoken.

Return-Path is the same for all recipients, so one body still serves them all (docs/adr/0003). Source: RFC 5321 §4.4.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from posthouse.formats import headers, received
from posthouse.formats.folding import fold
from posthouse.formats.mime.fronted import with_fields
from posthouse.pipeline.copies import Form, off_loop
from posthouse.pipeline.transaction import Transaction


def trace_header(transaction: Transaction, *, hostname: str, at: float, return_path: bool) -> bytes:
    """The octets to put in front of the content, each field with its CRLF."""
    out = []
    if return_path:
        out.append(f"Return-Path: <{transaction.sender}>\r\n".encode("utf-8", "replace"))
    out.append(
        received.render(
            transaction.session,
            by=hostname,
            trace_id=transaction.trace_id,
            recipients=transaction.recipients,
            at=at,
            smtputf8=transaction.sender.smtputf8,
            priority=transaction.sender.priority,
        )
    )
    out += [_tag_field(name, value) for name, value in transaction.tags]
    transaction.first.tags_written = len(transaction.tags)
    return b"".join(out)


async def put_late_tags(transaction: Transaction) -> None:
    """Puts the tags that are not written yet on top of each form, the newest first, under Return-Path alone."""
    for form in transaction.forms:
        late = transaction.tags[form.tags_written :]
        if late and form.is_indexed:
            await put_on_top(form, late)
            form.tags_written = len(transaction.tags)


async def put_on_top(form: Form, tags: Sequence[tuple[str, str]]) -> None:
    """Puts fields on one form, the last of them on top; the summary comes along."""
    new = b"".join(_tag_field(name, value) for name, value in reversed(tags))
    after = int(form.content.startswith(b"Return-Path:"))
    form.put_header(*await off_loop(len(form.content), partial(with_fields, form.content, form.summary, new, after)))


def _tag_field(name: str, value: str) -> bytes:
    text = headers.encode_header(value)
    return f"{name}: {text}\r\n".encode() if "\n" in text else fold(name, text)
