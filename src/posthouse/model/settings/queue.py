"""Settings of the group ``queue``: the outbound queue (OUT-6)."""

from __future__ import annotations

from dataclasses import dataclass

from posthouse.base.settings import setting
from posthouse.model.settings.forms import ADDRESS, TLS_DOMAIN


@dataclass(frozen=True, slots=True)
class QueueSettings:
    """The outbound queue (OUT-6)."""

    lifetime_s: float = setting(432_000.0, "How long delivery is tried (5 days).", unit="s", at_least=60)
    warn_after_s: float = setting(14_400.0, "Delay after which the sender is told (4 h); 0: never.", unit="s", at_least=0)
    first_retry_s: float = setting(300.0, "First retry; intervals double from there.", unit="s", at_least=0.1)
    max_retry_s: float = setting(14_400.0, "Longest interval between retries.", unit="s", at_least=1)
    hold_max_s: float = setting(
        2_592_000.0,
        "How long a user may have a message held before it leaves (FUTURERELEASE; 30 days); 0: not at all.",
        unit="s",
        at_least=0,
        at_most=31_536_000,
    )
    hold_messages: int = setting(
        100, "Messages that one account may have waiting for a time that it gave (FUTURERELEASE); 0: no limit.", at_least=0
    )
    priority_max: int = setting(
        3,
        "The highest priority that a user's message may have (MT-PRIORITY); hosts that may relay have 9.",
        at_least=0,
        at_most=9,
    )
    concurrency: int = setting(100, "Deliveries at a time.", at_least=1, at_most=5000)
    concurrency_per_destination: int = setting(10, "Connections to one destination at a time.", at_least=1)
    rate_per_destination: int = setting(0, "Deliveries to one destination in a minute; 0: no limit.", at_least=0)
    messages_per_connection: int = setting(100, "Messages sent over one connection.", at_least=1)
    connection_keep_s: float = setting(5.0, "How long an idle connection is kept for the next message.", unit="s", at_least=0)
    tls: str = setting("opportunistic", "TLS to other servers.", choices=("opportunistic", "required", "off"))
    tls_domains: tuple[str, ...] = setting(
        (),
        "Other TLS to the hosts of single domains, such as bank.example=verify (a trusted certificate with the host's name) or"
        " old.example=off; subdomains too.",
        form=TLS_DOMAIN,
    )
    dane: bool = setting(
        True, "Keep to TLSA records (DANE) where the name server says that they are signed; it must be a trusted one."
    )
    sts: bool = setting(True, "Keep to the MTA-STS policies of other domains.")
    ca_file: str = setting("", "File of the certificates that other servers are trusted by, in PEM; empty: the system's.")
    port: int = setting(25, "Port of other servers.", at_least=1, at_most=65535)
    connect_timeout_s: float = setting(30.0, "Time to connect.", unit="s", at_least=1)
    command_timeout_s: float = setting(
        300.0, "Time for a reply; twice that for the verdict on a message.", unit="s", at_least=1
    )
    allow_loopback: bool = setting(False, "Deliver to MX hosts that resolve to loopback addresses; for tests and demos.")
    suppress_after: int = setting(
        3,
        "Times that a list's member must be unknown to its host until lists send there no more; 0: they always do.",
        at_least=0,
    )
    suppress_within_s: float = setting(2_592_000.0, "The time within which that counts (30 days).", unit="s", at_least=60)
    notify_doubtful: bool = setting(
        False, "Send notices also to senders whose address SPF or DMARC do not confirm, and to those of spam (backscatter)."
    )
    double_bounce: str = setting("", "Address that bounces of bounces go to; empty: they are dropped and logged.", form=ADDRESS)
