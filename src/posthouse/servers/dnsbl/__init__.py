"""The block list zone that the node serves from its reject list, over UDP and TCP (NET-6)."""

from posthouse.servers.dnsbl.answering import Answering
from posthouse.servers.dnsbl.server import Datagrams, DnsblServer

__all__ = ["Answering", "Datagrams", "DnsblServer"]
