"""Hands in units of work that carry contents: packs them (``parcels.py``), compressed when ``store.compression`` is on (STO-7).

Runs in the process that has the message, so that the writing thread does nothing but write. Contents for the database are
compressed on the loop (128 KiB take about 0.1 ms); large ones go to their files in a thread before the unit is handed in.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from posthouse.backends.room import Room
from posthouse.backends.sqlite.blob_files import BlobFiles
from posthouse.backends.sqlite.coding import RAW, Encoder
from posthouse.backends.sqlite.local_gate import Gate
from posthouse.backends.sqlite.parcels import IN_FILE_BYTES, parcel
from posthouse.backends.sqlite.reader import MailReading
from posthouse.backends.sqlite.units_bodies import BLOB_MISSING, DICTIONARY_GONE
from posthouse.backends.sqlite.work import blob_folder
from posthouse.base.errors import MailError, Temporary
from posthouse.model.summary import Summary

LOOK_S = 60.0  # how often to look for a new dictionary


class Packer:
    """For the database at ``path``, on one loop. ``on``: whether new contents are compressed. ``room`` is to be asked by who
    takes new mail; what the node itself must write down is written as long as it can be."""

    def __init__(
        self, path: Path, on: Callable[[], bool] = lambda: True, min_free_bytes: Callable[[], int] = lambda: 0
    ) -> None:
        self.room = Room(path.parent, min_free_bytes)
        self.blobs = BlobFiles(blob_folder(path))
        self.on = on
        self._reading = MailReading(path)
        self._encoder = Encoder()
        self._look_at = 0.0

    async def call(
        self,
        gate: Gate,
        kind: str,
        contents: Sequence[tuple[bytes, Summary]],
        arguments: Callable[[list[list[Any]]], Any],
    ) -> Any:
        """Calls a unit that names ``contents``, the large ones being made durable in files first.

        A file may be swept between being found and being named, if it was nobody's for long; then it is written again.
        """
        compress = self.on()
        large = [(summary.digest, content) for content, summary in contents if summary.size_bytes >= IN_FILE_BYTES]
        for attempt in (1, 2):
            parcels = [parcel(content, summary, *self._encoded(content, summary, compress)) for content, summary in contents]
            octets = sum(len(packed[2]) for packed in parcels if packed[2] is not None) + 1000 * len(parcels)
            for digest, content in large:
                await asyncio.to_thread(self.blobs.write, digest, content, compress=compress)
            try:
                return await gate.call(kind, arguments(parcels), octets)
            except Temporary as error:
                if error.cause not in (BLOB_MISSING, DICTIONARY_GONE) or attempt == 2:
                    raise
                compress = compress and error.cause != DICTIONARY_GONE
        raise AssertionError("the loop ends by return or raise")

    def _encoded(self, content: bytes, summary: Summary, compress: bool) -> tuple[int, bytes | None]:  # noqa: FBT001
        if summary.size_bytes >= IN_FILE_BYTES:
            return RAW, None
        if not compress:
            return RAW, content
        if time.monotonic() >= self._look_at:
            self._look()
        return self._encoder.encode(content)

    def _look(self) -> None:
        """Takes up the newest dictionary, over a connection for the moment; when the database cannot be read it stays."""
        self._look_at = time.monotonic() + LOOK_S
        try:
            found = self._reading.newest_dictionary(self._encoder.dictionary_id)
        except MailError:
            return
        finally:
            self._reading.close()
        if found:
            self._encoder = Encoder(*found)
