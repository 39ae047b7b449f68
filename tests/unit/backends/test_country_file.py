"""The file with the table of countries: read beside everything else, anew when it changes, never in the way."""

from __future__ import annotations

import os
from pathlib import Path

from posthouse.backends.country_file import LOOK_S, CountryFile
from posthouse.base.clock import ManualClock


async def test_the_file_is_read_when_first_asked_and_again_when_it_changes(tmp_path: Path) -> None:
    path, clock = tmp_path / "blocks.csv", ManualClock()
    path.write_text("192.0.2.0/24,NL\n")
    file = CountryFile(lambda: path, clock)
    assert file.country_of("192.0.2.1") == "", "it does not wait"
    await file.settle()
    assert file.country_of("192.0.2.1") == "nl"
    path.write_text("192.0.2.0/24,DE\n")
    os.utime(path, (1, 1))
    file.country_of("192.0.2.1")
    await file.settle()
    assert file.country_of("192.0.2.1") == "nl", "not looked at yet"
    clock.advance(LOOK_S)
    file.country_of("192.0.2.1")
    await file.settle()
    assert file.country_of("192.0.2.1") == "de"


async def test_what_cannot_be_read_leaves_what_was_known(tmp_path: Path) -> None:
    path, clock = tmp_path / "blocks.csv", ManualClock()
    path.write_text("192.0.2.0/24,NL\n")
    file = CountryFile(lambda: path, clock)
    file.country_of("192.0.2.1")
    await file.settle()
    for broken in (lambda: path.write_text("nonsense\n"), path.unlink):
        broken()
        clock.advance(LOOK_S)
        file.country_of("192.0.2.1")
        await file.settle()
        assert file.country_of("192.0.2.1") == "nl"


async def test_without_a_file_no_country_is_known() -> None:
    assert CountryFile(lambda: None, ManualClock()).country_of("192.0.2.1") == ""
