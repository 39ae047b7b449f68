"""Quotas inside a unit of work: what an account uses, and whether it may grow (STO-5). The decisions are ``model.quota``'s.

``allowed`` travels with the unit as ``model.limits.packed`` makes it; None: nothing is limited, and nothing is looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from posthouse.backends.sqlite.work import Work
from posthouse.model.limits import Allowance
from posthouse.model.quota import BY_USER, Growth, Standing, Usage, Way, after_growth

Packed = Sequence[Any] | None


def grow(work: Work, account_id: int, allowed: Packed, growth: Growth, way: Way = BY_USER) -> None:
    """Called before an account grows. Raises MailError if it may not; notes since when it is over, and a due warning."""
    if allowed is None:
        return
    allowance = Allowance(*allowed)
    row = work.one(
        "SELECT size_bytes, messages, mailboxes, over_since, warning, domain_id FROM account_usage WHERE account_id = ?",
        (account_id,),
    )
    size_bytes, messages, mailboxes, over_since, warning, domain_id = row or (0, 0, 0, 0.0, 0, 0)
    if domain_id != allowance.domain_id:
        belong(work, account_id, allowance.domain_id)
    before = Standing(over_since, warning)
    used = Usage(size_bytes, messages, mailboxes)
    after = after_growth(allowance, used, _domain(work, allowance), before, growth, work.now, way)
    if after is not before:
        work.execute(
            "UPDATE account_usage SET over_since = ?, warning = ? WHERE account_id = ?",
            (after.over_since, after.warning, account_id),
        )


def belong(work: Work, account_id: int, domain_id: int) -> None:
    """Notes an account's domain, whose sums then include it."""
    work.execute("INSERT OR IGNORE INTO account_usage (account_id) VALUES (?)", (account_id,))
    work.execute("UPDATE account_usage SET domain_id = ? WHERE account_id = ?", (domain_id, account_id))


def _domain(work: Work, allowance: Allowance) -> Usage:
    if not allowance.domain_quota_bytes and not allowance.domain_quota_messages:
        return Usage()
    row = work.one("SELECT size_bytes, messages FROM domain_usage WHERE domain_id = ?", (allowance.domain_id,))
    return Usage(*row) if row else Usage()
