"""How contents, senders and recipients are packed for the gate and for the queue's tables: short msgpack arrays.

The writing thread never unpacks senders and recipients; it stores the octets, and readers unpack them.
"""

from __future__ import annotations

from typing import Any

import msgspec

from posthouse.model.address import Address
from posthouse.model.envelope import Recipient, Sender
from posthouse.model.listed_fields import listed_header
from posthouse.model.summary import Summary

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder().decode
_sender_fields = msgspec.msgpack.Decoder(tuple[tuple[str, str] | None, int, str, bool, bool, str, str, str]).decode
IN_FILE_BYTES = 128 << 10  # from here on a content stands in a file: see docs/adr


def parcel(content: bytes, summary: Summary, coding: int, octets: bytes | None) -> list[Any]:
    """A content for ``units_bodies.keep_body``, encoded as ``coding.py`` says; octets None: it is in its file by then."""
    ready_made = (summary.envelope, summary.body, summary.bodystructure, summary.preview)
    return [summary.digest, summary.size_bytes, octets, listed_header(content, summary), *ready_made, coding]


def pack_sender(sender: Sender) -> bytes:
    """See ``unpack_sender``."""
    address = (sender.address.local, sender.address.domain) if sender.address else None
    flags = (sender.size_bytes, sender.body, sender.smtputf8, sender.require_tls)
    return _encode((address, *flags, sender.ret, sender.envid, sender.auth))


def unpack_sender(packed: bytes) -> Sender:
    """The sender that ``pack_sender`` packed."""
    address, size_bytes, body, smtputf8, require_tls, ret, envid, auth = _sender_fields(packed)
    return Sender(
        address=Address(*address) if address else None,
        size_bytes=size_bytes,
        body=body,  # type: ignore[arg-type]
        smtputf8=smtputf8,
        require_tls=require_tls,
        ret=ret,  # type: ignore[arg-type]
        envid=envid,
        auth=auth,
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
