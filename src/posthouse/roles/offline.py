"""Operations on a node that does not run: the data folder is locked, services are built, one operation runs, all is closed.

The same folder lock as the supervisor's keeps a running node and this apart.
"""

from __future__ import annotations

import asyncio
import logging
import os

from posthouse.admin.answering import answer
from posthouse.base import log
from posthouse.protocols.control import Answer, Request
from posthouse.roles import bootstrap, data_folder, reserve
from posthouse.roles.config import ConfigError, NodeConfig


class DataLocked(Exception):
    """Another process holds the data folder."""


def run_offline(config: NodeConfig, request: Request) -> Answer:
    """Runs ``request`` on the data folder. Raises DataLocked, ConfigError."""
    # Standard error is for the operation's one line; what the services log is of use in a running node only.
    log.configure(level=logging.CRITICAL)
    data_folder.make(config.data, config.user)
    reserve.give_back(config.data)
    try:
        lock = data_folder.lock(config.data, wait_s=0.0)
    except ConfigError as error:
        raise DataLocked(str(error)) from None
    try:
        if config.user and os.getuid() == 0:
            # Whatever is written must belong to the user that the node runs as.
            data_folder.drop_privileges(config.user)
        try:
            return asyncio.run(_run(config, request))
        finally:
            reserve.keep(config.data)
    finally:
        os.close(lock)


async def _run(config: NodeConfig, request: Request) -> Answer:
    async with bootstrap.offline_context(config) as context:
        return await answer(context, request)
