"""Child processes: forked from the warm supervisor, so that code and data are shared, and never outliving it."""

from __future__ import annotations

import ctypes
import gc
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import structlog

from posthouse.base import log

_PR_SET_PDEATHSIG = 1
_PR_SET_NAME = 15
_M_ARENA_MAX = -8
_libc = ctypes.CDLL(None, use_errno=True)

EXIT_FAILED = 70
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)


@dataclass(slots=True)
class Child:
    """One process of the node. Times are steady, except ``since`` (seconds since 1970)."""

    name: str
    pid: int
    since: float
    started_s: float
    restarts: int = 0
    ready: bool = False


def spawn(name: str, run: Callable[[socket.socket], None], close: Iterable[socket.socket | int]) -> tuple[int, socket.socket]:
    """Forks; in the child closes ``close``, runs ``run`` with its end of a new socket pair, and exits: 0 when it returns.

    Gives the child's pid and the hub's end.
    """
    ours, theirs = socket.socketpair()
    sys.stdout.flush()
    sys.stderr.flush()
    parent = os.getpid()
    # A signal that came to the child before it has its own handlers would be told to the parent as one more.
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    pid = os.fork()
    if pid:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        theirs.close()
        return pid, ours
    code = EXIT_FAILED
    try:
        _become_child(name, parent)
        ours.close()
        for one in close:
            if isinstance(one, int):
                os.close(one)
            else:
                one.close()
        run(theirs)
        code = 0
    except BaseException:  # noqa: BLE001 - the child must not return into the supervisor's code
        log.get("processes").exception("process-failed", process=name)
    finally:
        os._exit(code)


def _raise_descriptor_limit() -> None:
    """As many open files as the system lets us have: each connection is one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def prepare() -> None:
    """To be called in the supervisor when everything is imported: what exists now is never looked at by the collector,
    so its pages stay shared; and threads do not each get a heap of their own."""
    _raise_descriptor_limit()
    _libc.mallopt(_M_ARENA_MAX, 2)
    gc.collect()
    gc.freeze()
    gc.enable()


def _become_child(name: str, parent: int) -> None:
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(EXIT_FAILED)
    _libc.prctl(_PR_SET_NAME, f"ph-{name}".encode()[:15], 0, 0, 0)
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    structlog.contextvars.bind_contextvars(process=name)
