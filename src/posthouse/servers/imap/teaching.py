"""Tells the steward what a client says about spam: COPY, MOVE, APPEND into and out of Junk Mail, $Junk, $NotJunk (CON-13).

Called when a command has done its work; nothing waits for it, and nothing fails by it. Only a user's own Junk Mail counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from posthouse.interfaces.mailstore import FlagAction
from posthouse.model import teaching
from posthouse.model.mailbox import MessageRow, NewMessage
from posthouse.servers.imap.places import Place

if TYPE_CHECKING:
    from posthouse.servers.imap.session import ImapSession


def copied(session: ImapSession, target: Place, uids: Sequence[int]) -> None:
    """Messages of the selected mailbox are in ``target`` now, as ``uids``."""
    mailbox = session.mailbox()
    if target.info is None:
        return
    source = "" if mailbox.reader else mailbox.info.special_use
    _tell(session, target.mailbox_id, uids, teaching.moved(source, target.info.special_use))


def appended(session: ImapSession, target: Place, messages: Sequence[NewMessage], uids: Sequence[int]) -> None:
    """New messages are there: what their flags say, else where they are."""
    if target.info is None:
        return
    place = teaching.moved("", target.info.special_use)
    for message, uid in zip(messages, uids, strict=True):
        said = teaching.flagged(message.flags) if message.flags else None
        _tell(session, target.mailbox_id, [uid], place if said is None else said)


def stored(session: ImapSession, rows: Iterable[MessageRow], action: FlagAction, flags: Sequence[str]) -> None:
    """Flags of messages in the selected mailbox were changed."""
    if action != "remove" and flags and (said := teaching.flagged(flags)) is not None:
        _tell(session, session.mailbox().mailbox_id, [row.uid for row in rows], said)


def _tell(session: ImapSession, mailbox_id: int, uids: Sequence[int], said: bool | None) -> None:  # noqa: FBT001
    if said is None or not uids or not session.services.settings().antispam.train:
        return
    for word in teaching.words(session.account_id, mailbox_id, uids, spam=said):
        session.services.bus.publish(teaching.TOPIC, word.payload)
