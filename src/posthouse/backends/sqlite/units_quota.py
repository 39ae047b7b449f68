"""Units of work about the sums of accounts and domains: whose they are, made anew, and that a warning was written (STO-5)."""

from __future__ import annotations

from typing import Any

from posthouse.backends.sqlite.quota import belong
from posthouse.backends.sqlite.usage_schema import COUNTED
from posthouse.backends.sqlite.work import Row, Work
from posthouse.model.quota import DUE, TOLD

_SUMS = "size_bytes = ?, messages = ?, mailboxes = ?, deleted_bytes = ?, deleted_messages = ?"


def quota_belong(work: Work, arguments: list[Any]) -> None:
    """``[[account_id, domain_id], ...]``: accounts and their domains."""
    for account_id, domain_id in arguments[0]:
        belong(work, account_id, domain_id)


def quota_recount(work: Work, _arguments: list[Any]) -> int:
    """Makes all sums anew from the mailboxes; gives how many accounts' and domains' were wrong."""
    counted = {row[0]: row[1:] for row in work.all(COUNTED, ())}
    sql = "SELECT account_id, size_bytes, messages, mailboxes, deleted_bytes, deleted_messages FROM account_usage"
    kept = {row[0]: row[1:] for row in work.all(sql, ())}
    none: Row = (0, 0, 0, 0, 0)
    wrong = [key for key in counted.keys() | kept.keys() if counted.get(key, none) != kept.get(key)]
    for account_id in wrong:
        work.execute("INSERT OR IGNORE INTO account_usage (account_id) VALUES (?)", (account_id,))
        sums = counted.get(account_id, none)
        work.execute(f"UPDATE account_usage SET {_SUMS} WHERE account_id = ?", (*sums, account_id))
    return len(wrong) + _recount_domains(work)


def _recount_domains(work: Work) -> int:
    kept = set(work.all("SELECT * FROM domain_usage WHERE messages OR mailboxes OR size_bytes OR deleted_messages", ()))
    work.execute("DELETE FROM domain_usage")
    work.execute(
        "INSERT INTO domain_usage SELECT domain_id, sum(size_bytes), sum(messages), sum(mailboxes), sum(deleted_bytes),"
        " sum(deleted_messages) FROM account_usage WHERE domain_id <> 0 GROUP BY domain_id"
    )
    now = set(work.all("SELECT * FROM domain_usage WHERE messages OR mailboxes OR size_bytes OR deleted_messages", ()))
    return len({row[0] for row in kept ^ now})


def quota_warned(work: Work, arguments: list[Any]) -> None:
    """``[account_id]``: the warning that was due is written."""
    work.execute("UPDATE account_usage SET warning = ? WHERE account_id = ? AND warning = ?", (TOLD, arguments[0], DUE))
