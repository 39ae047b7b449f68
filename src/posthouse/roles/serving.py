"""Which server class serves which listener of node.toml."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from posthouse.model.session import Service
from posthouse.pipeline.network import over_limits
from posthouse.servers.adminline import AdminServer
from posthouse.servers.imap.server import ImapServer
from posthouse.servers.listener import Gate, Server
from posthouse.servers.managesieve import ManageSieveServer
from posthouse.servers.pop import PopServer
from posthouse.servers.services import Services
from posthouse.servers.smtp import SmtpServer

MakeServer = Callable[[Services, Service], Server]

SERVERS: Mapping[str, MakeServer] = {
    "smtp": SmtpServer,
    "lmtp": SmtpServer,
    "submission": SmtpServer,
    "submissions": SmtpServer,
    "imap": ImapServer,
    "imaps": ImapServer,
    "pop3": PopServer,
    "pop3s": PopServer,
    "managesieve": ManageSieveServer,
    "admin": AdminServer,
    "admins": AdminServer,
}


def gate(services: Services) -> Gate:
    """What a listener may ask."""
    return Gate(services.settings, services.tls_context, partial(_full, services))


def _full(services: Services, address: str) -> bool:
    return over_limits(services.settings().smtp, services.counters, address)
