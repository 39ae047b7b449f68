"""What sites tell each other: in aggregate, how mail in a domain's name fared (DMARC) and how TLS with its hosts went; one by
one, what was complained of and which message failed authentication (MON-5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from posthouse.model.mail_authentication import Policy

ReportKind = Literal["dmarc", "tls", "feedback", "failure"]
AuthFailure = Literal["dmarc", "signature", "bodyhash", "spf"]
"""What failed, in the words of RFC 6591 §3.1 and RFC 9991."""


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
class FailureSeen:
    """One message that failed, of which the author's domain wants to be told by itself. ``policy_domain`` is where it says so,
    ``to`` the ``mailto:`` addresses that it names. ``results`` is the one entry of Authentication-Results that it is about,
    ``aligned`` the methods that spoke for the author all the same. ``signature`` is the (domain, identity, selector) of the
    signature that it is about, ``spf_domain`` whose record was asked. ``header`` is what may be shown of the message."""

    policy_domain: str
    to: tuple[str, ...]
    author: str
    failure: AuthFailure
    client: str
    mail_from: str
    at: float
    results: str
    aligned: tuple[str, ...]
    refused: bool
    header: bytes
    signature: tuple[str, str, str] = ("", "", "")
    spf_domain: str = ""


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
    For feedback: ``source`` is who complained, ``result`` about what, ``detail`` the message. For failure: ``source`` is the
    address that sent, ``result`` what failed."""

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
