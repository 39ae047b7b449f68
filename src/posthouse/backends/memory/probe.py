"""Surroundings as a test wants them (interfaces/probe.py)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from posthouse.base.errors import Temporary
from posthouse.interfaces.probe import Disk, ServedTls
from posthouse.model.tls_policy import Tlsa


@dataclass
class MemoryProbe:
    """``ports`` are those that can be reached, with their greetings; ``offset_s`` None: no time server answers."""

    ports: dict[tuple[str, int], str] = field(default_factory=dict)
    offset_s: float | None = 0.0
    servers: Sequence[tuple[str, bool, bool]] = ()
    found: Disk = field(default_factory=lambda: Disk("ext4", 0.004, locks=True, free_bytes=1 << 40, total_bytes=1 << 41))

    async def greeting(self, host: str, port: int) -> str:
        try:
            return self.ports[(host, port)]
        except KeyError:
            raise Temporary("No connection", cause=f"{host}:{port}: refused") from None

    async def mail_tls(
        self, host: str, records: Sequence[Tlsa], names: Sequence[str], allowed: Sequence[str] = ()
    ) -> ServedTls:
        raise Temporary("The mail host does not answer", cause=f"{host}: refused")

    async def name_servers(self) -> Sequence[tuple[str, bool, bool]]:
        return self.servers

    async def clock_offset(self, server: str) -> float:
        if self.offset_s is None:
            raise Temporary("No answer from the time server", cause=f"{server}: timed out")
        return self.offset_s

    async def disk(self) -> Disk:
        return self.found
