"""Which server class serves which listener of node.toml."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from posthouse.model.session import Service
from posthouse.pipeline.network import over_limits
from posthouse.servers.adminline import AdminServer
from posthouse.servers.dnsbl import Answering, Datagrams, DnsblServer
from posthouse.servers.dnsbl.allowance import Allowance
from posthouse.servers.imap.server import ImapServer
from posthouse.servers.listener import Gate, Server
from posthouse.servers.managesieve import ManageSieveServer
from posthouse.servers.pop import PopServer
from posthouse.servers.services import Services
from posthouse.servers.smtp import SmtpServer

MakeServer = Callable[[Services, Service], Server]


def answering(services: Services) -> Answering:
    """Who knows the block list zone."""
    assert services.reject_list is not None, "every worker has it"
    return Answering(services.settings, services.reject_list, lambda: services.settings().smtp.hostname or services.node_name)


def dnsbl_server(services: Services, _: Service) -> DnsblServer:
    """The zone over TCP."""
    return DnsblServer(answering(services))


def datagrams(services: Services) -> Datagrams:
    """The zone over UDP."""
    per_second = lambda: services.settings().zone.answers_per_second  # noqa: E731
    return Datagrams(answering(services), Allowance(per_second, services.clock.steady))


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
    "dnsbl": dnsbl_server,
    "admin": AdminServer,
    "admins": AdminServer,
}


def gate(services: Services) -> Gate:
    """What a listener may ask."""
    return Gate(services.settings, services.tls_context, partial(_full, services))


def _full(services: Services, address: str) -> bool:
    return over_limits(services.settings().smtp, services.counters, address)
