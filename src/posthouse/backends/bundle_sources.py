"""Places that signed rules come from (interfaces/bundle_source.py): a folder of this machine, or a site on the web."""

from __future__ import annotations

import asyncio
from pathlib import Path
from urllib.parse import quote, urlsplit

from posthouse.base.errors import BadValue, Temporary
from posthouse.interfaces.bundle_source import BundleSource
from posthouse.interfaces.web_fetch import WebFetch


class FolderBundle:
    """``interfaces.bundle_source.BundleSource`` in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def read(self, name: str, *, limit_bytes: int) -> bytes:
        return await asyncio.to_thread(self._read, name, limit_bytes)

    def _read(self, name: str, limit_bytes: int) -> bytes:
        path = self._folder / name
        try:
            with path.open("rb") as file:
                octets = file.read(limit_bytes + 1)
        except OSError as error:
            raise Temporary("The rules cannot be read", cause=f"{path}: {error}") from error
        if len(octets) > limit_bytes:
            raise Temporary("The rules cannot be read", cause=f"{path} is longer than {limit_bytes} octets")
        return octets


class WebBundle:
    """``interfaces.bundle_source.BundleSource`` below an https address."""

    def __init__(self, web: WebFetch, host: str, folder: str) -> None:
        self._web = web
        self._host = host
        self._folder = folder.rstrip("/")

    async def read(self, name: str, *, limit_bytes: int) -> bytes:
        return await self._web.get(self._host, f"{self._folder}/{quote(name)}", limit_bytes=limit_bytes)


def bundle_source(place: str, web: WebFetch) -> BundleSource:
    """The source of the setting ``scorer.update_from``. Raises BadValue."""
    if place.startswith("https://"):
        try:
            parts = urlsplit(place)
            usable = bool(parts.hostname) and parts.port in (None, 443)
        except ValueError:
            usable = False
        if not usable or not parts.hostname:
            raise BadValue("Rules come from https://host/folder, without a port")
        return WebBundle(web, parts.hostname, parts.path)
    if not place.startswith("/"):
        raise BadValue("Rules come from https://host/folder, or a folder with its whole path")
    return FolderBundle(Path(place))
