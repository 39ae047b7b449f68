"""Who never waits for greylisting, by what is known without asking anyone (GRY-2): clients, senders, recipients, logins."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from posthouse.model.address import Address
from posthouse.model.envelope import Recipient, Sender
from posthouse.model.networks import Networks, network_list, parse_network
from posthouse.model.session import Session
from posthouse.model.settings import GreylistSettings, Settings


@dataclass(frozen=True, slots=True)
class AllowList:
    """Entries of a list sorted by what they are; made once for each value of a setting."""

    addresses: frozenset[str]
    domains: frozenset[str]
    locals: frozenset[str]
    networks: Networks

    def has_address(self, address: Address) -> str:
        """The entry that an address falls under, "" if none. A domain covers its subdomains."""
        if address.key in self.addresses:
            return address.key
        local = f"{address.local.lower()}@"
        return local if local in self.locals else self.has_domain(address.domain)

    def has_domain(self, domain: str) -> str:
        """The entry that a domain or host name falls under, "" if none."""
        name = domain.lower().rstrip(".")
        while name:
            if name in self.domains:
                return name
            name = name.partition(".")[2]
        return ""


@lru_cache(maxsize=16)
def allow_list(entries: tuple[str, ...]) -> AllowList:
    """The list for a setting's value. Entries were checked when they were set."""
    addresses, domains, locals_, networks = set(), set(), set(), []
    for entry in entries:
        word = entry.lower()
        if word.endswith("@"):
            locals_.add(word)
        elif "@" in word.strip("@"):
            addresses.add(word)
        elif _is_network(word):
            networks.append(word)
        else:
            domains.add(word.strip("@."))
    return AllowList(frozenset(addresses), frozenset(domains), frozenset(locals_), Networks(networks))


def _is_network(word: str) -> bool:
    try:
        parse_network(word)
    except ValueError:
        return False
    return True


def exemption(settings: Settings, session: Session, sender: Sender, recipient: Recipient) -> str:
    """Why this attempt need not wait, in words for the trace; "" if it may have to."""
    greylist = settings.greylist
    if greylist.exempt_authenticated and session.account:
        return f"logged in as {session.account}"
    if why := _client(settings, greylist, session):
        return why
    senders = allow_list(greylist.allowed_senders)
    if session.client_address in senders.networks:
        return f"{session.client_address} is on the list of allowed senders"
    if session.host and (entry := senders.has_domain(session.host)):
        return f"the client {session.host} is on the list of allowed senders: {entry}"
    if sender.address is not None and (entry := senders.has_address(sender.address)):
        return f"{sender.address} is on the list of allowed senders: {entry}"
    if sender.address is None and greylist.null_sender == "exempt":
        return "the null sender never waits here"
    if entry := allow_list(greylist.exempt_recipients).has_address(recipient.address):
        return f"mail for {recipient.address} never waits: {entry}"
    return ""


def _client(settings: Settings, greylist: GreylistSettings, session: Session) -> str:
    address = session.client_address
    if greylist.exempt_relays and session.relay:
        return f"{address} may relay"
    if address in network_list(greylist.exempt_clients):
        return f"{address} is an exempt client"
    if address in network_list(settings.smtp.trusted_networks):
        return f"{address} is trusted"
    return ""
