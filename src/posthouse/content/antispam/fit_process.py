"""The process that makes weights of lessons: one task from its standard input, the weights to its standard output.

At the lowest priority, with bounded memory, and it dies with whoever started it. See ``school``.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys

from posthouse.content.antispam.school import carry_out

MEMORY_BYTES = 2 << 30
CPU_S = 1_800
_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Reads, fits, writes."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    os.nice(19)
    for what, limit in ((resource.RLIMIT_AS, MEMORY_BYTES), (resource.RLIMIT_CPU, CPU_S), (resource.RLIMIT_CORE, 0)):
        resource.setrlimit(what, (limit, limit))
    sys.stdout.buffer.write(carry_out(sys.stdin.buffer.read()))


if __name__ == "__main__":
    main()
