"""``node.toml``: what a node needs to start (name, data folder, roles, listeners, database). Everything else is a setting
in the database. Read strictly: an unknown key is an error with one clear line.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Literal

import msgspec

ROLES = ("all", "gateway", "inbound", "quarantine", "outbound", "store", "directory", "proxy", "console", "reporter")
SERVICES = (
    "smtp", "lmtp", "submission", "submissions", "imap", "imaps", "pop3", "pop3s", "managesieve", "dnsbl", "http", "https",
    "admin", "admins",
)  # fmt: skip
_HOST_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,253}[A-Za-z0-9])?")

RoleName = Literal["all", "gateway", "inbound", "quarantine", "outbound", "store", "directory", "proxy", "console", "reporter"]


class ConfigError(Exception):
    """What is wrong with a node's file, in one line for the administrator."""


class NodeSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``workers`` 0 means one per core; ``user`` is whom the node becomes once its sockets are open, "" for nobody else."""

    name: str
    data: str = "data"
    roles: tuple[RoleName, ...] = ("all",)
    workers: int = 0
    user: str = ""


class DatabaseSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``sqlite``: embedded files under the data folder."""

    url: str = "sqlite"


class DnsSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``nameservers``: ``address`` or ``address:port``; none means the system's."""

    nameservers: tuple[str, ...] = ()


class CommandsSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Programs of this machine that the node runs, with their arguments; none: nothing is run. They stand here and not among
    the settings, so that who may change settings from afar cannot thereby run programs."""

    virus_patterns: tuple[str, ...] = ()


class File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file as it stands."""

    node: NodeSection
    listen: dict[str, str] = {}
    database: DatabaseSection = DatabaseSection()
    dns: DnsSection = DnsSection()
    commands: CommandsSection = CommandsSection()


class Address(msgspec.Struct, frozen=True):
    """Where a service listens; port 0 picks one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class NodeConfig(msgspec.Struct, frozen=True):
    """A checked file. ``data`` and ``path`` are absolute; ``workers`` is the real number; ``listen`` in the file's order."""

    path: Path
    name: str
    data: Path
    roles: tuple[str, ...]
    workers: int
    user: str
    listen: dict[str, Address]
    database_url: str
    nameservers: tuple[str, ...]
    virus_patterns_command: tuple[str, ...] = ()

    @property
    def bus_processes(self) -> int:
        """How many processes share the bus: the steward, the indexer and the workers."""
        return self.workers + 2


def load(path: Path) -> NodeConfig:
    """Raises ConfigError."""
    try:
        octets = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from None
    try:
        file = msgspec.toml.decode(octets, type=File)
    except msgspec.DecodeError as error:
        raise ConfigError(f"{path}: {_one_line(error)}") from None
    try:
        return _checked(file, path.absolute())
    except ValueError as error:
        raise ConfigError(f"{path}: {error}") from None


def _checked(file: File, path: Path) -> NodeConfig:
    node = file.node
    if not _HOST_NAME.fullmatch(node.name):
        raise ValueError(f"node.name: {node.name!r} is not a host name")
    if not node.roles:
        raise ValueError("node.roles: at least one role is needed")
    if not 0 <= node.workers <= 256:
        raise ValueError("node.workers: from 0 (one per core) to 256")
    for service in file.listen:
        if service not in SERVICES:
            raise ValueError(f"listen.{service}: no such service; there are {', '.join(SERVICES)}")
    if file.database.url != "sqlite":
        raise ValueError("database.url: only sqlite is served by this version")
    return NodeConfig(
        path=path,
        name=node.name.lower(),
        data=path.parent / node.data,
        roles=node.roles,
        workers=node.workers or len(os.sched_getaffinity(0)),
        user=node.user,
        listen={service: parse_address(text, f"listen.{service}") for service, text in file.listen.items()},
        database_url=file.database.url,
        nameservers=tuple(str(parse_address(text, "dns.nameservers", 53)) for text in file.dns.nameservers),
        virus_patterns_command=file.commands.virus_patterns,
    )


def parse_address(text: str, key: str, default_port: int | None = None) -> Address:
    """``host:port`` or ``[v6]:port``; the port may be left out if there is a default. Raises ValueError naming ``key``."""
    host, port = text, "" if default_port is None else str(default_port)
    if match := re.fullmatch(r"\[([0-9A-Fa-f:.%a-z]+)\](?::(\d{1,5}))?", text):
        host, port = match[1], match[2] or port
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    elif default_port is None:
        raise ValueError(f"{key}: {text!r} is not address:port")
    if not host or not port.isdigit() or len(port) > 5 or int(port) > 65535:
        raise ValueError(f"{key}: {text!r} is not address:port")
    return Address(host, int(port))


def _one_line(error: msgspec.DecodeError) -> str:
    return " ".join(str(error).split())
