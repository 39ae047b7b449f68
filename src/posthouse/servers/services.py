"""What every server is given: the house's services behind their interfaces. Built by ``roles.bootstrap``, one per process."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass

from posthouse.base.clock import Clock
from posthouse.base.ids import Ids
from posthouse.directory.authenticate import Authenticator
from posthouse.directory.key_ring import KeyRing
from posthouse.interfaces.bus import Bus
from posthouse.interfaces.counters import Counters
from posthouse.interfaces.directory import Directory
from posthouse.interfaces.limits import Allowances, unlimited
from posthouse.interfaces.locks import Locks
from posthouse.interfaces.mailstore import MailStore
from posthouse.interfaces.reject_list import RejectList
from posthouse.interfaces.scripts import Scripts, ScriptsWriter
from posthouse.interfaces.sink import Sink
from posthouse.interfaces.textindex import TextIndex
from posthouse.interfaces.traces import TraceLog
from posthouse.model.settings import Settings
from posthouse.pipeline.driver import Driver


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Services:
    """``settings()`` gives the current snapshot; ``tls_context()`` the current server context (None: no TLS here).

    ``driver`` walks messages along the path (``pipeline.path.stages``); mail servers use it, the others need not.
    ``control_path`` is the steward's control socket, where operations run; "" if there is none. ``text_index`` None: searches
    look at every message. ``key_ring`` None: no tokens and no sessions of web faces here. ``scripts`` None: ManageSieve has
    nothing to manage. ``allowances``: what accounts may use (the store and the sink see to it; here they are for telling).
    """

    node_name: str
    settings: Callable[[], Settings]
    tls_context: Callable[[], ssl.SSLContext | None]
    clock: Clock
    ids: Ids
    directory: Directory
    authenticator: Authenticator
    store: MailStore
    sink: Sink
    traces: TraceLog
    bus: Bus
    counters: Counters
    driver: Driver
    locks: Locks
    control_path: str = ""
    text_index: TextIndex | None = None
    scripts: Scripts | None = None
    reject_list: RejectList | None = None
    scripts_writer: ScriptsWriter | None = None
    allowances: Allowances = unlimited
    key_ring: KeyRing | None = None
