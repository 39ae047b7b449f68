"""What the checks of one domain share (PLN-2): what they look with, and how they say what they found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from posthouse.base.errors import MailError
from posthouse.formats.mta_sts import StsPolicy
from posthouse.interfaces.probe import Probe, ServedTls
from posthouse.interfaces.resolver import Resolver
from posthouse.interfaces.signing_keys import SigningKeys
from posthouse.interfaces.web_fetch import WebFetch
from posthouse.model.finding import Finding, State


@dataclass(frozen=True, slots=True)
class Site:
    """``host`` is the node's name, ``addresses`` those that it has; ``smart_host`` takes its mail out if set;
    ``report_addresses`` are those at which it reads reports; ``policy`` is the MTA-STS policy that it serves, if it does."""

    host: str
    addresses: Sequence[str]
    smart_host: str = ""
    report_addresses: Sequence[str] = ()
    policy: StsPolicy | None = None


@dataclass(frozen=True, slots=True)
class DomainDesk:
    """``now`` is the time in seconds since 1970. ``served`` remembers what mail hosts have shown, for one run."""

    resolver: Resolver
    keys: SigningKeys
    probe: Probe
    web: WebFetch
    site: Site
    domain: str
    now: float
    served: dict[str, ServedTls | str] = field(default_factory=dict)

    def said(self, state: State, found: str, advice: str = "") -> Finding:
        """A finding about the domain."""
        return Finding("domain", self.domain, state, found, advice)

    async def mail_hosts(self) -> list[str]:
        """The MX hosts by preference; none for a domain that takes no mail."""
        return [record.host.lower() for record in await self.resolver.mx(self.domain) if record.host != "."]

    async def tls_of(self, host: str) -> ServedTls | str:
        """What a mail host of the domain shows under TLS, measured by its TLSA records; or why it could not be asked."""
        if host not in self.served:
            try:
                records = await self.resolver.tlsa(tlsa_name(host))
                names = (host, self.domain)
                self.served[host] = await self.probe.mail_tls(host, records, names, self.site.addresses)
            except MailError as error:
                self.served[host] = error.cause or error.public
        return self.served[host]

    def reads_reports_at(self, uri: str) -> bool:
        """Whether the address in a ``mailto:`` URI is one at which this node reads reports."""
        address = uri[len("mailto:") :].partition("!")[0].partition("?")[0].strip().lower()
        return address in {each.lower() for each in self.site.report_addresses}

    def unread(self, what: str, uris: Sequence[str]) -> list[Finding]:
        """A note if reports come to addresses of the domain at which nobody reads them."""
        own = [uri for uri in uris if uri.lower().partition("!")[0].partition("?")[0].endswith(f"@{self.domain}")]
        if not own or any(self.reads_reports_at(uri) for uri in own):
            return []
        address = own[0][len("mailto:") :].partition("!")[0].partition("?")[0]
        advice = (
            f"To have them read: posthouse setting set reports.addresses {' '.join((*self.site.report_addresses, address))}"
        )
        return [self.said("note", f"{what}: they come to {address}, and this node does not read them", advice)]


def tlsa_name(host: str) -> str:
    """Where the TLSA records of a mail host stand."""
    return f"_25._tcp.{host}"


def split_tags(text: str) -> list[tuple[str, str]]:
    """The ``name=value`` pairs of a record of the form that DMARC, MTA-STS and others share; names in lower case."""
    pairs = []
    for piece in text.split(";"):
        name, equals, value = piece.partition("=")
        if piece.strip():
            pairs.append((name.strip().lower(), value.strip() if equals else ""))
    return pairs
