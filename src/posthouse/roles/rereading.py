"""``node.toml`` read again while the node runs: what can be taken at once, and what waits for a restart.

Name servers are taken. Sockets are opened, the user is changed and processes are counted only at the start, so the rest is told
to the administrator and left. A file that is wrong changes nothing.
"""

from __future__ import annotations

import msgspec

from posthouse.base import log
from posthouse.roles.config import ConfigError, NodeConfig, load

_log = log.get("reload")


class Rereading(msgspec.Struct, frozen=True):
    """``config``: what to go on with. ``taken`` and ``waiting`` are lines for the administrator, such as ``listen.imap:
    127.0.0.1:143 -> 127.0.0.1:1143``; ``trouble`` is why the file was left aside, "" if it was not."""

    config: NodeConfig
    taken: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()
    trouble: str = ""


def reread(running: NodeConfig) -> Rereading:
    """Reads the file of a running node, and logs what came of it."""
    try:
        found = load(running.path)
    except ConfigError as error:
        _log.error("node-file-left-aside", cause=str(error))
        return Rereading(running, trouble=str(error))
    taken = _differences({"dns.nameservers": (_words(running.nameservers), _words(found.nameservers))})
    waiting = _differences(_unchangeable(running, found))
    for line in taken:
        _log.info("taken-from-node-file", change=line)
    for line in waiting:
        _log.warning("needs-a-restart", change=line)
    return Rereading(msgspec.structs.replace(running, nameservers=found.nameservers), taken, waiting)


def _unchangeable(running: NodeConfig, found: NodeConfig) -> dict[str, tuple[str, str]]:
    pairs = {
        "node.name": (running.name, found.name),
        "node.data": (str(running.data), str(found.data)),
        "node.roles": (_words(running.roles), _words(found.roles)),
        "node.workers": (str(running.workers), str(found.workers)),
        "node.user": (running.user, found.user),
        "database.url": (running.database_url, found.database_url),
    }
    for service in {**running.listen, **found.listen}:
        before, after = (str(config.listen.get(service, "")) for config in (running, found))
        pairs[f"listen.{service}"] = (before, after)
    return pairs


def _differences(pairs: dict[str, tuple[str, str]]) -> tuple[str, ...]:
    return tuple(f"{key}: {before or 'none'} -> {after or 'none'}" for key, (before, after) in pairs.items() if before != after)


def _words(values: tuple[str, ...]) -> str:
    return " ".join(values)
