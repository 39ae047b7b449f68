"""APPEND, one message or many, and REPLACE (RFC 9051 §6.3.12; RFC 3502, RFC 3516, RFC 4315, RFC 4469, RFC 7889, RFC 8508).

A message may come whole, as binary, or be put together from pieces, also of other messages. What comes as binary is kept in a
form that every client can read: parts without transfer encoding become base64.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from posthouse.base.errors import NotFound
from posthouse.formats.mime.binary import without_binary
from posthouse.model.mailbox import Appended, NewMessage
from posthouse.model.namespaces import is_personal
from posthouse.protocols.imap import responses
from posthouse.protocols.imap.commands import Append, AppendMessage, Replace
from posthouse.protocols.imap.sequence import STAR
from posthouse.servers.imap import teaching
from posthouse.servers.imap.large_answers import LARGE_BYTES
from posthouse.servers.imap.message_limit import refuse_more
from posthouse.servers.imap.numbers import NUMBERS_ARE_OFF
from posthouse.servers.imap.others import fitted, require
from posthouse.servers.imap.places import Place
from posthouse.servers.imap.refusal import Refused
from posthouse.servers.imap.routes import Done
from posthouse.servers.imap.targets import target
from posthouse.servers.imap.url_content import part_of_url

if TYPE_CHECKING:
    from posthouse.servers.imap.session import ImapSession


async def append(session: ImapSession, command: Append) -> Done:
    """APPEND: all messages or none, durable before the answer."""
    refuse_more(session, len(command.messages))
    place = session.appended_to
    if place is None or place.name != command.mailbox:
        place = await target(session, command.mailbox)
    messages = [fitted(place, await _new_message(session, one)) for one in command.messages]
    place, done = await _append(session, place, messages)
    teaching.appended(session, place, messages, done.uids)
    selected = session.selected
    if selected is not None and selected.mailbox_id == place.mailbox_id:
        if session.contexts or session.notify is not None or not selected.grown(done):
            session.touched()
        else:
            session.write(responses.exists_line(selected.exists))
            session.is_up_to_date()
    return "APPEND completed", responses.append_uid(done.uid_validity, done.uids)


async def _append(session: ImapSession, place: Place, messages: list[NewMessage]) -> tuple[Place, Appended]:
    """A client's own mailbox that it appended to last is not looked for again: the store finds out whether it is still called
    so, and only if not, it is looked for."""
    store = session.services.store
    if place is session.appended_to and place.info is not None:
        try:
            return place, await store.append(place.mailbox_id, messages, name=place.info.name)
        except NotFound:
            session.appended_to = None
            place = await target(session, place.name)
    done = await store.append(place.mailbox_id, messages)
    if is_personal(place.name):
        session.appended_to = place
    return place, done


async def replace(session: ImapSession, command: Replace) -> str:
    """REPLACE: the new message is there and the old one gone, or nothing happened (RFC 8508 §3)."""
    mailbox = session.mailbox()
    if mailbox.read_only:
        raise Refused("The mailbox is open read only", code="CANNOT")
    require(session, "te")
    if session.uid_only and not command.uid:
        raise Refused(NUMBERS_ARE_OFF, code="UIDREQUIRED", status="BAD")
    view = await mailbox.view()
    at = view.index(command.number) if command.uid else command.number - 1
    if command.number == STAR:
        at = len(view) - 1
    if not 0 <= at < len(view) or mailbox.is_ghost(view.uids[at]):
        raise Refused("There is no such message", status="NO" if command.uid else "BAD")
    place = await target(session, command.mailbox)
    message = fitted(place, await _new_message(session, command.message))
    uid_validity, uid = await session.services.store.replace(mailbox.mailbox_id, view.uids[at], place.mailbox_id, message)
    session.write(responses.untagged("OK", "Replacement is there", responses.append_uid(uid_validity, [uid])))
    teaching.appended(session, place, [message], [uid])
    session.touched()
    return "REPLACE completed"


async def _new_message(session: ImapSession, message: AppendMessage) -> NewMessage:
    content = await _put_together(session, message) if message.parts else message.content
    if not content:
        raise Refused("An empty message cannot be kept", status="BAD")
    if message.binary:
        content = without_binary(content)
    return NewMessage(content, message.flags, message.received_at)


async def _put_together(session: ImapSession, message: AppendMessage) -> bytes:
    """CATENATE's pieces as one message (RFC 4469 §3). Raises Refused (BADURL, TOOBIG)."""
    limit = session.services.settings().imap.max_append_bytes
    pieces: list[bytes] = []
    size_bytes = 0
    for part in message.parts:
        if isinstance(part, bytes):
            piece = part
        else:
            async with session.shared.large.turn(session.account_id, LARGE_BYTES):
                piece = await part_of_url(session, part.url)
        size_bytes += len(piece)
        if size_bytes > limit:
            raise Refused("The message is too large", code="TOOBIG")
        pieces.append(piece)
    return b"".join(pieces)
