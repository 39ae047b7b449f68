"""From a query's octets to the reply's: what the reject list says, as a DNS block list says it (NET-6, RFC 5782).

An address is asked for backwards, ``9.2.0.192`` or 32 nibbles; a domain as it is, and a listed one covers what lies below.
Listed is 127.0.0.2, with the entry's note as text. By custom 127.0.0.2 and the domain ``test`` are always listed, 127.0.0.1 and
``invalid`` never (RFC 5782 §5). Names that only lead to listed ones exist without records, so that resolvers which ask label by
label (RFC 9156) go on. Whoever may not ask, and whatever is not in the zone, is refused. Failing: SERVFAIL.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address

from posthouse.base.errors import MailError
from posthouse.interfaces.reject_list import RejectList
from posthouse.model.networks import network_list
from posthouse.model.reject import RejectEntry
from posthouse.model.settings import Settings
from posthouse.protocols.dns import serving
from posthouse.protocols.dns.messages import IN, NO_ERROR, NO_SUCH_NAME, REFUSED, SERVER_FAILURE
from posthouse.protocols.dns.names import BadName
from posthouse.protocols.dns.serving import Query, Zone

LISTED = "127.0.0.2"
_HEX = frozenset(b"0123456789abcdef")
_TEST = RejectEntry("test", "Test entry, RFC 5782")


class Answering:
    """``host()`` is the node's name."""

    def __init__(self, settings: Callable[[], Settings], rejected: RejectList, host: Callable[[], str]) -> None:
        self._settings = settings
        self._rejected = rejected
        self._host = host

    async def answer(self, query: Query, client: str) -> bytes:
        """The reply's octets, however long."""
        terms = self._settings().zone
        if terms.clients and client not in network_list(terms.clients):
            return serving.refused(query, REFUSED)
        try:
            zone = await self._zone()
            if zone is None or query.group != IN or query.labels[len(query.labels) - len(zone.origin) :] != zone.origin:
                return serving.refused(query, REFUSED)
            return await self._inside(query, zone, query.labels[: len(query.labels) - len(zone.origin)])
        except MailError:
            return serving.refused(query, SERVER_FAILURE)

    async def _zone(self) -> Zone | None:
        """None while no zone is set."""
        terms = self._settings().zone
        if not terms.name:
            return None
        try:
            return _made(terms.name, self._host(), await self._rejected.serial(), int(terms.ttl_s), int(terms.absence_ttl_s))
        except BadName:
            return None

    async def _inside(self, query: Query, zone: Zone, labels: tuple[bytes, ...]) -> bytes:
        if not labels:
            return serving.apex(query, zone)
        address = _address(labels)
        entry = await self._of_address(address) if address else await self._of_domain(labels)
        if entry is not None:
            return serving.listing(query, zone, LISTED, entry.note or f"Listed: {entry.target}")
        exists = _leads_to_addresses(labels) or (not address and await self._rejected.lies_above(_text(labels)))
        return serving.absence(query, zone, NO_ERROR if exists else NO_SUCH_NAME)

    async def _of_address(self, address: str) -> RejectEntry | None:
        if address in ("127.0.0.2", "::ffff:127.0.0.2", "::ffff:7f00:2"):
            return _TEST
        if address in ("127.0.0.1", "::ffff:127.0.0.1", "::ffff:7f00:1"):
            return None
        return await self._rejected.network_of(address)

    async def _of_domain(self, labels: tuple[bytes, ...]) -> RejectEntry | None:
        name = _text(labels)
        if name == "test":
            return _TEST
        return await self._rejected.domain_of(name) if name != "invalid" else None


@lru_cache(maxsize=8)
def _made(name: str, host: str, serial: int, ttl_s: int, absence_ttl_s: int) -> Zone:
    return serving.zone_of(name, host, serial, ttl_s, absence_ttl_s)


def _address(labels: tuple[bytes, ...]) -> str:
    """The address that the labels spell backwards, "" if they spell none."""
    if len(labels) == 4 and all(_is_octet(label) for label in labels):
        return str(IPv4Address(bytes(int(label) for label in reversed(labels))))
    if len(labels) == 32 and all(len(label) == 1 and label in _HEX_LABELS for label in labels):
        return str(IPv6Address(int(b"".join(reversed(labels)), 16)))
    return ""


_HEX_LABELS = frozenset(bytes((octet,)) for octet in _HEX)


def _is_octet(label: bytes) -> bool:
    return label.isdigit() and len(label) <= 3 and int(label) <= 255 and (label == b"0" or not label.startswith(b"0"))


def _leads_to_addresses(labels: tuple[bytes, ...]) -> bool:
    """Whether addresses may lie below a name of these labels."""
    if len(labels) < 4 and all(_is_octet(label) for label in labels):
        return True
    return len(labels) < 32 and all(label in _HEX_LABELS for label in labels)


def _text(labels: tuple[bytes, ...]) -> str:
    """As text, for comparing with listed names; octets that no listed name has stay what they are not."""
    return b".".join(labels).decode("ascii", "replace") if b"." not in b"".join(labels) else ""
