"""The fields that this host puts in front of a message: Return-Path on final delivery, Received, and what stages tag it with.

Return-Path is the same for all recipients, so one body still serves them all (docs/adr/0003). Source: RFC 5321 §4.4.
"""

from __future__ import annotations

from posthouse.formats import headers, received
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
        )
    )
    out += [f"{name}: {headers.encode_header(value)}\r\n".encode() for name, value in transaction.tags]
    return b"".join(out)
