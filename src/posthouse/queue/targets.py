"""From a recipient's domain or next hop to the hosts that take its mail, best first (RFC 5321 §5.1, RFC 7505).

Equal preferences are shuffled, so that load spreads; each host gives all its addresses. Never leads back to this node.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence
from itertools import groupby

from posthouse.base.errors import Permanent, Temporary
from posthouse.base.settings import without_passwords
from posthouse.interfaces.courier import Target
from posthouse.interfaces.resolver import Mx, Resolver
from posthouse.model.route import NextHop
from posthouse.model.settings import QueueSettings
from posthouse.queue.tls_policies import HostPolicy, TlsPolicies

LMTP_PORT = 24
MAX_HOSTS = 10
MAX_TARGETS = 20


class NoMail(Permanent):
    """The domain says, or its absence says, that it takes no mail."""

    def __init__(self, public: str, *, code: int = 556, enhanced: str = "5.1.10") -> None:
        super().__init__(public, code=code, enhanced=enhanced)


class Targets:
    """``shuffle`` puts hosts of equal preference in a random order; ``own_names`` are this node's."""

    def __init__(
        self,
        resolver: Resolver,
        settings: Callable[[], QueueSettings],
        own_names: Callable[[], Sequence[str]],
        shuffle: Callable[[list[Mx]], None],
        policies: TlsPolicies | None = None,
    ) -> None:
        self._resolver = resolver
        self._settings = settings
        self._own_names = own_names
        self._shuffle = shuffle
        self._policies = policies

    async def find(self, domain: str, next_hop: str, *, relaxed: bool = False) -> Sequence[Target]:
        """The targets to try, in order. ``relaxed``: whatever the domain's own policy of TLS says (RFC 8689 §3). Raises NoMail;
        Temporary if DNS does not answer or leads nowhere now."""
        if next_hop:
            return await self._of_hop(_parsed(next_hop))
        if domain.startswith("["):
            return self._of_literal(domain)
        records = list(await self._resolver.mx(domain))
        if not records:
            return await self._of_domain_itself(domain, relaxed=relaxed)
        named = [record for record in records if record.host != "."]
        if not named:  # with others beside it, it is no null MX but a slip (RFC 7505 §3)
            raise NoMail(f"The domain {domain} takes no mail")
        hosts = self._in_order(named)
        if not hosts:
            raise Permanent(f"Mail for {domain} loops back to this host", code=554, enhanced="5.4.6")
        return await self._of_hosts(domain, hosts, relaxed=relaxed)

    async def _of_hop(self, hop: NextHop) -> Sequence[Target]:
        queue = self._settings()
        port = hop.port or (LMTP_PORT if hop.protocol == "lmtp" else queue.port)
        tls = hop.tls or ("opportunistic" if queue.tls == "opportunistic" else "required" if queue.tls == "required" else "off")
        addresses = [hop.host] if _is_ip(hop.host) else await self._resolver.addresses(hop.host)
        if not addresses:
            raise Temporary(f"The next hop {hop.host} has no address", code=451, enhanced="4.4.4")
        return [Target(hop.host, address, port, hop.protocol, tls, login=hop.login) for address in addresses[:MAX_TARGETS]]

    def _of_literal(self, domain: str) -> Sequence[Target]:
        """An address in brackets (RFC 5321 §4.1.3)."""
        address = domain[1:-1]
        if address[:5].lower() == "ipv6:":
            address = address[5:]
        if not _is_ip(address):
            raise NoMail(f"{domain} is not an IP address", code=550, enhanced="5.1.2")
        return self._only_allowed(domain, [self._target(domain, address, HostPolicy(domain))])

    async def _of_domain_itself(self, domain: str, *, relaxed: bool) -> Sequence[Target]:
        """No MX: the domain's own addresses (RFC 5321 §5.1, implicit MX)."""
        addresses = await self._resolver.addresses(domain)
        if not addresses:
            if not await self._resolver.exists(domain):
                raise NoMail(f"The domain {domain} does not exist", code=550, enhanced="5.1.2")
            raise NoMail(f"The domain {domain} has no mail host", code=550, enhanced="5.4.4")
        [policy] = await self._met_with(domain, [domain], implicit=True, relaxed=relaxed)
        return self._only_allowed(domain, [self._target(domain, address, policy) for address in addresses])

    def _in_order(self, records: list[Mx]) -> list[str]:
        """Hosts by preference; from our own name on nothing is used, since that would send mail back (RFC 5321 §5.1)."""
        own = {name.lower().rstrip(".") for name in self._own_names()}
        out: list[str] = []
        for _, group in groupby(records, key=lambda record: record.preference):
            equal = list(group)
            if any(record.host.lower() in own for record in equal):
                break
            self._shuffle(equal)
            out += [record.host for record in equal]
        return out[:MAX_HOSTS]

    async def _of_hosts(self, domain: str, hosts: Sequence[str], *, relaxed: bool) -> Sequence[Target]:
        targets: list[Target] = []
        failure: Temporary | None = None
        for policy in await self._met_with(domain, hosts, implicit=False, relaxed=relaxed):
            if policy.refused:
                why = f"{policy.host}: {policy.refused}"
                failure = Temporary(f"No mail may go to {why}", code=450, enhanced="4.7.10", cause=why)
                continue
            try:
                addresses = await self._resolver.addresses(policy.host)
                targets += [self._target(policy.host, address, policy) for address in addresses]
            except Temporary as error:
                failure = error
        if not targets:
            raise failure or Temporary(f"No mail host of {domain} has an address", code=451, enhanced="4.4.4")
        return self._only_allowed(domain, targets)

    async def _met_with(self, domain: str, hosts: Sequence[str], *, implicit: bool, relaxed: bool) -> Sequence[HostPolicy]:
        if self._policies is None:
            return [HostPolicy(host) for host in hosts]
        return await self._policies.of(domain, hosts, implicit=implicit, relaxed=relaxed)

    def _target(self, host: str, address: str, policy: HostPolicy) -> Target:
        queue = self._settings()
        tls = policy.tls or ("off" if queue.tls == "off" else "required" if queue.tls == "required" else "opportunistic")
        return Target(host, address, queue.port, "smtp", tls, policy.policy)

    def _only_allowed(self, domain: str, targets: Sequence[Target]) -> Sequence[Target]:
        return [target for target in targets if self._allowed(target)][:MAX_TARGETS] or self._nowhere(domain)

    def _allowed(self, target: Target) -> bool:
        """Strangers' DNS must not aim this node at itself."""
        ip = ipaddress.ip_address(target.address)
        return self._settings().allow_loopback or not (ip.is_loopback or ip.is_unspecified or ip.is_multicast)

    def _nowhere(self, domain: str) -> Sequence[Target]:
        raise Permanent(f"The mail hosts of {domain} have no usable address", code=550, enhanced="5.4.4")


def _parsed(next_hop: str) -> NextHop:
    """The smart host is a free text, and may be put right while the message waits."""
    try:
        return NextHop.parse_with_login(next_hop)
    except ValueError as error:
        raise Temporary(
            f"The next hop {without_passwords(next_hop)!r} is not understood", code=451, enhanced="4.3.5", cause=str(error)
        ) from error


def _is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
