"""Settings of the group ``greylist``: strangers are asked to come back (GRY)."""

from __future__ import annotations

from dataclasses import dataclass

from posthouse.base.settings import setting
from posthouse.model.settings.forms import EXEMPT_RECIPIENT, NETWORK, SENDER_OR_NETWORK, SHARED_DATABASE


@dataclass(frozen=True, slots=True)
class GreylistSettings:
    """Greylisting (GRY): mail of strangers is put off once; who comes back in time is let in."""

    mode: str = setting(
        "off", "Off; learning, which decides and records but delays nothing; or on.", choices=("off", "learning", "on")
    )
    earliest_s: float = setting(300.0, "A retry sooner than this still waits.", unit="s", at_least=0)
    latest_s: float = setting(43_200.0, "A retry later than this starts again.", unit="s", at_least=1)
    lifetime_s: float = setting(
        36 * 86_400.0, "A triplet that came back is let in at once until it is unused for this long.", unit="s", at_least=1
    )
    ignore_recipient: bool = setting(False, "Compare client and sender alone.")
    ipv4_bits: int = setting(24, "Leading bits of an IPv4 client address that are compared.", at_least=8, at_most=32)
    ipv6_bits: int = setting(64, "Leading bits of an IPv6 client address that are compared.", at_least=16, at_most=128)
    variable_senders: bool = setting(
        True, "Count senders as one that differ in what VERP, BATV and SRS put in anew for each message."
    )
    null_sender: str = setting(
        "rcpt",
        "Bounces and callouts (MAIL FROM:<>): they wait at RCPT like others; at the end of the message, so that"
        " callouts, which send none, succeed; or they never wait.",
        choices=("rcpt", "message", "exempt"),
    )
    allowed_senders: tuple[str, ...] = setting(
        (), "Who never waits: sender addresses, domains of senders or of verified client names, client networks.",
        form=SENDER_OR_NETWORK,
    )  # fmt: skip
    exempt_recipients: tuple[str, ...] = setting(
        ("postmaster@", "abuse@"),
        "Whose mail never waits: addresses, domains, or local parts in any domain, such as postmaster@.",
        form=EXEMPT_RECIPIENT,
    )
    exempt_clients: tuple[str, ...] = setting(
        ("127.0.0.0/8", "::1"), "Networks whose clients never wait, beside smtp.trusted_networks.", form=NETWORK
    )
    exempt_authenticated: bool = setting(True, "Clients that logged in never wait.")
    exempt_relays: bool = setting(True, "Relay-listed clients never wait.")
    exempt_spf: bool = setting(False, "Senders whose domain's SPF record lets this client send never wait.")
    exempt_reputation: int = setting(
        5,
        "Messages with an aligned DKIM signature after which a domain's mail never waits where it came from, or wherever"
        " SPF passes; 0: never.",
        at_least=0,
    )
    auto_allow: int = setting(5, "Valid triplets after which a client's mail never waits; 0: never.", at_least=0)
    spf_timeout_s: float = setting(3.0, "How long RCPT waits for SPF where that could let it in.", unit="s", at_least=0.1)
    database: str = setting(
        "",
        "Where triplets are kept: empty, in the node; postgresql://... or redis://... (valkey://...), shared by gateways.",
        form=SHARED_DATABASE,
    )
    timeout_s: float = setting(
        1.0, "How long the database may take; then mail is let in, and the trace says so.", unit="s", at_least=0.05, at_most=30
    )
    max_waiting_per_network: int = setting(
        10_000, "Triplets of one client network that may wait; past them its oldest are forgotten.", at_least=10
    )
    max_triplets: int = setting(5_000_000, "Triplets kept in all; past them those are forgotten that end first.", at_least=1000)
    statistics_days: int = setting(90, "How long daily statistics are kept.", unit="days", at_least=1)
