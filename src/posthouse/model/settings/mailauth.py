"""Settings of the group ``mailauth``: SPF, DKIM, DMARC, ARC (MAU-1), and signing what leaves (OUT-8)."""

from __future__ import annotations

from dataclasses import dataclass

from posthouse.base.settings import setting
from posthouse.model.settings.forms import DOMAIN, DOMAIN_POLICY


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
    bimi: bool = setting(
        True,
        "Name the picture that a domain publishes by BIMI, in BIMI-Location, for mail that passes its strict DMARC policy.",
    )
    trusted_sealers: tuple[str, ...] = setting(
        (), "Domains whose ARC seals may speak for forwarded mail that fails DMARC.", form=DOMAIN
    )
    authserv_id: str = setting("", "Our name in Authentication-Results; empty: smtp.hostname, or the node's name.", form=DOMAIN)
    timeout_s: float = setting(
        10.0, "Longest time that one message waits for DNS; then what is open counts as a temporary error.",
        unit="s", at_least=0.1, at_most=60,
    )  # fmt: skip
    srs: bool = setting(True, "Rewrite the sender of forwarded mail (SRS), so that SPF of its domain does not fail further on.")
    seal: bool = setting(True, "Add an ARC seal to forwarded mail, if the forwarding domain has an active DKIM key.")
    sign: bool = setting(True, "Sign mail of logged-in senders whose domain has an active DKIM key.")
