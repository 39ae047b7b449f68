"""Limits of users: as they were said at five places, and what follows from that for one account (STO-2, STO-5, STO-6, DIR-5).

What the user says wins over the user's class of service, that over the domain, that over the domain's class, that over the
site's settings. A domain's own quota is another thing: it holds for the sum over its users.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

from posthouse.base.errors import BadValue
from posthouse.model.settings import StoreSettings

MAX_CLASS_NAME = 64
MAX_LIMIT = 1 << 53


@dataclass(frozen=True, slots=True)
class Limits:
    """What one place says; None: nothing. 0 is no limit for quotas, off for undelete and expiry."""

    quota_bytes: int | None = None
    quota_messages: int | None = None
    quota_mailboxes: int | None = None
    undelete_bytes: int | None = None
    expire_trash_days: int | None = None
    expire_junk_days: int | None = None

    def said(self) -> dict[str, int]:
        """What is said, by name."""
        return {name: value for name in LIMIT_NAMES if (value := getattr(self, name)) is not None}

    def over(self, other: Limits) -> Limits:
        """Both together; where both say something, this one wins."""
        return replace(other, **self.said())

    def changed(self, changes: dict[str, int]) -> Limits:
        """With other values; a negative one means: says nothing any more. Raises BadValue for one too large."""
        if any(value > MAX_LIMIT for value in changes.values()):
            raise BadValue("A limit is too large")
        return replace(self, **{name: None if value < 0 else value for name, value in changes.items()})


LIMIT_NAMES: tuple[str, ...] = tuple(field.name for field in fields(Limits))


@dataclass(frozen=True, slots=True)
class ClassOfService:
    """A named set of limits that users and domains refer to."""

    name: str
    limits: Limits = Limits()


@dataclass(frozen=True, slots=True)
class UserTerms:
    """What is kept for one user: the class named ("" for none) and what is said for the user alone."""

    cos: str = ""
    limits: Limits = Limits()


@dataclass(frozen=True, slots=True)
class DomainTerms:
    """What is kept for one domain. ``limits`` and ``cos`` hold for each user; the quotas for all users together, 0 for none."""

    cos: str = ""
    limits: Limits = Limits()
    quota_bytes: int = 0
    quota_messages: int = 0


@dataclass(frozen=True, slots=True)
class Sources:
    """All that was said about one account, strongest first, and its domain's quotas."""

    domain_id: int
    said: tuple[Limits, ...]
    domain_quota_bytes: int = 0
    domain_quota_messages: int = 0


@dataclass(frozen=True, slots=True)
class Allowance:
    """What one account may use; 0 is no limit. The fields travel with units of work in this order, so all are numbers."""

    domain_id: int = 0
    quota_bytes: int = 0
    quota_messages: int = 0
    quota_mailboxes: int = 0
    domain_quota_bytes: int = 0
    domain_quota_messages: int = 0
    warning_percent: int = 0
    grace_percent: int = 0
    grace_s: float = 0.0
    permanent: bool = False
    undelete_bytes: int = 0
    expire_trash_days: int = 0
    expire_junk_days: int = 0

    @property
    def is_limited(self) -> bool:
        """Whether there is any quota to look at."""
        own = self.quota_bytes or self.quota_messages or self.quota_mailboxes
        return bool(own or self.domain_quota_bytes or self.domain_quota_messages)


UNLIMITED = Allowance()


def allowance(sources: Sources, site: StoreSettings) -> Allowance:
    """What follows from all that was said."""
    limits = Limits(
        quota_bytes=site.quota_bytes,
        quota_messages=site.quota_messages,
        quota_mailboxes=0,
        undelete_bytes=site.undelete_bytes,
        expire_trash_days=site.expire_trash_days,
        expire_junk_days=site.expire_junk_days,
    )
    for said in reversed(sources.said):
        limits = said.over(limits)
    return Allowance(
        domain_id=sources.domain_id,
        domain_quota_bytes=sources.domain_quota_bytes,
        domain_quota_messages=sources.domain_quota_messages,
        warning_percent=site.quota_warning_percent,
        grace_percent=site.quota_grace_percent,
        grace_s=site.quota_grace_s,
        permanent=site.quota_full == "permanent",
        **limits.said(),
    )


def packed(granted: Allowance) -> Sequence[int | float | bool] | None:
    """For a unit of work that makes an account grow: its ``Allowance`` field by field, or None if nothing is limited."""
    return [getattr(granted, name) for name in _FIELDS] if granted.is_limited else None


_FIELDS: tuple[str, ...] = tuple(field.name for field in fields(Allowance))


def checked_class_name(name: str) -> str:
    """A class's name as it is kept: lower case. Raises BadValue."""
    text = name.strip().lower()
    if not text or len(text) > MAX_CLASS_NAME or not text.replace("-", "").replace("_", "").isalnum():
        raise BadValue("the name of a class is made of letters, digits, - and _")
    return text
