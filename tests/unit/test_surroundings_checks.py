"""What the checks say of certificates, clock and disk."""

from __future__ import annotations

from dataclasses import replace

import pytest

from posthouse.backends.memory.probe import MemoryProbe
from posthouse.checking.disk import check_disk, unfit
from posthouse.checking.surroundings import check_certificates, check_clock
from posthouse.interfaces.probe import Disk

GOOD = Disk("ext4", 0.004, locks=True, free_bytes=50, total_bytes=100, options=("rw", "relatime"))
DAY = 86_400.0
HOST = "mx.example.test"


@pytest.mark.parametrize(
    ("days", "source", "state"),
    [(-1, "file", "wrong"), (3, "file", "warning"), (60, "self-made", "warning"), (60, "file", "ok")],
)
def test_a_certificate_by_its_age_and_issuer(days: int, source: str, state: str) -> None:
    [found] = check_certificates([((HOST,), "CN=x", (days + 0.5) * DAY, source)], HOST, 0.0)
    assert found.state == state


def test_a_certificate_without_the_hosts_name_is_no_use() -> None:
    named = (("other.test",), "CN=x", 90 * DAY, "file")
    assert [each.state for each in check_certificates([named], HOST, 0.0)] == ["ok", "wrong"]
    assert [each.state for each in check_certificates([(("*.example.test",), *named[1:])], HOST, 0.0)] == ["ok"]


@pytest.mark.parametrize(("offset_s", "state"), [(0.2, "ok"), (-5.0, "warning"), (3600.0, "wrong"), (None, "unknown")])
async def test_a_clock_by_how_far_it_is_off(offset_s: float | None, state: str) -> None:
    assert [each.state for each in await check_clock(MemoryProbe(offset_s=offset_s), "ntp.test")] == [state]


@pytest.mark.parametrize(
    ("found", "states"),
    [
        (GOOD, ["ok", "ok"]),
        (replace(GOOD, file_system="tmpfs", sync_s=0.000001), ["wrong", "ok"]),
        (replace(GOOD, sync_s=0.000001, free_bytes=5), ["warning", "warning"]),
        (replace(GOOD, options=("rw", "nobarrier")), ["wrong", "ok"]),
        (replace(GOOD, file_system="overlay", options=("rw", "volatile")), ["wrong", "ok"]),
        (replace(GOOD, file_system="nfs4"), ["ok", "note", "ok"]),
        (replace(GOOD, file_system="fuse.glusterfs"), ["ok", "note", "ok"]),
        (replace(GOOD, file_system="nfs", options=("rw", "nolock", "soft")), ["ok", "wrong", "warning", "note", "ok"]),
        (replace(GOOD, sync_s=None), ["wrong", "ok"]),
        (replace(GOOD, locks=False), ["wrong", "ok"]),
        (replace(GOOD, databases=False), ["wrong", "ok"]),
    ],
)
async def test_a_disk_by_whether_it_keeps_its_word(found: Disk, states: list[str]) -> None:
    assert [each.state for each in await check_disk(MemoryProbe(found=found))] == states


def test_only_a_disk_that_cannot_keep_promises_keeps_a_node_from_starting() -> None:
    assert unfit(replace(GOOD, file_system="tmpfs", sync_s=0.0, options=("nobarrier", "nolock"))) == ""
    assert "refuses fsync" in unfit(replace(GOOD, sync_s=None))
    assert "locks do not hold" in unfit(replace(GOOD, locks=False))
    assert "databases do not work" in unfit(replace(GOOD, databases=False))
