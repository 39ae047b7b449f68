"""Where MTA-STS policies of other domains are kept between deliveries and over restarts (RFC 8461 §3.3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from posthouse.formats.mta_sts import StsPolicy


@dataclass(frozen=True, slots=True)
class KeptPolicy:
    """``policy_id`` is the record's it was fetched for; ``until`` is when it ends, in seconds since 1970."""

    policy_id: str
    policy: StsPolicy
    until: float

    @property
    def fetched_at(self) -> float:
        """When it was fetched."""
        return self.until - self.policy.max_age_s


class StsPolicies(Protocol):
    """One policy a domain. Raises Temporary when the store cannot be used."""

    async def kept(self, domain: str) -> KeptPolicy | None:
        """What was kept last, however old."""
        ...

    async def in_force(self, now: float, limit: int) -> Sequence[tuple[str, KeptPolicy]]:
        """Domains with their policies that have not ended, those that end soonest first."""
        ...

    async def keep(self, domain: str, kept: KeptPolicy) -> None:
        """In place of what was there. Policies of other domains that had ended when this one was fetched are dropped."""
        ...
