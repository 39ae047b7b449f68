"""What the checks say of certificates, clock and disk."""

from __future__ import annotations

import pytest

from posthouse.backends.memory.probe import MemoryProbe
from posthouse.checking.surroundings import check_certificates, check_clock, check_disk
from posthouse.interfaces.probe import Disk

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
    ("disk", "states"),
    [
        (Disk("ext4", 0.004, locks=True, free_bytes=50, total_bytes=100), ["ok", "ok"]),
        (Disk("tmpfs", 0.000001, locks=True, free_bytes=50, total_bytes=100), ["wrong", "ok"]),
        (Disk("ext4", 0.000001, locks=True, free_bytes=5, total_bytes=100), ["warning", "warning"]),
        (Disk("nfs4", 0.004, locks=False, free_bytes=50, total_bytes=100), ["ok", "wrong", "warning", "ok"]),
    ],
)
async def test_a_disk_by_whether_it_keeps_its_word(disk: Disk, states: list[str]) -> None:
    assert [each.state for each in await check_disk(MemoryProbe(found=disk))] == states
