"""THREADID: which conversation a message belongs to, told by the message alone (RFC 8474 §5.2).

A conversation is named by the message that it began with: the first of References, else what In-Reply-To names, else the
message's own id. So it is the same in every mailbox and after every copy, nothing is kept for it, and it never changes. A
message that has none of these is a conversation of its own. THREAD=REFERENCES, which sees all messages of a mailbox, may find
more.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence

from posthouse.formats.mime import heads
from posthouse.interfaces.mailstore import MailReader
from posthouse.mailstore.header_texts import HeaderTexts, Wanted

_FIELDS = (b"references", b"in-reply-to", b"message-id")
_WANTED = Wanted(frozenset(_FIELDS))
_MESSAGE_ID = re.compile(rb"<([^<>\s]{1,998})>")
_FORM = re.compile(r"T[0-9a-f]{24}")


def is_thread_id(text: str) -> bool:
    """Whether it may be one of ours."""
    return _FORM.fullmatch(text) is not None


def named_thread(head: bytes) -> str:
    """By the header, or just the fields that matter; "" for a message that has none of them."""
    values = heads.first_values(head + b"\r\n\r\n", _WANTED.names) or {}
    for name in _FIELDS:
        if found := _MESSAGE_ID.search(values.get(name, b"")):
            return "T" + hashlib.sha256(found[1]).hexdigest()[:24]
    return ""


def lone_thread(email_id: str) -> str:
    """That of a message which is a conversation of its own, by its EMAILID."""
    return "T" + email_id[1:]


async def thread_ids(store: MailReader, texts: HeaderTexts, mailbox_id: int, uids: Sequence[int]) -> Mapping[int, str]:
    """By UID, of the messages that exist."""
    fields = await texts.of(mailbox_id, uids, _WANTED)
    found = {uid: named_thread(fields[uid]) for uid in uids if uid in fields}
    alone = [uid for uid, name in found.items() if not name]
    if alone:
        emails = {one.uid: one.object_id for one in await store.facts(mailbox_id, alone)}
        found.update({uid: lone_thread(email) for uid, email in emails.items()})
    return {uid: name for uid, name in found.items() if name}
