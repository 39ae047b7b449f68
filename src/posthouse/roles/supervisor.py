"""The first process of a node: opens the sockets, starts the steward and the workers, restarts what dies, ends them in order.

One thread and one selector, no event loop: everything here must be safe to fork from. It hosts the hub of the bus and does no
mail work itself. Order at the end: workers drain while the steward still commits for them, then the steward, then we.
"""

from __future__ import annotations

import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from posthouse.base import log
from posthouse.interfaces.bus import Payload
from posthouse.roles import reserve
from posthouse.roles.config import NodeConfig
from posthouse.roles.hub import Hub
from posthouse.roles.processes import Child, spawn
from posthouse.roles.rereading import reread
from posthouse.roles.sockets import DNSBL_UDP, bound

STEWARD = "steward"
INDEXER = "indexer"
DRAIN_S = 20.0
KILL_AFTER_S = DRAIN_S + 15.0
QUICK_DEATH_S = 5.0
LONGEST_PAUSE_S = 5.0
TRIES_BEFORE_READY = 3

_log = log.get("supervisor")

Run = Callable[[NodeConfig, str, socket.socket], None]
"""What a child does: the node's file as it is in use, its name and its end of the bus."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What the supervisor keeps running: ``steward``, ``indexer`` and ``worker`` run in the children. ``held``: descriptors
    that children must not keep (the data folder's lock)."""

    config: NodeConfig
    sockets: Mapping[str, socket.socket]
    steward: Run
    indexer: Run
    worker: Run
    held: tuple[int, ...] = ()


class Supervisor:
    """``run`` is its life."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._config = plan.config
        self._listeners = [(service, bound(sock)) for service, sock in plan.sockets.items() if service != DNSBL_UDP]
        self._selector = selectors.EpollSelector()
        self._hub = Hub(self._selector, self._heard)
        self._children: dict[str, Child] = {}
        self._restarts: dict[str, int] = {}
        self._quick_deaths: dict[str, int] = {}
        self._starts_due: dict[str, float] = {}
        self._said_ready = False
        self._draining = False
        self._kill_at_s = float("inf")
        self._exit_code = 0
        self._since = time.time()
        self._wake: socket.socket
        self._wake_far = -1

    def run(self) -> int:
        """Until the node has ended; gives the exit code."""
        self._catch_signals()
        self._start(STEWARD)
        while self._children or self._starts_due:
            for key, mask in self._selector.select(self._pause_s()):
                key.data(mask)
            self._start_what_is_due()
            if time.monotonic() >= self._kill_at_s:
                _log.error("drain-took-too-long", processes=sorted(self._children))
                self._kill_all()
        return self._exit_code

    def _catch_signals(self) -> None:
        self._wake, far = socket.socketpair()
        self._wake.setblocking(False)
        far.setblocking(False)
        self._wake_far = far.detach()
        signal.set_wakeup_fd(self._wake_far, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(number, lambda *_: None)
        self._selector.register(self._wake, selectors.EVENT_READ, self._signalled)

    def _signalled(self, _mask: int) -> None:
        numbers = self._wake.recv(4096)
        if signal.SIGHUP in numbers:
            self._reload()
        for _ in range(numbers.count(signal.SIGTERM) + numbers.count(signal.SIGINT)):
            self._drain()
        if signal.SIGCHLD in numbers:
            self._reap()

    def _pause_s(self) -> float | None:
        """How long nothing is due."""
        due_s = min((*self._starts_due.values(), self._kill_at_s))
        return None if due_s == float("inf") else max(0.0, due_s - time.monotonic())

    # Children

    def _start(self, name: str) -> None:
        run = {STEWARD: self._plan.steward, INDEXER: self._plan.indexer}.get(name, self._plan.worker)
        close: list[socket.socket | int] = [*self._hub.sockets(), self._wake, self._wake_far, self._selector.fileno()]
        close += self._plan.held
        if name in (STEWARD, INDEXER):
            close += self._plan.sockets.values()
        config = self._config
        pid, sock = spawn(name, lambda end: run(config, name, end), close)
        child = Child(name, pid, time.time(), time.monotonic(), restarts=self._restarts.get(name, 0))
        self._children[name] = child
        self._hub.attach(name, sock)
        _log.info("process-started", process_name=name, process_id=pid)

    def _start_what_is_due(self) -> None:
        now_s = time.monotonic()
        for name in [name for name, due_s in self._starts_due.items() if due_s <= now_s]:
            del self._starts_due[name]
            self._start(name)

    def _reap(self) -> None:
        while self._children:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            for child in list(self._children.values()):
                if child.pid == pid:
                    self._died(child, os.waitstatus_to_exitcode(status))

    def _died(self, child: Child, code: int) -> None:
        del self._children[child.name]
        self._hub.detach(child.name)
        self._hub.broadcast("worker-gone", {"process": child.name})
        if self._draining:
            self._go_on_draining()
            return
        _log.error("process-died", process_name=child.name, process_id=child.pid, code=code)
        lived_s = time.monotonic() - child.started_s
        quick = self._quick_deaths.get(child.name, 0) + 1 if lived_s < QUICK_DEATH_S else 0
        self._quick_deaths[child.name] = quick
        if not self._said_ready and not child.ready and quick >= TRIES_BEFORE_READY:
            print(f"posthouse: the {child.name} process does not start; its log has the cause", file=sys.stderr)  # noqa: T201
            self._exit_code = 1
            self._drain()
            return
        self._restarts[child.name] = self._restarts.get(child.name, 0) + 1
        pause_s = min(LONGEST_PAUSE_S, 0.1 * 2 ** (quick - 2)) if quick > 1 else 0.0
        self._starts_due[child.name] = time.monotonic() + pause_s

    # Messages

    def _heard(self, name: str, topic: str, payload: Payload) -> None:
        if topic == "node-ready":
            self._is_ready(name)
        elif topic == "node":
            self._hub.broadcast("node-status", {**self.status(), "id": payload.get("id", "")})
        elif topic == "node-reload":
            self._reload(payload.get("id", ""))
        elif topic == "node-stop" and not self._draining:
            self._drain()

    def _is_ready(self, name: str) -> None:
        child = self._children.get(name)
        if child is None or self._draining:
            return
        child.ready = True
        if name == STEWARD:
            workers = [f"worker-{number}" for number in range(1, self._plan.config.workers + 1)]
            for other in (*workers, INDEXER):
                if other not in self._children and other not in self._starts_due:
                    self._start(other)
        whole = len(self._children) == self._plan.config.bus_processes
        if whole and not self._said_ready and all(one.ready for one in self._children.values()):
            self._said_ready = True
            reserve.keep(self._config.data)
            words = " ".join(f"{service}={address}" for service, address in self._listeners)
            print(f"ready {words}".rstrip(), flush=True)  # noqa: T201

    def status(self) -> Payload:
        """What ``node status`` shows."""
        processes = [("supervisor", os.getpid(), self._since, 0)]
        processes += [(one.name, one.pid, one.since, one.restarts) for one in self._children.values()]
        return {
            "state": "draining" if self._draining else "running",
            "since": self._since,
            "listeners": self._listeners,
            "processes": processes,
        }

    # Reload and end

    def _reload(self, question: object = "") -> None:
        _log.info("reload")
        found = reread(self._config)
        self._config = found.config
        self._hub.broadcast("reload", {"nameservers": found.config.nameservers})
        told = {"id": question, "taken": found.taken, "waits": found.waiting, "trouble": found.trouble}
        self._hub.broadcast("node-reloaded", told)

    def _drain(self) -> None:
        if self._draining:
            _log.warning("killed-by-second-signal")
            self._exit_code = 1
            self._kill_all()
            return
        _log.info("drain")
        self._draining = True
        self._starts_due.clear()
        self._kill_at_s = time.monotonic() + KILL_AFTER_S
        for sock in self._plan.sockets.values():
            sock.close()  # once the workers have closed theirs too, new clients are refused and go elsewhere
        self._hub.broadcast("drain", {"seconds": DRAIN_S})
        self._go_on_draining()

    def _go_on_draining(self) -> None:
        """When the last worker has gone it is the steward's turn."""
        if set(self._children) == {STEWARD}:
            self._hub.broadcast("drain-steward", {})

    def _kill_all(self) -> None:
        self._kill_at_s = float("inf")
        for child in self._children.values():
            os.kill(child.pid, signal.SIGKILL)
