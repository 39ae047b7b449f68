"""Takes a task to a process of its own and brings back what it made of it: for the spam scorer's school.

Failing: a process that dies, or takes longer than ``TIMEOUT_S``, is Temporary; nothing is kept of it.
"""

from __future__ import annotations

import asyncio
import os
import sys

from posthouse.base.errors import Temporary

TIMEOUT_S = 1_800.0


class FitProcess:
    """``module`` is what the process runs; it reads standard input to its end and answers on standard output."""

    def __init__(self, module: str, timeout_s: float = TIMEOUT_S) -> None:
        self._module = module
        self._timeout_s = timeout_s

    async def __call__(self, octets: bytes) -> bytes:
        """What the process made of ``octets``. Raises Temporary."""
        environment = {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path), "PYTHONDONTWRITEBYTECODE": "1"}
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", self._module, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL, env=environment,
            )  # fmt: skip
        except OSError as error:
            raise Temporary("Learning failed", cause=f"{self._module} could not be started: {error}") from error
        try:
            answer, _ = await asyncio.wait_for(process.communicate(octets), self._timeout_s)
        except TimeoutError:
            raise Temporary("Learning takes too long", cause=f"{self._module} ran for {self._timeout_s} s") from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode != 0 or not answer:
            raise Temporary("Learning failed", cause=f"{self._module} ended with {process.returncode}")
        return answer
