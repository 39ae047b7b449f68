"""Newer virus patterns by the command that ``node.toml`` names, such as ``freshclam`` (CON-5).

The command stands in the node's file and not among the settings: who may change settings from afar must not thereby run
programs on this machine.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Sequence
from contextlib import suppress

from posthouse.base.errors import Permanent, Temporary

TIMEOUT_S = 900.0
MAX_OUTPUT_BYTES = 65_536


class CommandUpdates:
    """Runs it without a shell, without input, in a session of its own."""

    def __init__(self, command: Sequence[str], timeout_s: float = TIMEOUT_S) -> None:
        self._command = tuple(command)
        self._timeout_s = timeout_s
        self._running: asyncio.Task[str] | None = None

    @property
    def configured(self) -> bool:
        return bool(self._command)

    async def update(self) -> str:
        """As ``PatternUpdates.update``."""
        if not self._command:
            raise Permanent("node.toml names no command that fetches patterns: [commands] virus_patterns")
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._run())
        return await asyncio.shield(self._running)

    async def _run(self) -> str:
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise Temporary(f"{self._command[0]} cannot be run: {error.strerror or error}") from error
        try:
            async with asyncio.timeout(self._timeout_s):
                said = await _last_line(process)
                status = await process.wait()
        except TimeoutError:
            raise Temporary(f"{self._command[0]} took longer than {self._timeout_s:g} s and was ended") from None
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
        if status != 0:
            raise Temporary(f"{self._command[0]} ended with status {status}: {said}")
        return said


async def _last_line(process: asyncio.subprocess.Process) -> str:
    """What it says is read to the end, so that it never waits for us; the end of it is kept."""
    assert process.stdout is not None, "it has a pipe"
    kept = b""
    while octets := await process.stdout.read(MAX_OUTPUT_BYTES):
        kept = (kept + octets)[-MAX_OUTPUT_BYTES:]
    lines = [line.strip() for line in kept.decode("utf-8", "replace").splitlines() if line.strip()]
    return "".join(char for char in lines[-1] if char.isprintable())[:200] if lines else ""
