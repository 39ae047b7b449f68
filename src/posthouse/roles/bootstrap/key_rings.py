"""API tokens and web sessions: who reads and writes them in the steward, in tools, and in workers that serve HTTP."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, closing
from dataclasses import replace
from typing import Any

from posthouse.admin.context import Context
from posthouse.backends.sqlite.api_tokens import RemoteApiTokensWriter, SqliteApiTokens, SqliteApiTokensWriter
from posthouse.base.clock import Clock
from posthouse.directory.key_ring import KeyRing
from posthouse.roles.bootstrap.outgoing import node_secret
from posthouse.roles.bootstrap.writers import Writers
from posthouse.roles.config import NodeConfig
from posthouse.roles.data_files import Files


async def with_key_ring(context: Context, files: Files, writers: Writers, stack: AsyncExitStack) -> Context:
    """The writer's file is there by now, so that it can be read."""
    reader = stack.enter_context(closing(SqliteApiTokens(files.directory)))
    writer = SqliteApiTokensWriter(writers.directory)
    return replace(context, key_ring=KeyRing(reader, writer, context.clock, await node_secret(files)))


def workers_key_ring(
    config: NodeConfig,
    files: Files,
    call: Callable[[str, Any], Awaitable[Any]],
    clock: Clock,
    secret: bytes,
    stack: AsyncExitStack,
) -> KeyRing | None:
    """``call`` is the gate client's. None where no HTTP is served."""
    if not {"http", "https"} & set(config.listen):
        return None
    reader = stack.enter_context(closing(SqliteApiTokens(files.directory)))
    return KeyRing(reader, RemoteApiTokensWriter(call), clock, secret)
