"""What a host that takes mail owes for its TLS: nothing, encryption, or a proof of who it is (OUT-7, RFC 7672, RFC 8461)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

PolicyKind = Literal["none", "site", "sts", "dane"]
"""As TLS reports name them, but ``site``: what the administrator demands of a domain."""
TlsFailure = Literal[
    "starttls-not-supported",
    "certificate-host-mismatch",
    "certificate-expired",
    "certificate-not-trusted",
    "validation-failure",
    "tlsa-invalid",
    "dnssec-invalid",
    "dane-required",
    "sts-policy-fetch-error",
    "sts-policy-invalid",
    "sts-webpki-invalid",
]
"""RFC 8460 §4.3."""


@dataclass(frozen=True, slots=True)
class Tlsa:
    """A TLSA record (RFC 6698 §2.1)."""

    usage: int
    selector: int
    matching: int
    data: bytes

    @property
    def is_usable(self) -> bool:
        """Whether mail may rely on it: DANE-TA and DANE-EE alone (RFC 7672 §3.1)."""
        sizes = {0: len(self.data), 1: 32, 2: 64}
        return self.usage in (2, 3) and self.selector in (0, 1) and 0 < len(self.data) == sizes.get(self.matching)

    def __str__(self) -> str:
        return f"{self.usage} {self.selector} {self.matching} {self.data.hex()}"


@dataclass(frozen=True, slots=True)
class TlsPolicy:
    """The policy that one host is met with. ``domain`` is the recipients'. ``enforced``: without the proof no mail is handed
    over; else failures are reported only (testing). ``records`` are DANE's; none of them usable: encryption alone is owed.
    ``base`` is the name at which they stand, "" if that is the host's own: where an alias of it leads (RFC 7672 §2.2.2).
    ``lines`` and ``hosts`` are the policy's text and patterns, for reports. Of the kind none with a ``domain``: that one has no
    policy, and wants to be told how TLS goes all the same.
    """

    kind: PolicyKind = "none"
    domain: str = ""
    enforced: bool = True
    records: tuple[Tlsa, ...] = ()
    lines: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    base: str = ""

    @property
    def by_name(self) -> bool:
        """Whether the host's certificate must be trusted and carry its name."""
        return self.kind in ("site", "sts")

    @property
    def by_record(self) -> bool:
        """Whether the host's certificate must match one of ``records``."""
        return self.kind == "dane" and any(record.is_usable for record in self.records)


NO_POLICY = TlsPolicy()


@dataclass(frozen=True, slots=True)
class TlsResult:
    """What one session with one host came to, for reports (RFC 8460). ``failure`` "" : it was as the policy asks."""

    policy: TlsPolicy
    host: str
    address: str
    failure: TlsFailure | Literal[""] = ""
    detail: str = ""
