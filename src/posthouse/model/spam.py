"""What spam scorers are asked and what they answer (CON-8), all on one scale.

50 points and more is spam, 300 and more is certain; a point of SpamAssassin's is ten here. Made by the antispam stage, answered
by every engine behind ``interfaces.scorer``, shown in headers, traces and digests.
"""

from __future__ import annotations

from dataclasses import dataclass

from msgspec import Struct

from posthouse.model.mail_authentication import AuthReport
from posthouse.model.summary import Summary

SPAM_POINTS = 50.0
CERTAIN_POINTS = 300.0
SITE_ID = 0
"""Owner of what the whole site has learnt; every other owner is an account."""


class RuleHit(Struct, frozen=True):
    """One rule's share. ``rule`` is a fixed word (capital letters, digits, ``_``), ``why`` are plain words, bounded."""

    rule: str
    points: float
    why: str


@dataclass(frozen=True, slots=True)
class SpamReport:
    """What one engine says. ``failed`` tells why it could say nothing, or not all; the settings say what happens then."""

    engine: str
    hits: tuple[RuleHit, ...]
    failed: str = ""

    @property
    def points(self) -> float:
        """The sum of the shares."""
        return sum(hit.points for hit in self.hits)


@dataclass(frozen=True, slots=True)
class ScoredMail:
    """A message with all that is known of its way in. ``summary`` is of ``content``.

    ``sender`` is the envelope's ("" for the null sender), ``recipients`` likewise. ``client_host`` is the verified name of
    ``client_address``, "" if there is none. ``dnsbl_hits`` are (zone, points) of the lists that name the client and only tag.
    ``account_id`` is whose learning is asked beside the site's; 0 where recipients are several or none is local.
    ``outgoing``: submitted by somebody of ours, not come from outside.
    """

    content: bytes
    summary: Summary
    sender: str = ""
    recipients: tuple[str, ...] = ()
    client_address: str = ""
    client_host: str = ""
    helo: str = ""
    auth: AuthReport | None = None
    dnsbl_hits: tuple[tuple[str, float], ...] = ()
    account_id: int = SITE_ID
    outgoing: bool = False
