"""MTA-STS policies in ``outgoing.db``, the steward's alone (interfaces/sts_policies.py)."""

from __future__ import annotations

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
        if row is None:
            return None
        try:
            return KeptPolicy(str(row[0]), parse(str(row[1]).encode()), float(row[2]))
        except BadPolicy:
            return None

    async def keep(self, domain: str, kept: KeptPolicy) -> None:
        values = (domain, kept.policy_id, _text(kept.policy), kept.until)

        def work(db: apsw.Connection) -> None:
            db.execute("DELETE FROM sts_policy WHERE until < ?", (kept.fetched_at,))
            db.execute("INSERT OR REPLACE INTO sts_policy VALUES (?, ?, ?, ?)", values)

        await self._database.write(work)


def _text(policy: StsPolicy) -> str:
    return "\n".join(policy.lines)
