"""All settings, by group (ADM-5). The mechanism is in ``base/settings.py``; the reference in docs is made from this file."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from posthouse.base.errors import NotFound
from posthouse.base.settings import Form, Spec, Value, changed, setting, specs
from posthouse.model.address import Address, normal_domain
from posthouse.model.networks import parse_network
from posthouse.model.route import NextHop

NETWORK = Form("a network such as 192.0.2.0/24, 2001:db8::/32 or 192.168.", parse_network)
DOMAIN = Form("a host or domain name", lambda text: normal_domain(text.strip(".")))
ADDRESS = Form("an address", Address.parse)
NEXT_HOP = Form("a next hop", NextHop.parse)


def _domain_policy(text: str) -> str:
    domain, _, policy = text.partition("=")
    if policy not in ("off", "mark", "reject", "enforce"):
        raise ValueError("the policy is off, mark, reject or enforce")
    return normal_domain(domain)


DOMAIN_POLICY = Form("a domain with a policy, such as bank.example=enforce", _domain_policy)


@dataclass(frozen=True, slots=True)
class SmtpSettings:
    """Receiving: SMTP, LMTP, submission (chapters NET and INB)."""

    hostname: str = setting(
        "", "Name in the greeting and in Received headers; empty: the node's name.", effect="new sessions", form=DOMAIN
    )
    max_message_bytes: int = setting(
        31_457_280, "Largest message accepted (INB-7).", unit="bytes", at_least=1024, at_most=1 << 30, effect="new sessions"
    )
    max_recipients: int = setting(1000, "Recipients in one transaction.", at_least=1, at_most=100_000)
    max_messages_per_connection: int = setting(1000, "Mail transactions in one connection; then 421.", at_least=1)
    max_errors: int = setting(20, "Refused or malformed commands in one connection; then 421.", at_least=1)
    max_headers: int = setting(2_000, "Header fields of one message; more is refused.", at_least=10)
    max_header_bytes: int = setting(1 << 20, "Size of a message's header; more is refused.", unit="bytes", at_least=1024)
    max_parts: int = setting(1_000, "MIME parts of one message; more is refused.", at_least=10)
    max_part_depth: int = setting(50, "Nesting of MIME parts; deeper is refused.", at_least=3, at_most=200)
    max_hops: int = setting(50, "Received headers at which a message is refused as looping.", at_least=5)
    command_timeout_s: float = setting(300.0, "Silence before a command.", unit="s", at_least=1)
    data_timeout_s: float = setting(180.0, "Silence while a message is coming in.", unit="s", at_least=1)
    session_timeout_s: float = setting(3600.0, "Longest life of a connection.", unit="s", at_least=10)
    bare_newline: str = setting(
        "refuse", "A bare CR or LF in a message (INB-8).", choices=("refuse", "normalise"), effect="new sessions"
    )
    starttls: str = setting(
        "offered", "STARTTLS on port 25 (INB-2).", choices=("offered", "required", "off"), effect="new sessions"
    )
    auth: str = setting(
        "norelays", "Who must authenticate on port 25 (INB-3).", choices=("norelays", "required", "off"), effect="new sessions"
    )
    relay_networks: tuple[str, ...] = setting(
        (), "Networks whose hosts may relay (NET-4), in CIDR or partial dotted form.", form=NETWORK
    )
    relay_domains: tuple[str, ...] = setting(
        (), "Domains of verified hosts that may relay, and to which anyone may relay.", form=DOMAIN
    )
    dos_prevention: bool = setting(False, "Limit connections by client address (NET-1).")
    max_open_per_address: int = setting(50, "Open connections from one address (IPv6: /64).", at_least=1)
    max_new_per_address: int = setting(400, "New connections from one address in 10 seconds.", at_least=1)
    trusted_networks: tuple[str, ...] = setting((), "Networks exempt from connection limits.", form=NETWORK)
    proxy_networks: tuple[str, ...] = setting(
        (), "Balancers that speak the PROXY protocol (DEP-6).", effect="new sessions", form=NETWORK
    )
    max_connections: int = setting(1000, "Open connections of one service in one worker; past them 421.", at_least=10)
    memory_bytes: int = setting(
        256 << 20, "Message bytes being received in one worker; past them 452.", unit="bytes", at_least=1 << 20
    )


@dataclass(frozen=True, slots=True)
class AuthSettings:
    """Logins on every service."""

    plaintext: bool = setting(
        False, "Allow passwords without TLS from other than loopback addresses (TLS-1).", effect="new sessions"
    )
    remember_s: float = setting(
        300.0, "How long a right password is remembered, keyed and in memory only.", unit="s", at_least=0, at_most=3600
    )
    failure_delay_s: float = setting(
        1.0, "Delay of the first failed login; doubles with each further failure.", unit="s", at_least=0, at_most=30
    )
    failure_delay_max_s: float = setting(15.0, "Longest delay of a failed login.", unit="s", at_least=0, at_most=120)
    failure_memory_s: float = setting(900.0, "How long failures of an address and account are counted.", unit="s", at_least=1)
    max_failures: int = setting(5, "Failed logins in one connection; then it is closed.", at_least=1)
    default_domain: str = setting("", "Domain for logins without one; empty: the login must be a whole address.", form=DOMAIN)


@dataclass(frozen=True, slots=True)
class RouteSettings:
    """Where accepted mail goes (RTE)."""

    smart_host: str = setting("", "host or host:port that all mail for elsewhere is given to (RTE-1).", form=NEXT_HOP)
    plus_addressing: str = setting("+", "Delimiter of plus-addressing; empty: none (RTE-4).")
    max_expansion: int = setting(10_000, "Recipients that aliases may grow one message to.", at_least=1)
    max_alias_depth: int = setting(10, "Aliases of aliases followed before it counts as a loop.", at_least=1, at_most=100)


@dataclass(frozen=True, slots=True)
class QueueSettings:
    """The outbound queue (OUT-6)."""

    lifetime_s: float = setting(432_000.0, "How long delivery is tried (5 days).", unit="s", at_least=60)
    warn_after_s: float = setting(14_400.0, "Delay after which the sender is told (4 h); 0: never.", unit="s", at_least=0)
    first_retry_s: float = setting(300.0, "First retry; intervals double from there.", unit="s", at_least=0.1)
    max_retry_s: float = setting(14_400.0, "Longest interval between retries.", unit="s", at_least=1)
    concurrency: int = setting(100, "Deliveries at a time.", at_least=1, at_most=5000)
    concurrency_per_destination: int = setting(10, "Connections to one destination at a time.", at_least=1)
    rate_per_destination: int = setting(0, "Deliveries to one destination in a minute; 0: no limit.", at_least=0)
    messages_per_connection: int = setting(100, "Messages sent over one connection.", at_least=1)
    connection_keep_s: float = setting(5.0, "How long an idle connection is kept for the next message.", unit="s", at_least=0)
    tls: str = setting("opportunistic", "TLS to other servers.", choices=("opportunistic", "required", "off"))
    port: int = setting(25, "Port of other servers.", at_least=1, at_most=65535)
    connect_timeout_s: float = setting(30.0, "Time to connect.", unit="s", at_least=1)
    command_timeout_s: float = setting(
        300.0, "Time for a reply; twice that for the verdict on a message.", unit="s", at_least=1
    )
    allow_loopback: bool = setting(False, "Deliver to MX hosts that resolve to loopback addresses; for tests and demos.")
    double_bounce: str = setting("", "Address that bounces of bounces go to; empty: they are dropped and logged.", form=ADDRESS)


@dataclass(frozen=True, slots=True)
class ImapSettings:
    """IMAP (IMP)."""

    max_line_bytes: int = setting(
        65_536, "Longest command line without its literals.", unit="bytes", at_least=8192, effect="new sessions"
    )
    max_append_bytes: int = setting(
        134_217_728, "Largest message for APPEND (APPENDLIMIT).", unit="bytes", at_least=1024, effect="new sessions"
    )
    idle_timeout_s: float = setting(
        1860.0, "Silence of a logged-in client (RFC 9051 §5.4: at least 30 minutes).", unit="s", at_least=60
    )
    login_timeout_s: float = setting(60.0, "Time to log in.", unit="s", at_least=5)
    max_connections: int = setting(10_000, "Open connections in one worker.", at_least=10)
    compress: bool = setting(True, "Offer COMPRESS=DEFLATE.", effect="new sessions")
    message_limit: int = setting(
        0, "Most messages that one command may be about (RFC 9738); 0: no limit, and none is announced.", at_least=0
    )
    url_submitters: tuple[str, ...] = setting(
        (), "Accounts of submission servers: they may fetch URLs that users signed for `submit+` (RFC 4467).", form=ADDRESS
    )


@dataclass(frozen=True, slots=True)
class PopSettings:
    """POP3 (POP-1)."""

    idle_timeout_s: float = setting(600.0, "Silence of a client (RFC 1939: at least 10 minutes).", unit="s", at_least=10)
    login_timeout_s: float = setting(180.0, "Time to log in.", unit="s", at_least=5)
    max_connections: int = setting(5_000, "Open connections in one worker.", at_least=10)


@dataclass(frozen=True, slots=True)
class SieveSettings:
    """Filters and ManageSieve (CON-3)."""

    max_redirects: int = setting(5, "Messages that one run of a script may send elsewhere.", at_least=0, at_most=100)
    max_run_s: float = setting(0.5, "Time that one run of a script may take.", unit="s", at_least=0.01, at_most=10)
    user_scripts: bool = setting(True, "Run the scripts of users; those of the system and of domains always run.")
    idle_timeout_s: float = setting(
        1800.0, "Silence of a ManageSieve client (RFC 5804 §1.4: at least 30 minutes).", unit="s", at_least=60
    )
    login_timeout_s: float = setting(60.0, "Time to log in to ManageSieve.", unit="s", at_least=5)
    max_connections: int = setting(1_000, "Open ManageSieve connections in one worker.", at_least=10)


@dataclass(frozen=True, slots=True)
class MailauthSettings:
    """Authentication of mail: SPF, DKIM, DMARC, ARC (MAU-1), and signing what leaves (OUT-8)."""

    verify: bool = setting(True, "Check SPF, DKIM and ARC of strangers' mail, and say so in Authentication-Results.")
    dmarc: str = setting(
        "mark",
        "What follows when a message fails DMARC: nothing is looked up; it is marked; it is refused where its domain asks"
        " for that; as its domain asks, which for quarantine makes it spam.",
        choices=("off", "mark", "reject", "enforce"),
    )
    dmarc_domains: tuple[str, ...] = setting(
        (),
        "Other answers to DMARC for single author domains, such as bank.example=enforce; subdomains too.",
        form=DOMAIN_POLICY,
    )
    spf_fail: str = setting(
        "mark", "What follows when SPF says fail for MAIL FROM and DMARC does not say pass.", choices=("mark", "reject")
    )
    trusted_sealers: tuple[str, ...] = setting(
        (), "Domains whose ARC seals may speak for forwarded mail that fails DMARC.", form=DOMAIN
    )
    authserv_id: str = setting("", "Our name in Authentication-Results; empty: smtp.hostname, or the node's name.", form=DOMAIN)
    timeout_s: float = setting(
        10.0, "Longest time that one message waits for DNS; then what is open counts as a temporary error.",
        unit="s", at_least=0.1, at_most=60,
    )  # fmt: skip
    sign: bool = setting(True, "Sign mail of logged-in senders whose domain has an active DKIM key.")


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """The mail store (STO)."""

    max_mailboxes: int = setting(10_000, "Mailboxes of one user.", at_least=10)
    max_mailbox_depth: int = setting(20, "Levels of a mailbox name.", at_least=1, at_most=100)
    trace_days: int = setting(30, "How long traces are kept.", unit="days", at_least=1)
    quota_bytes: int = setting(
        0, "Mail of one user; 0: no limit. Users, domains and classes of service may say otherwise.", unit="bytes", at_least=0
    )
    quota_messages: int = setting(0, "Messages of one user; 0: no limit.", at_least=0)
    quota_warning_percent: int = setting(
        90, "Part of a quota at which its user is told by mail; 0: never.", unit="percent", at_least=0, at_most=100
    )
    quota_grace_percent: int = setting(
        10, "How far mail from outside may go past a quota.", unit="percent", at_least=0, at_most=100
    )
    quota_grace_s: float = setting(604_800.0, "For how long it may, from the moment that it goes past.", unit="s", at_least=0)
    quota_full: str = setting(
        "temporary", "The answer to mail for a full mailbox: 452 or 552.", choices=("temporary", "permanent")
    )
    undelete_bytes: int = setting(
        100 << 20, "Deleted messages kept for one user, besides the quota; 0: they are gone at once.", unit="bytes", at_least=0
    )
    undelete_listed: bool = setting(False, "Show `Deleted Messages` in every list of mailboxes.")
    expire_trash_days: int = setting(0, "Days after which messages in Trash are deleted; 0: never.", unit="days", at_least=0)
    expire_junk_days: int = setting(0, "Days after which messages in Junk Mail are deleted; 0: never.", unit="days", at_least=0)
    max_annotations: int = setting(100, "Annotations of one mailbox, and of one user on the server.", at_least=0)
    max_annotation_bytes: int = setting(65_536, "Largest value of an annotation.", unit="bytes", at_least=1024)
    compression: bool = setting(True, "Compress new messages (zstd, with dictionaries learnt from this store's mail).")
    scrub_days: int = setting(
        7, "Days from one reading of all stored messages, to find damage, to the next; 0: never.", unit="days", at_least=0
    )
    vanished_days: int = setting(
        180,
        "How long it is remembered which messages are gone, for mail programs that were away (QRESYNC); 0: for ever.",
        unit="days",
        at_least=0,
    )


@dataclass(frozen=True, slots=True)
class SearchSettings:
    """The full-text index (STO-9)."""

    documents: bool = setting(True, "Read attached documents (PDF, Office, OpenDocument, RTF) for the index.")
    document_timeout_s: float = setting(10.0, "Longest time for one document.", unit="s", at_least=0.1, at_most=300)
    text_chars: int = setting(
        1 << 20, "Characters of one message that are indexed; a search reads longer ones.", at_least=1_000, at_most=16 << 20
    )


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """Certificates and TLS (TLS-1)."""

    certificate: str = setting("", "File with the certificate chain in PEM; empty: a self-made one.", effect="at once")
    private_key: str = setting("", "File with the private key in PEM; empty: it stands in the certificate's file.")
    sni_directory: str = setting("", "Folder with NAME.pem files (chain and key) for further host names (SNI).")
    minimum: str = setting("1.2", "Oldest TLS version accepted.", choices=("1.2", "1.3"), effect="new sessions")


@dataclass(frozen=True, slots=True)
class Settings:
    """One consistent snapshot of all settings. ``version`` grows by one with each change."""

    version: int = 0
    smtp: SmtpSettings = field(default_factory=SmtpSettings)
    auth: AuthSettings = field(default_factory=AuthSettings)
    route: RouteSettings = field(default_factory=RouteSettings)
    queue: QueueSettings = field(default_factory=QueueSettings)
    imap: ImapSettings = field(default_factory=ImapSettings)
    pop: PopSettings = field(default_factory=PopSettings)
    sieve: SieveSettings = field(default_factory=SieveSettings)
    mailauth: MailauthSettings = field(default_factory=MailauthSettings)
    store: StoreSettings = field(default_factory=StoreSettings)
    search: SearchSettings = field(default_factory=SearchSettings)
    tls: TlsSettings = field(default_factory=TlsSettings)

    def get(self, key: str) -> Value:
        """Raises NotFound for an unknown key."""
        spec_of(key)
        group, _, name = key.partition(".")
        value: Value = getattr(getattr(self, group), name)
        return value

    def with_value(self, key: str, value: Value) -> Settings:
        """A checked copy with one value changed, same version. Raises NotFound, BadValue."""
        spec_of(key).check(value)
        group, _, name = key.partition(".")
        return replace(self, **{group: changed(getattr(self, group), name, value)})


GROUPS: dict[str, type] = {
    "smtp": SmtpSettings,
    "auth": AuthSettings,
    "route": RouteSettings,
    "queue": QueueSettings,
    "imap": ImapSettings,
    "pop": PopSettings,
    "sieve": SieveSettings,
    "mailauth": MailauthSettings,
    "store": StoreSettings,
    "search": SearchSettings,
    "tls": TlsSettings,
}
CATALOGUE: dict[str, Spec] = {spec.key: spec for name, group in GROUPS.items() for spec in specs(name, group)}


def spec_of(key: str) -> Spec:
    """Raises NotFound for an unknown key."""
    try:
        return CATALOGUE[key.lower()]
    except KeyError:
        raise NotFound(f"no setting {key!r}; 'setting list' shows them all") from None
