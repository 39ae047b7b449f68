"""Expiry of a mailbox's messages: by age, by whether they were read, by number (STO-6).

The policy is kept with the mailbox as its annotation ``ENTRY`` (RFC 5464), so that clients, operations and the steward speak of
the same thing; its text is ``days=30 only=read keep=1000``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, cast

from posthouse.base.errors import BadValue

ENTRY = "/shared/vendor/posthouse/expire"
MAX_DAYS = 36_500
MAX_KEEP = 10_000_000
DAY_S = 86_400.0

Only = Literal["", "read", "unread"]


@dataclass(frozen=True, slots=True)
class Expiry:
    """Messages older than ``days`` (in this mailbox) go, and the oldest beyond ``keep``; 0: that rule is off.

    ``only``: just those that were read, or not read. A mailbox without any rule expires nothing.
    """

    days: int = 0
    keep: int = 0
    only: Only = ""

    @classmethod
    def parse(cls, text: str) -> Expiry:
        """Raises BadValue."""
        values = {"days": "0", "keep": "0", "only": ""}
        for word in text.split():
            name, found, value = word.partition("=")
            if not found or name not in values:
                raise BadValue("An expiry policy is written as days=30 only=read keep=1000")
            values[name] = value
        days, keep, only = values["days"], values["keep"], values["only"]
        if not (days.isascii() and days.isdigit() and keep.isascii() and keep.isdigit() and only in ("", "read", "unread")):
            raise BadValue("An expiry policy is written as days=30 only=read keep=1000")
        if len(days) > 5 or len(keep) > 8 or int(days) > MAX_DAYS or int(keep) > MAX_KEEP:
            raise BadValue(f"days is at most {MAX_DAYS}, keep at most {MAX_KEEP}")
        return cls(int(days), int(keep), cast(Only, only))

    def __str__(self) -> str:
        words = [f"days={self.days}"] if self.days else []
        words += [f"keep={self.keep}"] if self.keep else []
        words += [f"only={self.only}"] if self.only else []
        return " ".join(words)

    @property
    def is_on(self) -> bool:
        """Whether it ever expires anything."""
        return bool(self.days or self.keep)
