"""Bulk signatures in Valkey or Redis, shared by all nodes of a site (interfaces/bulk_signatures.py, CON-9).

A hash for each signature, with fields for each hour: ``SLOT:m`` messages, ``SLOT:r`` recipients, ``SLOT:BIT`` a client's bit;
another hash for what users say, by account. Hashes end by themselves when nothing has been added for a month.
"""

from __future__ import annotations

from collections.abc import Awaitable, Collection, Mapping, Sequence
from typing import Any

import redis.asyncio
import redis.exceptions

from posthouse.backends.bulk_telling import BulkTelling, Counted
from posthouse.base.errors import Temporary
from posthouse.model.bulk import CLIENT_BITS, Report, Seen, Sighting, slot_of

PREFIX = "posthouse:bulk:"
SAID = "posthouse:bulk-said:"
CALL_S = 10.0
LIFETIME_S = 31 * 86_400
PAGE = 1_000


class ValkeyBulk:
    """``interfaces.bulk_signatures.BulkSignatures``. ``url``: redis://, rediss://, valkey:// or valkeys://."""

    def __init__(self, url: str) -> None:
        address = url.replace("valkey", "redis", 1) if url.startswith("valkey") else url
        options: dict[str, Any] = {"socket_timeout": CALL_S, "socket_connect_timeout": 5, "max_connections": 4}
        self._server = redis.asyncio.Redis.from_url(address, decode_responses=True, **options)
        self._telling = BulkTelling(self._write)

    async def seen(self, keys: Collection[int], since: float) -> Mapping[int, Seen]:
        chosen, first = list(keys), slot_of(since)
        pipe = self._server.pipeline(transaction=False)
        for key in chosen:
            pipe.hgetall(f"{PREFIX}{key}")
            pipe.hvals(f"{SAID}{key}")
        answers = await _answer(pipe.execute())
        found = {}
        for place, key in enumerate(chosen):
            seen = _seen(answers[2 * place], answers[2 * place + 1], first)
            if seen != Seen():
                found[key] = seen
        return found

    def note(self, sighting: Sighting) -> None:
        self._telling.tell(sighting)

    def report(self, report: Report) -> None:
        self._telling.tell(report)

    async def expire(self, before: float, reports_before: float) -> int:
        gone = 0
        async for name in self._names(f"{PREFIX}*"):
            fields = await _answer(self._server.hkeys(name))
            old = [field for field in fields if int(field.partition(":")[0]) < slot_of(before)]
            if old:
                await _answer(self._server.hdel(name, *old))
                gone += len({field.partition(":")[0] for field in old})
        async for name in self._names(f"{SAID}*"):
            said = await _answer(self._server.hgetall(name))
            old = [account for account, text in said.items() if float(text.partition(":")[2]) < reports_before]
            gone += int(await _answer(self._server.hdel(name, *old))) if old else 0
        return gone

    async def settle(self) -> None:
        """Returns when what was noted before is written."""
        await self._telling.settle()

    async def close(self) -> None:
        """Writes what waits and closes the connections."""
        await self._telling.settle()
        await self._server.aclose()

    async def _names(self, pattern: str) -> Any:
        cursor = 0
        while True:
            cursor, page = await _answer(self._server.scan(cursor, match=pattern, count=PAGE))
            for name in page:
                yield name
            if not cursor:
                return

    async def _write(self, sightings: Sequence[Counted], reports: Sequence[Report]) -> None:
        pipe = self._server.pipeline(transaction=False)
        for each in sightings:
            name = f"{PREFIX}{each.key}"
            pipe.hincrby(name, f"{each.slot}:m", each.seen.messages)
            pipe.hincrby(name, f"{each.slot}:r", each.seen.recipients)
            bits: dict[Any, Any] = {f"{each.slot}:{bit}": 1 for bit in range(CLIENT_BITS) if each.seen.clients >> bit & 1}
            pipe.hset(name, mapping=bits)
            pipe.expire(name, LIFETIME_S)
        for report in reports:
            name = f"{SAID}{report.keys[0]}"
            pipe.hset(name, str(report.account_id), f"{int(report.spam)}:{report.at!r}")
            pipe.expire(name, LIFETIME_S)
        await _answer(pipe.execute())


def _seen(fields: Mapping[str, str], said: Sequence[str], first: int) -> Seen:
    messages = recipients = clients = 0
    for field, value in fields.items():
        slot, _, what = field.partition(":")
        if int(slot) < first:
            continue
        if what == "m":
            messages += int(value)
        elif what == "r":
            recipients += int(value)
        else:
            clients |= 1 << int(what)
    spam = sum(text.startswith("1:") for text in said)
    return Seen(messages, recipients, clients, spam, len(said) - spam)


async def _answer(question: Awaitable[Any]) -> Any:
    try:
        return await question
    except (redis.exceptions.RedisError, OSError) as error:
        raise Temporary("Database trouble, try again later", cause=f"Valkey: {' '.join(str(error).split())[:300]}") from error
