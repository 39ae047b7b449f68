"""A running node reads node.toml again: by SIGHUP and by ``node reload``."""

from __future__ import annotations

import contextlib
import os
import signal
import smtplib
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.node import Node, running, until
from support.zone import Zone


@pytest.fixture
def zones() -> Iterator[tuple[Zone, Zone]]:
    """Two name servers; by the second one only, the client is a host that may relay."""
    with Zone() as first, Zone() as second:
        second.add_host("relay.trusted.test", "127.0.0.1")
        yield first, second


def may_relay(node: Node) -> bool:
    with node.smtp() as client:
        client.ehlo()
        client.mail("someone@trusted.test")
        return client.rcpt("someone@faraway.test")[0] == 250


@pytest.mark.spec_part("DEP-2")
def test_reload_takes_name_servers_and_tells_what_needs_a_restart(tmp_path: Path, zones: tuple[Zone, Zone]) -> None:
    first, second = zones
    with running(tmp_path, extra=first.toml) as node:
        node.run("smtp", "set", "relay_domains", "trusted.test")
        before = node.config.read_text()
        assert not any(may_relay(node) for _ in range(6))
        other = before.replace(first.address, second.address).replace("workers = 2", "workers = 3")
        node.config.write_text(other.replace("[listen]\n", '[listen]\nadmin = "127.0.0.1:0"\n'))
        told = node.run("node", "reload").stdout.splitlines()
        assert told == [
            "settings and certificates are read anew",
            f"taken: dns.nameservers: {first.address} -> {second.address}",
            "needs a restart: node.workers: 2 -> 3",
            "needs a restart: listen.admin: none -> 127.0.0.1:0",
        ]
        until(lambda: all(may_relay(node) for _ in range(8)))
        worker = next(each["pid"] for each in node.json("node", "status")["processes"] if each["name"] == "worker-1")
        os.kill(worker, signal.SIGKILL)
        until(lambda: len(node.pids()) == 5 and worker not in node.pids())
        assert all(may_relay_once_up(node) for _ in range(8)), "a worker that starts anew goes by the new file too"
        assert "needs-a-restart" in node.log()


def may_relay_once_up(node: Node) -> bool:
    while True:
        with contextlib.suppress(OSError, smtplib.SMTPException):
            return may_relay(node)


def test_sighup_takes_name_servers_and_a_wrong_file_is_left_aside(tmp_path: Path, zones: tuple[Zone, Zone]) -> None:
    first, second = zones
    with running(tmp_path, extra=first.toml) as node:
        node.run("smtp", "set", "relay_domains", "trusted.test")
        before = node.config.read_text()
        node.config.write_text(before.replace(first.address, second.address) + "[speed]\nlight = 9\n")
        refused = node.run("node", "reload", check=False)
        assert refused.returncode != 0
        assert "speed" in refused.stderr
        assert refused.stderr.count("\n") == 1
        assert not any(may_relay(node) for _ in range(6))
        node.config.write_text(before.replace(first.address, second.address))
        assert node.process is not None
        node.process.send_signal(signal.SIGHUP)
        until(lambda: all(may_relay(node) for _ in range(8)))
