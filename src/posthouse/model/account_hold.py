"""An account whose sending is stopped, and the signs of a stolen password (OUT-5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Sign = Literal["messages", "recipients", "bounces", "spam", "networks", "clients", "by-hand"]
"""Which measure was passed; ``by-hand``: an administrator said so."""
WATCH = "watch"
"""Who holds an account when the node does it by itself."""


@dataclass(frozen=True, slots=True)
class Breach:
    """A measure that an account has passed; ``why`` in plain words."""

    sign: Sign
    why: str


@dataclass(frozen=True, slots=True)
class AccountHold:
    """``account`` is its address in lower case; ``who`` held it, ``WATCH`` or an administrator; ``client`` is the address that
    the last message came from, "" where that is not known. ``released_at`` is 0 while it is held. Times in seconds since 1970.
    """

    account_id: int
    account: str
    since: float
    sign: Sign
    why: str
    client: str = ""
    who: str = WATCH
    released_at: float = 0.0
    released_by: str = ""
