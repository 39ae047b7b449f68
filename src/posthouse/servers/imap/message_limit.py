"""MESSAGELIMIT: how many messages one command may be about, if the administrator has set a limit (RFC 9738).

Commands that can be done in part are done for the newest messages, and the answer says down to which UID; those that are all or
nothing are refused. Without a limit nothing of it is announced.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from posthouse.mailstore.view import MailboxView
from posthouse.servers.imap.refusal import Refused

if TYPE_CHECKING:
    from posthouse.servers.imap.session import ImapSession


def newest(session: ImapSession, view: MailboxView, indexes: Sequence[int]) -> tuple[Sequence[int], bytes]:
    """As many of the messages as the limit allows, the newest ones, and the response code if that is not all of them."""
    limit = session.services.settings().imap.message_limit
    if not limit or len(indexes) <= limit:
        return indexes, b""
    indexes = indexes[-limit:]
    return indexes, b"MESSAGELIMIT %d %d" % (limit, view.uids[indexes[0]])


def refuse_more(session: ImapSession, count: int) -> None:
    """Raises Refused if a command that is done whole or not at all is about more than the limit."""
    limit = session.services.settings().imap.message_limit
    if limit and count > limit:
        raise Refused(f"That is about more than {limit} messages", code=f"MESSAGELIMIT {limit}")
