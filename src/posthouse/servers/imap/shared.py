"""What all IMAP sessions of a process share."""

from __future__ import annotations

from dataclasses import dataclass

from posthouse.directory.identities import Identities
from posthouse.mailstore.header_texts import HeaderTexts
from posthouse.mailstore.opened import OpenedMessages
from posthouse.mailstore.views import MailboxViews
from posthouse.servers.imap.incoming import Incoming
from posthouse.servers.imap.large_answers import LargeAnswers
from posthouse.servers.imap.notices import Notices


@dataclass(frozen=True, slots=True)
class Shared:
    """``incoming`` and ``large`` bound what clients send in and what goes out to them."""

    views: MailboxViews
    notices: Notices
    opened: OpenedMessages
    headers: HeaderTexts
    identities: Identities
    incoming: Incoming
    large: LargeAnswers
