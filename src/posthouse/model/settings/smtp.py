"""Settings of the group ``smtp``: receiving: SMTP, LMTP, submission (chapters NET and INB)."""

from __future__ import annotations

from dataclasses import dataclass

from posthouse.base.settings import setting
from posthouse.model.settings.forms import DOMAIN, NETWORK, RECIPIENT_SOURCE


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
    trusted_networks: tuple[str, ...] = setting((), "Networks exempt from connection limits and tarpits.", form=NETWORK)
    tarpit_s: float = setting(
        5.0, "How long replies to a client wait whose address has no verified name (NET-2); 0: none.", unit="s", at_least=0,
        at_most=60,
    )  # fmt: skip
    helo_check: bool = setting(True, "Refuse malformed greetings, and strangers that greet by this node's name (INB-1).")
    helo_mismatch: str = setting(
        "record", "A greeting that is not the verified name of the client's address (INB-1).", choices=("record", "reject")
    )
    sender_check: bool = setting(True, "Refuse senders whose domain does not exist or takes no mail (INB-4).")
    recipient_check: tuple[str, ...] = setting(
        (),
        "Who must know recipients of routed domains (INB-5): routes, directory, ldap (asked in any case where"
        " a server is used for recipients), call-forward (their host); empty: nobody else.",
        form=RECIPIENT_SOURCE,
    )
    recipient_check_failure: str = setting("defer", "A recipient that cannot be checked.", choices=("defer", "accept"))
    call_forward_timeout_s: float = setting(10.0, "How long a call-forward waits for the next host.", unit="s", at_least=0.1)
    call_forward_keep_s: float = setting(7200.0, "How long a known recipient is not asked about again.", unit="s", at_least=0)
    call_forward_keep_unknown_s: float = setting(
        300.0, "How long an unknown recipient is not asked about again.", unit="s", at_least=0
    )
    unknown_recipient_s: float = setting(
        900.0,
        "How long a recipient is refused whom the host of its routed domain has refused as unknown (GRY-6); 0: not at all.",
        unit="s", at_least=0,
    )  # fmt: skip
    harvest_free: int = setting(
        5, "Unknown recipients that a client may name before its commands are delayed (INB-5).", at_least=0
    )
    harvest_delay_s: float = setting(
        1.0, "Delay after the first unknown recipient too many; it doubles with each; 0: none.", unit="s", at_least=0
    )
    harvest_delay_max_s: float = setting(30.0, "Longest delay for trying out addresses.", unit="s", at_least=0, at_most=120)
    harvest_memory_s: float = setting(600.0, "How long unknown recipients are held against a client.", unit="s", at_least=1)
    proxy_networks: tuple[str, ...] = setting(
        (), "Balancers that speak the PROXY protocol (DEP-6).", effect="new sessions", form=NETWORK
    )
    max_connections: int = setting(1000, "Open connections of one service in one worker; past them 421.", at_least=10)
    memory_bytes: int = setting(
        256 << 20, "Message bytes being received in one worker; past them 452.", unit="bytes", at_least=1 << 20
    )
