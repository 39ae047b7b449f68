"""What a process holds of settings and certificates, kept up to date over the bus; no connection is dropped (ADM-5, TLS-1)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from posthouse.base import log
from posthouse.base.errors import MailError
from posthouse.interfaces.bus import Bus, Payload
from posthouse.model.settings import Settings
from posthouse.roles import certificates
from posthouse.servers.tls_contexts import TlsContexts

RETRY_S = 1.0

_log = log.get("settings")

Load = Callable[[], Awaitable[Settings]]


class Live:
    """``settings`` gives the current snapshot, ``contexts`` the current certificates."""

    def __init__(self, data: Path, load: Load) -> None:
        """``load`` reads the snapshot from where settings are kept."""
        self._data = data
        self._load = load
        self._snapshot = Settings()
        self._wanted = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._followers: list[Callable[[], object]] = []
        self.contexts = TlsContexts()

    def settings(self) -> Settings:
        """The current snapshot."""
        return self._snapshot

    async def start(self, bus: Bus) -> None:
        """Loads once, then again whenever the bus says so. Raises MailError when settings cannot be read at all."""
        for topic in ("settings", "reload", "lost"):
            bus.subscribe(topic, self._changed)
        await self.load()
        self._load_certificates()
        self._task = asyncio.create_task(self._follow())

    async def load(self) -> None:
        """Reads the snapshot."""
        self._snapshot = await self._load()
        for heard in self._followers:
            heard()

    def follow(self, heard: Callable[[], object]) -> None:
        """``heard`` is called now, and whenever the snapshot was read anew."""
        self._followers.append(heard)
        heard()

    async def close(self) -> None:
        """Follows no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _changed(self, _: Payload) -> None:
        self._wanted.set()

    async def _follow(self) -> None:
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            try:
                await self.load()
            except MailError as error:
                _log.error("settings-not-read", cause=error.cause)
                self._wanted.set()
                await asyncio.sleep(RETRY_S)
                continue
            self._load_certificates()

    def _load_certificates(self) -> None:
        """Bad files leave what is in use; at the start, the self-made certificate."""
        tls = self._snapshot.tls
        try:
            self.contexts.load(certificates.in_use(tls, self._data))
        except (OSError, ValueError) as error:
            _log.error("certificates-not-loaded", certificate=tls.certificate, why=str(error))
            if self.contexts.current() is None:
                self.contexts.load(certificates.self_made(self._data, tls.minimum))
