"""How contents, senders and recipients are packed for the gate and for the queue's tables: short msgpack arrays.

The writing thread never unpacks senders and recipients; it stores the octets, and readers unpack them.
"""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from posthouse.model.address import Address
from posthouse.model.envelope import DeliverBy, Recipient, Sender
from posthouse.model.listed_fields import listed_header
from posthouse.model.summary import Summary

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder().decode
NAMED_FIELDS = 2
IN_FILE_BYTES = 128 << 10  # from here on a content stands in a file: see docs/adr


def parcel(content: bytes, summary: Summary, coding: int, octets: bytes | None) -> list[Any]:
    """A content for ``units_bodies.keep_body``, encoded as ``coding.py`` says; octets None: it is in its file by then."""
    ready_made = (summary.envelope, summary.body, summary.bodystructure, summary.preview)
    return [summary.digest, summary.size_bytes, octets, listed_header(content, summary), *ready_made, coding]


def named(content: bytes) -> list[Any]:
    """The same for a content that is kept already: what names it."""
    return [hashlib.sha256(content).digest(), len(content)]


def pack_sender(sender: Sender) -> bytes:
    """See ``unpack_sender``."""
    address = (sender.address.local, sender.address.domain) if sender.address else None
    flags = (sender.size_bytes, sender.body, sender.smtputf8, sender.require_tls)
    fields = (address, *flags, sender.ret, sender.envid, sender.auth)
    if not (sender.hold_until or sender.by or sender.priority or sender.doubtful):
        return _encode(fields)
    by = (sender.by.by_s, sender.by.returns, sender.by.trace) if sender.by else None
    return _encode((*fields, sender.hold_until, by, sender.priority, sender.doubtful))


def unpack_sender(packed: bytes) -> Sender:
    """The sender that ``pack_sender`` packed."""
    address, size_bytes, body, smtputf8, require_tls, ret, envid, auth, *wishes = _decode(packed)
    hold_until, by, priority, doubtful = wishes or (0.0, None, 0, False)
    return Sender(
        address=Address(*address) if address else None,
        size_bytes=size_bytes,
        body=body,
        smtputf8=smtputf8,
        require_tls=require_tls,
        ret=ret,
        envid=envid,
        auth=auth,
        hold_until=hold_until,
        by=DeliverBy(*by) if by else None,
        priority=priority,
        doubtful=doubtful,
    )


def pack_recipient(recipient: Recipient) -> bytes:
    """See ``unpack_recipient``."""
    address = recipient.address
    fields = (address.local, address.domain, sorted(recipient.notify), recipient.orcpt)
    return _encode((*fields, True) if recipient.verified_tls else fields)


def unpack_recipient(packed: bytes) -> Recipient:
    """The recipient that ``pack_recipient`` packed."""
    local, domain, notify, orcpt, *more = _decode(packed)
    return Recipient(Address(local, domain), frozenset(notify), orcpt, verified_tls=bool(more))
