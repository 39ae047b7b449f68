"""A domain's key for signing mail (OUT-8), and its way: next, active, retired."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Algorithm = Literal["rsa-sha256", "ed25519-sha256"]
KeyState = Literal["next", "active", "retired"]


@dataclass(frozen=True, slots=True)
class SigningKey:
    """``private_key`` is PKCS #8 in DER and never shown; ``public_key`` is the p= of its record (RFC 6376 §3.6.1).

    ``next``: published, not used yet. ``active``: mail is signed with it. ``retired``: no longer used, still published, so
    that mail on its way can be verified.
    """

    domain: str
    selector: str
    algorithm: Algorithm
    state: KeyState
    public_key: str
    changed_at: float
    private_key: bytes = field(repr=False, compare=False, default=b"")

    @property
    def record_name(self) -> str:
        """Where the record is published."""
        return f"{self.selector}._domainkey.{self.domain}"

    @property
    def record(self) -> str:
        """The text of the TXT record."""
        kind = "ed25519" if self.algorithm == "ed25519-sha256" else "rsa"
        return f"v=DKIM1; k={kind}; p={self.public_key}"

    @property
    def zone_line(self) -> str:
        """The record as a line of a zone file; its text in strings of at most 255 octets (RFC 6376 §3.6.2.2)."""
        strings = " ".join(f'"{self.record[start : start + 250]}"' for start in range(0, len(self.record), 250))
        return f"{self.record_name}. IN TXT ( {strings} )"
