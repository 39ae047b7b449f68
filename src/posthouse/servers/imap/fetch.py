"""FETCH and UID FETCH (RFC 9051 §6.4.5, RFC 7162, RFC 8970, RFC 9394, RFC 9586, RFC 9738).

What does not need a message's content goes out by templates (``fetch_columns``). Messages that must be opened go one by one;
after some the session waits for a slow client and other sessions get their turn.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from posthouse.mailstore.view import MailboxView
from posthouse.model.mailbox import SEEN, MessageRow
from posthouse.protocols.imap.commands import Fetch, FetchModifiers
from posthouse.protocols.imap.fetch_items import Attribute, BodySection, FetchItem, Preview
from posthouse.servers.imap import fetch_body, resync
from posthouse.servers.imap.fetch_columns import attribute_piece, facts_of, is_column, some, write_columns
from posthouse.servers.imap.message_limit import newest
from posthouse.servers.imap.numbers import chosen
from posthouse.servers.imap.others import change_flags
from posthouse.servers.imap.refusal import Refused
from posthouse.servers.imap.routes import Done

if TYPE_CHECKING:
    from posthouse.servers.imap.session import ImapSession

_BATCH = 250
_OPENED_PER_TURN = 16
_TIMES = 4
_ANSWER_BYTES = 4 << 20  # one answer is at most some times its message, and this
_WHOLE_BATCH = 24


async def fetch(session: ImapSession, command: Fetch) -> Done:
    """FETCH."""
    modifiers, items = command.modifiers, list(command.items)
    if modifiers.vanished and not (session.qresync and command.uid):
        raise Refused("VANISHED needs UID FETCH and QRESYNC", status="BAD")
    if Attribute.MODSEQ in items:
        session.condstore = True
    if session.uid_only and command.uid and not command.uid_asked:
        items.remove(Attribute.UID)
    view, indexes = await chosen(session, command.sequence, uid=command.uid)
    if modifiers.vanished and modifiers.changed_since is not None:
        await resync.tell_vanished(session, modifiers.changed_since, command.sequence)
    indexes, limited = newest(session, view, _narrowed(view, indexes, modifiers))
    if any(isinstance(item, BodySection) and not item.peek for item in items):
        shown = await _mark_seen(session, view, indexes)
        if shown and Attribute.FLAGS not in items:
            items.append(Attribute.FLAGS)
            if session.condstore and Attribute.MODSEQ not in items:
                items.append(Attribute.MODSEQ)
        view = await session.mailbox().view()
    if await answer(session, view, indexes, items):
        raise Refused("Some of the messages no longer exist", code="EXPUNGEISSUED")
    return "FETCH completed", limited


async def answer(session: ImapSession, view: MailboxView, indexes: Sequence[int], items: Sequence[FetchItem]) -> bool:
    """Writes FETCH responses for these messages; whether some of them were gone. Raises Disconnected, Refused."""
    if all(map(is_column, items)):
        return await write_columns(session, view, indexes, items)
    if len(indexes) > 1 and all(is_column(item) or _is_whole(item) for item in items):
        return await _write_whole(session, view, indexes, items)
    return await _write_opened(session, view, indexes, items)


def _is_whole(item: FetchItem) -> bool:
    """Whether the item is the message as it is: BODY[], RFC822."""
    return isinstance(item, BodySection) and not (item.text or item.part or item.partial or item.binary or item.size_only)


async def _write_whole(session: ImapSession, view: MailboxView, indexes: Sequence[int], items: Sequence[FetchItem]) -> bool:
    """Whole messages, some at a time; where there is a large one, one by one. Whether some were gone."""
    missing = False
    for start in range(0, len(indexes), _WHOLE_BATCH):
        batch = indexes[start : start + _WHOLE_BATCH]
        rows = await session.services.store.contents(session.mailbox().mailbox_id, some(view.uids, batch))
        contents = {uid: octets for uid, _, octets in rows if octets is not None}
        if len(contents) < len(rows):
            gone = await _write_opened(session, view, batch, items)
        elif contents:
            gone = await write_columns(session, view, batch, items, {item: contents for item in items if _is_whole(item)})
            await asyncio.sleep(0)
        else:
            gone = True
        missing = missing or gone
    return missing


def _narrowed(view: MailboxView, indexes: Sequence[int], modifiers: FetchModifiers) -> Sequence[int]:
    """By CHANGEDSINCE, then by PARTIAL."""
    if modifiers.changed_since is not None:
        mod_seqs, since = view.mod_seqs, modifiers.changed_since
        indexes = [at for at in indexes if mod_seqs[at] > since]
    if modifiers.partial is not None:
        first, last = sorted(map(abs, modifiers.partial))
        if modifiers.partial[0] < 0:
            return indexes[max(len(indexes) - last, 0) : max(len(indexes) - first + 1, 0)]
        return indexes[first - 1 : last]
    return indexes


async def _mark_seen(session: ImapSession, view: MailboxView, indexes: Sequence[int]) -> bool:
    """Sets \\Seen on all that lack it, as one unit; whether the view has it now, so that the answer must show FLAGS.

    If it has not, because others changed the mailbox meanwhile, the command's end tells.
    """
    mailbox = session.mailbox()
    unseen = [view.uids[at] for at in indexes if not view.flags[at] & SEEN]
    if mailbox.read_only or not unseen or "s" not in mailbox.rights:
        return False
    result = await change_flags(session, unseen, "add", ["\\Seen"])
    session.touched()
    if not mailbox.applied(result, view):
        return False
    told(session, result.rows)
    return True


def told(session: ImapSession, rows: Sequence[MessageRow]) -> None:
    """These rows are about to be shown to the client: the command's end need not tell them again."""
    session.mailbox().mark_told([(row.uid, row.mod_seq) for row in rows])
    session.touched()


async def _write_opened(session: ImapSession, view: MailboxView, indexes: Sequence[int], items: Sequence[FetchItem]) -> bool:
    """Messages whose content is needed, one by one; whether some were gone."""
    missing = False
    once = sum(isinstance(item, (BodySection, Preview)) for item in items) == 1
    for start in range(0, len(indexes), _BATCH):
        batch = indexes[start : start + _BATCH]
        facts, left = await facts_of(session, view, batch)
        missing = missing or len(left) < len(batch)
        for at, one in zip(left, facts, strict=True):
            message = fetch_body.Message(session.shared.opened, one, keep=len(indexes) == 1 or not once)
            async with session.shared.large.turn(session.account_id, one.size_bytes):
                if not await _write_one(session, view, at, items, message):
                    missing = True
                    continue
                await session.drain()
            if at % _OPENED_PER_TURN == 0:
                await asyncio.sleep(0)
    return missing


async def _write_one(
    session: ImapSession, view: MailboxView, at: int, items: Sequence[FetchItem], message: fetch_body.Message
) -> bool:
    """False if its content is gone. Raises Refused: nobody needs the same octets many times over in one answer."""
    pieces: list[bytes] = []
    room_bytes = _TIMES * message.facts.size_bytes + _ANSWER_BYTES
    for item in items:
        piece = await _piece(session, view, at, item, message)
        if piece is None:
            return False
        room_bytes -= len(piece)
        if room_bytes < 0:
            raise Refused("That is too much of one message in one answer", code="LIMIT")
        pieces.append(piece)
    number = view.uids[at] if session.uid_only else at + 1
    session.write(b"* %d %b (%b)\r\n" % (number, session.fetch_word, b" ".join(pieces)))
    return True


async def _piece(
    session: ImapSession, view: MailboxView, at: int, item: FetchItem, message: fetch_body.Message
) -> bytes | None:
    """One item of one message; None if its content is gone."""
    if isinstance(item, Attribute):
        return await attribute_piece(session, view, at, item, message.facts)
    return await fetch_body.render(item, message)
