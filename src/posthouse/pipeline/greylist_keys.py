"""What greylisting compares: the client's network, and sender and recipient in one form each (GRY-1, GRY-2)."""

from __future__ import annotations

import ipaddress
from functools import lru_cache

from posthouse.formats.variable_senders import stable_local
from posthouse.model.address import Address
from posthouse.model.envelope import Recipient, Sender
from posthouse.model.networks import plain_ip
from posthouse.model.session import Session
from posthouse.model.settings import GreylistSettings
from posthouse.model.triplet import Terms, Triplet


@lru_cache(maxsize=4096)
def client_network(address: str, ipv4_bits: int, ipv6_bits: int) -> str:
    """The network of a client that is compared, such as ``192.0.2.0/24``; the text itself if it is no address."""
    ip = plain_ip(address)
    if ip is None:
        return address[:64]
    bits = ipv4_bits if ip.version == 4 else ipv6_bits
    return str(ipaddress.ip_network((ip, bits), strict=False))


def triplet_of(settings: GreylistSettings, session: Session, sender: Sender, recipient: Recipient) -> Triplet:
    """What one attempt is known by. A bounce may come to an address that was signed for it (BATV)."""
    address = recipient.address
    to = ""
    if not settings.ignore_recipient:
        variable = settings.variable_senders and sender.address is None
        to = _stable(address) if variable else address.key
    return Triplet(
        client_network(session.client_address, settings.ipv4_bits, settings.ipv6_bits),
        _sender_key(settings, sender),
        to,
        address.domain,
    )


def terms_of(settings: GreylistSettings) -> Terms:
    """How triplets are decided by these settings; the same object for the same settings."""
    return _terms(settings)


@lru_cache(maxsize=4)
def _terms(settings: GreylistSettings) -> Terms:
    return Terms(
        earliest_s=settings.earliest_s,
        latest_s=max(settings.latest_s, settings.earliest_s),
        lifetime_s=settings.lifetime_s,
        most_waiting=settings.max_waiting_per_network,
        most=settings.max_triplets,
        auto_allow=settings.auto_allow,
        learning=settings.mode == "learning",
    )


def _sender_key(settings: GreylistSettings, sender: Sender) -> str:
    if sender.address is None:
        return ""
    return _stable(sender.address) if settings.variable_senders else sender.address.key


def _stable(address: Address) -> str:
    return f"{stable_local(address.local)}@{address.domain}" if address.domain else stable_local(address.local)
