"""A place that signed rules come from (CON-10): a folder, or a site on the web."""

from __future__ import annotations

from typing import Protocol


class BundleSource(Protocol):
    """Files by name; ``/`` stands between folders. What is read is checked by the reader, not believed."""

    async def read(self, name: str, *, limit_bytes: int) -> bytes:
        """The whole file. Raises Temporary when it cannot be had or is longer than allowed."""
        ...
