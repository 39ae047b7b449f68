"""How held messages are packed for the gate and for the table ``held``, and read back (``held_schema.py``)."""

from __future__ import annotations

from dataclasses import astuple
from typing import Any

import msgspec

from posthouse.backends.sqlite.parcels import pack_recipient, pack_sender, unpack_recipient, unpack_sender
from posthouse.model.held import HeldMessage
from posthouse.model.plan import Acceptance, Origin, ToMailbox, ToQuarantine, ToQueue

MAX_TEXT = 500
COLUMNS = (
    "held_id, trace_id, kind, name, account_id, account, recipient, onward, sender, origin, stage, rule, why, body_id,"
    " size_bytes, received_at, held_at, release_at, author, subject"
)
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder().decode


def held_values(acceptance: Acceptance, destination: ToQuarantine) -> list[Any]:
    """What the unit ``accept`` inserts beside the ids, the content and the times: in the order of ``INSERT``."""
    onward = destination.onward
    local = onward if isinstance(onward, ToMailbox) else None
    return [
        destination.kind,
        destination.name,
        str(destination.recipient.address).lower(),
        local.account_id if local else 0,
        local.account.lower() if local else "",
        pack_recipient(destination.recipient),
        _pack_onward(onward),
        pack_sender(acceptance.sender),
        _encode(astuple(acceptance.origin)),
        destination.stage,
        destination.rule,
        destination.why[:MAX_TEXT],
        destination.release_at,
        ", ".join(acceptance.summary.from_addresses)[:MAX_TEXT],
        acceptance.summary.subject[:MAX_TEXT],
        str(acceptance.sender)[:MAX_TEXT],
    ]


INSERT = (
    "INSERT INTO held (kind, name, address, account_id, account, recipient, onward, sender, origin, stage, rule, why,"
    " release_at, author, subject, sender_text, trace_id, body_id, size_bytes, received_at, held_at)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)


def held_message(row: tuple[Any, ...]) -> HeldMessage:
    """Of a row of ``COLUMNS``."""
    (
        held_id, trace_id, kind, name, account_id, account, recipient, onward, sender, origin, stage, rule, why, body_id,
        size_bytes, received_at, held_at, release_at, author, subject,
    ) = row  # fmt: skip
    return HeldMessage(
        held_id=held_id,
        trace_id=trace_id,
        kind=kind,
        name=name,
        recipient=unpack_recipient(recipient),
        account_id=account_id,
        account=account,
        onward=_unpack_onward(onward),
        sender=unpack_sender(sender),
        origin=Origin(*_decode(origin)),
        stage=stage,
        rule=rule,
        why=why,
        body_id=body_id,
        size_bytes=size_bytes,
        received_at=received_at,
        held_at=held_at,
        release_at=release_at,
        author=author,
        subject=subject,
    )


def _pack_onward(onward: ToMailbox | ToQueue | None) -> bytes:
    if isinstance(onward, ToMailbox):
        fields = (onward.account_id, onward.mailbox, onward.flags, onward.account, onward.domain_id)
        return _encode(("mailbox", pack_recipient(onward.recipient), *fields))
    if isinstance(onward, ToQueue):
        return _encode(("queue", pack_recipient(onward.recipient), onward.next_hop, onward.original))
    return _encode(None)


def _unpack_onward(packed: bytes) -> ToMailbox | ToQueue | None:
    found = _decode(packed)
    if found is None:
        return None
    kind, recipient, *fields = found
    if kind == "mailbox":
        account_id, mailbox, flags, account, domain_id = fields
        return ToMailbox(unpack_recipient(recipient), account_id, mailbox, tuple(flags), account, domain_id)
    return ToQueue(unpack_recipient(recipient), *fields)
