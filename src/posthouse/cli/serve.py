"""``posthouse serve --config node.toml``: runs a node in the foreground until SIGTERM."""

from __future__ import annotations

import gc
import resource
import sys
from functools import partial
from pathlib import Path

from posthouse.base import log
from posthouse.roles import certificates, data_folder, reserve, sockets
from posthouse.roles.config import ConfigError, load


def serve(config_path: Path) -> int:
    """Gives the exit code: 0 once drained, 1 with one line on standard error when the node cannot start."""
    log.configure(process="supervisor")
    try:
        return _serve(config_path)
    except ConfigError as error:
        print(f"posthouse: {error}", file=sys.stderr)
        return 1


def _serve(config_path: Path) -> int:
    config = load(config_path)
    data_folder.make(config.data, config.user)
    reserve.give_back(config.data)
    held = data_folder.lock(config.data)
    raise_descriptor_limit()
    opened = sockets.open_all(config.listen)
    if config.user:
        data_folder.drop_privileges(config.user)
    certificates.make_self_signed(config.data, config.name)
    # The heavy modules come in here, before the first fork, so that all processes share them. What they make stays: the
    # collector would look through it again and again for nothing.
    gc.disable()
    from posthouse.roles import indexer, processes, steward, supervisor, worker
    from posthouse.roles.bootstrap.disk import refuse_unfit

    refuse_unfit(config.data)

    if config.listen.keys() & {"http", "https"}:
        import posthouse.servers.health
        import posthouse.servers.http  # noqa: F401
    processes.prepare()
    plan = supervisor.Plan(
        config=config,
        sockets=opened,
        steward=steward.run,
        indexer=indexer.run,
        worker=partial(worker.run, opened),
        held=(held,),
    )
    try:
        return supervisor.Supervisor(plan).run()
    finally:
        reserve.keep(config.data)


def raise_descriptor_limit() -> None:
    """Thousands of connections need as many descriptors; the usual soft limit is 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65_536 if hard == resource.RLIM_INFINITY else min(hard, 65_536)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
