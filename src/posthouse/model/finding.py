"""One thing that a check of the node or of its surroundings found (PLN-2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "note", "warning", "wrong", "unknown"]
Area = Literal["host", "domain", "certificate", "port", "clock", "disk", "reputation", "directory"]


@dataclass(frozen=True, slots=True)
class Finding:
    """``subject`` is what was looked at (a host, a domain, a port), ``found`` what is so, ``advice`` what to do about it, ""
    where nothing is to be done. ``note``: it works without; ``warning``: some mail or someone will have trouble; ``wrong``: it
    cannot work; ``unknown``: it could not be looked at.
    """

    area: Area
    subject: str
    state: State
    found: str
    advice: str = ""
