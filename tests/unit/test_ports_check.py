"""Ports as a check sees them: the node's own, under the public address too, others', name servers, closed ones. Row PLN-2."""

from __future__ import annotations

from pathlib import Path

import pytest

from posthouse.backends.dns import DnsResolver
from posthouse.backends.memory.probe import MemoryProbe
from posthouse.backends.probe import SystemProbe
from posthouse.checking.ports import check_name_servers, check_ports
from support.zone import Zone

PUBLIC = "8.8.4.4"


@pytest.mark.spec_part("PLN-2")
async def test_a_port_on_all_addresses_is_tried_under_the_public_one_too() -> None:
    probe = MemoryProbe(ports={("127.0.0.1", 25): "220 x", (PUBLIC, 25): "220 x", ("127.0.0.1", 143): "* OK", ("::1", 80): ""})
    listeners = [("smtp", "0.0.0.0:25"), ("imap", "0.0.0.0:143"), ("http", "[::]:80"), ("pop3", "127.0.0.1:110")]
    found = await check_ports(probe, listeners, [], [PUBLIC, "10.0.0.1"])
    assert [(each.subject, each.state) for each in found[-2:]] == [("out", "note"), ("in", "note")]
    states = {each.subject: each.state for each in found[:-2]}
    assert states == {
        "0.0.0.0:25": "ok", "0.0.0.0:143": "ok", "[::]:80": "ok", "127.0.0.1:110": "wrong",
        f"{PUBLIC}:25": "ok", f"{PUBLIC}:143": "unknown", f"{PUBLIC}:80": "unknown",
    }  # fmt: skip
    assert f"nc -vz {PUBLIC} 143" in next(each.advice for each in found if each.subject == f"{PUBLIC}:143")


@pytest.mark.spec_part("PLN-2")
async def test_usual_ports_that_are_closed_are_named() -> None:
    ports = (25, 80, 110, 143, 443, 465, 587, 993, 995)
    probe = MemoryProbe(ports={("127.0.0.1", port): "" for port in (*ports, 22)})
    found = await check_ports(probe, [("x", f"127.0.0.1:{port}") for port in ports], [("127.0.0.1", 25)])
    assert {each.state for each in found} == {"ok"}
    del probe.ports[("127.0.0.1", 22)]
    note = (await check_ports(probe, [("x", f"127.0.0.1:{port}") for port in ports[1:]], [("127.0.0.1", 80)]))[-1]
    closed = "25 (mail of other hosts), 22 (SSH of this machine)"
    assert (note.state, note.found) == ("note", f"usual ports that this node has not opened: {closed}")


@pytest.mark.spec_part("PLN-2")
async def test_a_name_server_without_tcp_and_one_that_is_dead_are_found() -> None:
    with Zone() as zone:
        resolver = DnsResolver([zone.address, "127.0.0.1:1"])
        probe = SystemProbe(Path("/"), resolver, "mx.test", lambda: resolver.servers)
        half, dead = await check_name_servers(probe)
    assert (half.state, half.found) == ("warning", "the name server does not answer over TCP")
    assert "Open port 53 (TCP)" in half.advice
    assert (dead.subject, dead.state) == ("127.0.0.1:1", "wrong")
