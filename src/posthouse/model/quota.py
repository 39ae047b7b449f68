"""Quotas: what an account uses, whether it may use more, when its owner is to be warned (STO-5, RFC 9208).

Pure decisions, which both mail stores carry out inside the transaction that makes an account grow. Only growth is refused:
reading, moving within an account and deleting work when it is full. IMAP stops at the quota; mail from outside may go past it
by the grace percentage for the grace time, then it is refused too.
"""

from __future__ import annotations

from dataclasses import dataclass

from posthouse.base.errors import MailError, Permanent, Temporary
from posthouse.model.limits import Allowance

ARMED, DUE, TOLD = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Usage:
    """What is used, without deleted messages; those are ``deleted_bytes`` and ``deleted_messages`` (STO-2)."""

    size_bytes: int = 0
    messages: int = 0
    mailboxes: int = 0
    deleted_bytes: int = 0
    deleted_messages: int = 0


@dataclass(frozen=True, slots=True)
class Growth:
    """What a change adds."""

    size_bytes: int = 0
    messages: int = 0
    mailboxes: int = 0


@dataclass(frozen=True, slots=True)
class Standing:
    """What an account's past says: since when it is over its quota (0: it is not), and whether its owner was warned.

    ``warning`` goes from ARMED to DUE when the warning percentage is crossed, to TOLD when the mail is written, and back when
    the account is found below again.
    """

    over_since: float = 0.0
    warning: int = ARMED


@dataclass(frozen=True, slots=True)
class Way:
    """How mail comes: by ``delivery`` from outside, or by the user. ``forced``: in any case, since refusing it would take mail
    away from others."""

    delivery: bool = False
    forced: bool = False


BY_USER = Way()


def after_growth(
    allowed: Allowance, used: Usage, domain: Usage, standing: Standing, growth: Growth, now: float, way: Way = BY_USER
) -> Standing:
    """The account's standing once it has grown. Raises MailError if it may not: OVERQUOTA, or the mail server's 452 or 552."""
    before = _standing(allowed, used, standing, now)
    grown = Usage(used.size_bytes + growth.size_bytes, used.messages + growth.messages, used.mailboxes + growth.mailboxes)
    problem = None if way.forced else refusal(allowed, used, domain, before, growth, now, delivery=way.delivery)
    if problem is not None:
        raise problem
    return _standing(allowed, grown, before, now)


def refusal(
    allowed: Allowance, used: Usage, domain: Usage, standing: Standing, growth: Growth, now: float, *, delivery: bool
) -> MailError | None:
    """Why the account may not grow so, or None."""
    grace = 100
    if delivery and now - (standing.over_since or now) < allowed.grace_s:
        grace += allowed.grace_percent
    checks = (
        (allowed.quota_bytes, used.size_bytes, growth.size_bytes, "The mailbox is full"),
        (allowed.quota_messages, used.messages, growth.messages, "The mailbox has too many messages"),
        (allowed.domain_quota_bytes, domain.size_bytes, growth.size_bytes, "The mail storage of the domain is full"),
        (allowed.domain_quota_messages, domain.messages, growth.messages, "The domain has too many messages"),
    )
    for limit, present, more, text in checks:
        if limit and more > 0 and (present + more) * 100 > limit * grace:
            return over_quota(text, permanent=allowed.permanent or not delivery)
    if allowed.quota_mailboxes and growth.mailboxes and used.mailboxes + growth.mailboxes > allowed.quota_mailboxes:
        return over_quota("Too many mailboxes", permanent=True)
    return None


def over_quota(text: str, *, permanent: bool) -> MailError:
    """RFC 3463 §3.3: X.2.2; RFC 9208 §4.3.1: OVERQUOTA."""
    if permanent:
        return Permanent(text, code=552, enhanced="5.2.2", imap_code="OVERQUOTA")
    return Temporary(text, code=452, enhanced="4.2.2", imap_code="OVERQUOTA")


def used_percent(allowed: Allowance, used: Usage) -> int:
    """The fuller of bytes and messages, rounded down; 0 without limits."""
    pairs = ((allowed.quota_bytes, used.size_bytes), (allowed.quota_messages, used.messages))
    return max(present * 100 // limit if limit else 0 for limit, present in pairs)


def _standing(allowed: Allowance, used: Usage, standing: Standing, now: float) -> Standing:
    """The standing of an account that uses so much: times and warnings are re-armed below, begun above."""
    over = bool(allowed.quota_bytes and used.size_bytes > allowed.quota_bytes)
    over = over or bool(allowed.quota_messages and used.messages > allowed.quota_messages)
    over_since = (standing.over_since or now) if over else 0.0
    warning = standing.warning
    if not allowed.warning_percent or used_percent(allowed, used) < allowed.warning_percent:
        warning = ARMED
    elif warning == ARMED:
        warning = DUE
    if over_since == standing.over_since and warning == standing.warning:
        return standing
    return Standing(over_since, warning)
