"""MTA-STS policies in ``outgoing.db``, the steward's alone (interfaces/sts_policies.py)."""

from __future__ import annotations

from collections.abc import Sequence

import apsw

from posthouse.backends.sqlite.database import DatabaseThread
from posthouse.formats.mta_sts import BadPolicy, StsPolicy, parse
from posthouse.interfaces.sts_policies import KeptPolicy


class SqliteStsPolicies:
    def __init__(self, database: DatabaseThread) -> None:
        self._database = database

    async def kept(self, domain: str) -> KeptPolicy | None:
        sql = "SELECT policy_id, policy, until FROM sts_policy WHERE domain = ?"
        row = await self._database.run(lambda db: db.execute(sql, (domain,)).fetchone())
        return _read(*row) if row is not None else None

    async def in_force(self, now: float, limit: int) -> Sequence[tuple[str, KeptPolicy]]:
        sql = "SELECT domain, policy_id, policy, until FROM sts_policy WHERE until > ? ORDER BY until LIMIT ?"
        rows = await self._database.run(lambda db: db.execute(sql, (now, limit)).fetchall())
        found = ((str(domain), _read(*rest)) for domain, *rest in rows)
        return [(domain, kept) for domain, kept in found if kept is not None]

    async def keep(self, domain: str, kept: KeptPolicy) -> None:
        values = (domain, kept.policy_id, _text(kept.policy), kept.until)

        def work(db: apsw.Connection) -> None:
            db.execute("DELETE FROM sts_policy WHERE until < ?", (kept.fetched_at,))
            db.execute("INSERT OR REPLACE INTO sts_policy VALUES (?, ?, ?, ?)", values)

        await self._database.write(work)


def _read(policy_id: object, policy: object, until: object) -> KeptPolicy | None:
    try:
        return KeptPolicy(str(policy_id), parse(str(policy).encode()), float(str(until)))
    except BadPolicy:
        return None


def _text(policy: StsPolicy) -> str:
    return "\n".join(policy.lines)
