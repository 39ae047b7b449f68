"""What the searches of one session run over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from posthouse.mailstore.search import Scope
from posthouse.mailstore.view import MailboxView

if TYPE_CHECKING:
    from posthouse.servers.imap.session import ImapSession


def scope_of(session: ImapSession, view: MailboxView) -> Scope:
    """What the selected mailbox's searches run over, as of ``view``."""
    mailbox, services = session.mailbox(), session.services
    return Scope(
        store=services.store,
        mailbox_id=mailbox.mailbox_id,
        view=view,
        keywords=mailbox.keywords,
        now=services.clock.now(),
        saved=frozenset(session.saved),
        index=services.text_index,
        progress=session.progress,
    )
