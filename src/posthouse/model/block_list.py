"""DNS block lists: the zones that are asked, and what they say (NET-5). Sources: RFC 5782 (address and domain lists)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Action = Literal["reject", "tag"]
ZoneKind = Literal["address", "domain"]


@dataclass(frozen=True, slots=True)
class ListHit:
    """One list that names an address or a domain. ``code`` is its answer (``127.0.0.2``), ``text`` its TXT record or "";
    ``points`` are on the spam scale; ``what`` is the address or domain that was looked up."""

    zone: str
    what: str
    code: str
    text: str
    points: float
    action: Action
