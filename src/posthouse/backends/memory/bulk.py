"""Bulk signatures in memory (interfaces/bulk_signatures.py)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from posthouse.model.bulk import Report, Seen, Sighting, slot_of


class MemoryBulk:
    """Seen at once by whoever has this object."""

    def __init__(self) -> None:
        self._counts: dict[tuple[int, int], Seen] = {}
        self._reports: dict[tuple[int, int], Report] = {}

    async def seen(self, keys: Collection[int], since: float) -> Mapping[int, Seen]:
        wanted, found = set(keys), dict[int, Seen]()
        for (key, slot), counted in self._counts.items():
            if key in wanted and slot >= slot_of(since):
                known = found.get(key, Seen())
                found[key] = Seen(
                    known.messages + counted.messages, known.recipients + counted.recipients, known.clients | counted.clients
                )
        for (key, _), report in self._reports.items():
            if key in wanted:
                known = found.get(key, Seen())
                spam, ham = known.called_spam + report.spam, known.called_ham + (not report.spam)
                found[key] = replace(known, called_spam=spam, called_ham=ham)
        return found

    def note(self, sighting: Sighting) -> None:
        for key in sighting.keys:
            place = key, slot_of(sighting.at)
            known = self._counts.get(place, Seen())
            self._counts[place] = Seen(
                known.messages + 1, known.recipients + sighting.recipients, known.clients | 1 << sighting.client_bit
            )

    def report(self, report: Report) -> None:
        for key in report.keys:
            self._reports[key, report.account_id] = report

    async def expire(self, before: float, reports_before: float) -> int:
        old = [place for place in self._counts if place[1] < slot_of(before)]
        said = [place for place, report in self._reports.items() if report.at < reports_before]
        for place in old:
            del self._counts[place]
        for place in said:
            del self._reports[place]
        return len(old) + len(said)
