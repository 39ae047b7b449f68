"""The IMAP listeners' server: makes a session of each connection, and asks them to end when the node drains.

What the sessions of a process share (mailbox views, change notices, the last opened messages) hangs on the ``Services`` they
were given, so that the ports 143 and 993 of a worker share it too.
"""

from __future__ import annotations

from weakref import WeakKeyDictionary

from posthouse.directory.identities import Identities
from posthouse.mailstore.header_texts import HeaderTexts
from posthouse.mailstore.opened import OpenedMessages
from posthouse.mailstore.views import MailboxViews
from posthouse.model.session import Service
from posthouse.servers.imap.dispatch import ROUTES
from posthouse.servers.imap.incoming import Incoming
from posthouse.servers.imap.large_answers import LargeAnswers
from posthouse.servers.imap.notices import Notices
from posthouse.servers.imap.session import ImapSession
from posthouse.servers.imap.shared import Shared
from posthouse.servers.services import Services
from posthouse.servers.sessions import Sessions

_shared: WeakKeyDictionary[Services, Shared] = WeakKeyDictionary()


def shared_of(services: Services) -> Shared:
    """The process's shared state for these services; made at the first call."""
    shared = _shared.get(services)
    if shared is None:
        store = services.store
        notices = Notices(services.bus, store)
        identities = Identities(services.directory, services.clock)
        views, opened, headers = MailboxViews(store), OpenedMessages(store), HeaderTexts(store)
        incoming = Incoming(lambda: services.settings().imap.memory_bytes)
        shared = _shared[services] = Shared(views, notices, opened, headers, identities, incoming, LargeAnswers())
    return shared


class ImapServer(Sessions):
    """Serves ``imap`` and ``imaps``; which one it is, each connection says."""

    def __init__(self, services: Services, service: Service) -> None:
        super().__init__(lambda connection: ImapSession(services, shared_of(services), connection, ROUTES))
