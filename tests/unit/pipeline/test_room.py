"""No room on the disk: mail is put off at MAIL FROM, and what is held back fits the disk."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from posthouse.backends import room as backend
from posthouse.backends.room import Room
from posthouse.base.errors import NoSpace
from posthouse.model.address import Address
from posthouse.model.envelope import Sender
from posthouse.model.session import Session
from posthouse.model.verdict import Defer
from posthouse.pipeline.room import Room as Stage
from posthouse.pipeline.transaction import Transaction


@pytest.mark.parametrize("short", [True, False])
async def test_mail_is_put_off_before_it_is_sent(short: bool) -> None:  # noqa: FBT001
    session = Session("smtp", "192.0.2.9", 1, "192.0.2.1", 25, 0.0)
    verdict = await Stage(lambda: short).mail_from(Transaction("t", session, Sender(Address.parse("a@b.test")), 0.0))
    assert (verdict is not None) is short
    if short:
        assert isinstance(verdict, Defer)
        assert (verdict.reply.code, verdict.reply.enhanced) == (452, "4.3.1")


@pytest.mark.parametrize(
    ("free", "total", "wanted", "short"),
    [
        (99, 10_000, 100, True),
        (100, 10_000, 100, False),
        (98, 490, 100, False),  # a fifth of a small disk is enough
        (97, 490, 100, True),
        (0, 500, 0, False),
    ],
)
def test_what_is_held_back_is_at_most_a_fifth_of_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, total: int, wanted: int, *, short: bool
) -> None:
    looks = 0

    def statvfs(path: Path) -> os.statvfs_result:
        nonlocal looks
        looks += 1
        return os.statvfs_result((1, 1, total, free, free, 0, 0, 0, 0, 255))

    monkeypatch.setattr(os, "statvfs", statvfs)
    monkeypatch.setattr(backend, "LOOK_S", 60.0)
    room = Room(tmp_path, lambda: wanted)
    assert [room.is_short() for _ in range(100)] == [short] * 100
    assert looks == bool(wanted), "looked up now and then"
    if short:
        with pytest.raises(NoSpace):
            room.check()
    else:
        room.check()


def test_a_disk_that_cannot_be_looked_at_is_not_short() -> None:
    assert not Room(Path("/nowhere/at/all"), lambda: 1 << 40).is_short()
