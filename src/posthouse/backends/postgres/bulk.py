"""Bulk signatures in PostgreSQL, shared by all nodes of a site (interfaces/bulk_signatures.py, CON-9).

Commits do not wait for the server's disk: what its death loses is a moment's counts.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from posthouse.backends.bulk_telling import BulkTelling, Counted
from posthouse.backends.postgres.link import PostgresLink
from posthouse.model.bulk import Report, Seen, Sighting, slot_of

MIGRATIONS: tuple[str, ...] = (
    """
CREATE TABLE bulk_sighting (
    key bigint NOT NULL,
    slot bigint NOT NULL,
    messages bigint NOT NULL,
    recipients bigint NOT NULL,
    clients bigint NOT NULL,
    PRIMARY KEY (key, slot)
);
CREATE INDEX bulk_sighting_by_slot ON bulk_sighting (slot);
CREATE TABLE bulk_report (
    key bigint NOT NULL,
    account_id bigint NOT NULL,
    spam boolean NOT NULL,
    at double precision NOT NULL,
    PRIMARY KEY (key, account_id)
);
CREATE INDEX bulk_report_by_time ON bulk_report (at);
""",
)
_ADD = (
    "INSERT INTO bulk_sighting SELECT * FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[])"
    " ON CONFLICT (key, slot) DO UPDATE SET messages = bulk_sighting.messages + excluded.messages,"
    " recipients = bulk_sighting.recipients + excluded.recipients, clients = bulk_sighting.clients | excluded.clients"
)
_SAY = (
    "INSERT INTO bulk_report SELECT * FROM unnest(%s::bigint[], %s::bigint[], %s::boolean[], %s::double precision[])"
    " ON CONFLICT (key, account_id) DO UPDATE SET spam = excluded.spam, at = excluded.at"
)
_SEEN = (
    "SELECT key, sum(messages)::bigint, sum(recipients)::bigint, bit_or(clients) FROM bulk_sighting"
    " WHERE key = ANY(%s::bigint[]) AND slot >= %s GROUP BY key"
)
_SAID = (
    "SELECT key, count(*) FILTER (WHERE spam), count(*) FILTER (WHERE NOT spam) FROM bulk_report"
    " WHERE key = ANY(%s::bigint[]) GROUP BY key"
)
_EXPIRE = (
    "WITH a AS (DELETE FROM bulk_sighting WHERE slot < %s RETURNING 1),"
    " b AS (DELETE FROM bulk_report WHERE at < %s RETURNING 1)"
    " SELECT (SELECT count(*) FROM a) + (SELECT count(*) FROM b)"
)


class PostgresBulk:
    """``interfaces.bulk_signatures.BulkSignatures``. ``url`` is a connection URI; several hosts in it are tried in order."""

    def __init__(self, url: str) -> None:
        self._link = PostgresLink(url, "bulk", MIGRATIONS, ("SET synchronous_commit = off",))
        self._telling = BulkTelling(self._write)

    async def seen(self, keys: Collection[int], since: float) -> Mapping[int, Seen]:
        chosen = list(keys)
        rows = await self._link.run(_SEEN, (chosen, slot_of(since)))
        found = {key: Seen(messages, recipients, clients) for key, messages, recipients, clients in rows}
        for key, spam, ham in await self._link.run(_SAID, (chosen,)):
            found[key] = replace(found.get(key, Seen()), called_spam=spam, called_ham=ham)
        return found

    def note(self, sighting: Sighting) -> None:
        self._telling.tell(sighting)

    def report(self, report: Report) -> None:
        self._telling.tell(report)

    async def expire(self, before: float, reports_before: float) -> int:
        [(count,)] = await self._link.run(_EXPIRE, (slot_of(before), reports_before))
        return int(count)

    async def settle(self) -> None:
        """Returns when what was noted before is written."""
        await self._telling.settle()

    async def close(self) -> None:
        """Writes what waits and closes the connection."""
        await self._telling.settle()
        await self._link.close()

    async def _write(self, sightings: Sequence[Counted], reports: Sequence[Report]) -> None:
        if sightings:
            ordered = sorted(
                sightings, key=lambda each: (each.key, each.slot)
            )  # so that two writers cannot lock each other out
            seen = [each.seen for each in ordered]
            columns = ([each.messages for each in seen], [each.recipients for each in seen], [each.clients for each in seen])
            await self._link.run(_ADD, ([each.key for each in ordered], [each.slot for each in ordered], *columns))
        if reports:
            said = sorted(reports, key=lambda each: (each.keys, each.account_id))
            keys, accounts = [each.keys[0] for each in said], [each.account_id for each in said]
            await self._link.run(_SAY, (keys, accounts, [each.spam for each in said], [each.at for each in said]))
