"""What an engine said about the objects of one message, put together into a report."""

from __future__ import annotations

import asyncio

from posthouse.model.scan import WHOLE, Infection, ScannedPart, ScanReport, Unscanned, reported

IN_THREAD_BYTES = 256 << 10


async def decoded(part: ScannedPart) -> bytes:
    """Its octets; those of a large part are decoded in a thread."""
    return await asyncio.to_thread(part.read) if part.encoded_bytes > IN_THREAD_BYTES else part.read()


class Findings:
    """Filled object by object."""

    def __init__(self) -> None:
        self.unscanned: dict[str, Unscanned] = {}
        self._infections: list[Infection] = []
        self._cleaned: dict[str, bytes] = {}

    def found(self, section: str, name: str, cleaned: bytes | None = None) -> None:
        """A name that the engine gave for what it found in an object, and what it made of it."""
        what = reported(name, section)
        if isinstance(what, Infection):
            self._infections.append(what)
            if cleaned is not None:
                self._cleaned[section] = cleaned
        else:
            self.unscanned.setdefault(*what)

    def seen_in_parts(self) -> None:
        """The whole message was too large, but every part of it was looked at by itself: that is as good."""
        self.unscanned.pop(WHOLE, None)

    def report(self) -> ScanReport:
        """An infection that is known by its part is not told of the whole message again."""
        placed = {each.name for each in self._infections if each.section != WHOLE}
        infections = tuple(each for each in dict.fromkeys(self._infections) if each.section != WHOLE or each.name not in placed)
        return ScanReport(infections, tuple(self.unscanned.items()), tuple(self._cleaned.items()))
