"""What sites tell each other in aggregate: how mail in a domain's name fared (DMARC), how TLS with its hosts went (MON-5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from posthouse.model.mail_authentication import Policy

ReportKind = Literal["dmarc", "tls", "feedback"]


@dataclass(frozen=True, slots=True)
class DmarcSeen:
    """One message in the name of a domain that asks for reports. ``policy_domain`` is where ``record`` stands. ``disposition``
    is what was done; ``override`` why it was not what the domain asks for, "" if it was. ``spf`` is (domain, scope, result),
    ``dkim`` (domain, selector, result) for each signature."""

    policy_domain: str
    record: str
    header_from: str
    envelope_from: str
    client: str
    disposition: Policy
    dkim_aligned: bool
    spf_aligned: bool
    override: Literal["", "trusted_forwarder", "local_policy"] = ""
    spf: tuple[tuple[str, str, str], ...] = ()
    dkim: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class TlsSeen:
    """One session with a host under a policy. ``kind`` is sts, tlsa or no-policy-found; ``failure`` "" for success."""

    domain: str
    kind: Literal["sts", "tlsa", "no-policy-found"]
    lines: tuple[str, ...]
    hosts: tuple[str, ...]
    host: str = ""
    address: str = ""
    failure: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class ReportRow:
    """One line of a report that came in. For DMARC: ``source`` is the address that sent, ``result`` what was done with the
    mail, ``detail`` how it was authenticated. For TLS: ``source`` is the mail host, ``result`` success or the failure.
    For feedback: ``source`` is who complained, ``result`` about what, ``detail`` the message."""

    source: str
    count: int
    result: str
    passed: bool
    detail: str = ""


@dataclass(frozen=True, slots=True)
class ReceivedReport:
    """A report about ``domain``, one of ours, by ``organisation``; times in seconds since 1970. ``sender`` is the author's
    domain of the message that brought it, ``trusted`` whether that passed DMARC."""

    kind: ReportKind
    report_id: str
    organisation: str
    domain: str
    begins_at: int
    ends_at: int
    rows: tuple[ReportRow, ...]
    sender: str = ""
    trusted: bool = False
