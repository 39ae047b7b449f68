"""The fields that this host puts in front of a message: Return-Path on final delivery, Received, and what stages tag it with.

Tags of stages that see the message itself come in front of all that (``put_late_tags``), once the last of them has spoken.

Return-Path is the same for all recipients, so one body still serves them all (docs/adr/0003). Source: RFC 5321 §4.4.
"""

from __future__ import annotations

import asyncio

from posthouse.formats import headers, received
from posthouse.formats.folding import fold
from posthouse.formats.mime.fronted import with_front
from posthouse.pipeline.transaction import Transaction

IN_THREAD_BYTES = 256 << 10


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
        )
    )
    out += [_tag_field(name, value) for name, value in transaction.tags]
    transaction.tags_written = len(transaction.tags)
    return b"".join(out)


async def put_late_tags(transaction: Transaction) -> None:
    """Puts the tags that are not written yet in front of the content, newest on top, and brings the summary along."""
    late = transaction.tags[transaction.tags_written :]
    if not late or transaction.summary is None:
        return
    front = b"".join(_tag_field(name, value) for name, value in reversed(late))
    if len(transaction.content) > IN_THREAD_BYTES:
        found = await asyncio.to_thread(with_front, transaction.content, transaction.summary, front)
    else:
        found = with_front(transaction.content, transaction.summary, front)
    transaction.content, transaction.summary = found
    transaction.tags_written = len(transaction.tags)


def _tag_field(name: str, value: str) -> bytes:
    text = headers.encode_header(value)
    return f"{name}: {text}\r\n".encode() if "\n" in text else fold(name, text)
