"""Looking at a node's surroundings: can a port be reached, is the clock right, does the disk keep what it promised (PLN-2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from posthouse.model.tls_policy import Tlsa


@dataclass(frozen=True, slots=True)
class Disk:
    """The file system under the data folder. ``sync_s`` is the median time of a write with fsync, None where fsync is refused;
    ``locks`` whether a second taker of each kind of file lock was refused; ``options`` those that it is mounted with;
    ``databases`` whether a database with readers beside its writer works, for which memory mapped from files is shared."""

    file_system: str
    sync_s: float | None
    locks: bool
    free_bytes: int
    total_bytes: int
    options: tuple[str, ...] = ()
    databases: bool = True


@dataclass(frozen=True, slots=True)
class ServedTls:
    """What a mail host showed when asked for TLS. ``offered``: it has STARTTLS. ``broken`` is why TLS did not come about,
    ``untrusted`` why its certificate would not be taken under the host's name, "" if it would. ``unproven`` is why the TLSA
    records asked about do not prove it, "" if they do; ``matching`` are those that match a certificate shown. ``record`` is
    what to publish for its own certificate (3 1 1), ``not_after`` its end in seconds since 1970."""

    offered: bool
    broken: str = ""
    untrusted: str = ""
    unproven: str = ""
    matching: tuple[Tlsa, ...] = ()
    record: Tlsa | None = None
    not_after: float = 0.0


class Probe(Protocol):
    """Each call has a time-out of its own. Raises Temporary when there is no answer."""

    async def greeting(self, host: str, port: int) -> str:
        """Connects, and gives the first line that the server says by itself, "" if it says nothing soon."""
        ...

    async def mail_tls(
        self, host: str, records: Sequence[Tlsa], names: Sequence[str], allowed: Sequence[str] = ()
    ) -> ServedTls:
        """Asks a mail host on port 25 for TLS, up to the certificate and no further. ``names`` are those that DANE's trust
        anchors may vouch for. Addresses that are not public are left alone, but those ``allowed``."""
        ...

    async def name_servers(self) -> Sequence[tuple[str, bool, bool]]:
        """Each name server (``address`` or ``address:port``) with whether it answers over UDP, and over TCP. Never raises."""
        ...

    async def clock_offset(self, server: str) -> float:
        """Seconds by which this machine's clock is ahead of an NTP server's (RFC 5905, one exchange)."""
        ...

    async def disk(self) -> Disk:
        """Tries the data folder's disk with a small file of its own."""
        ...
