"""What every store of MTA-STS policies promises (interfaces/sts_policies.py)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from posthouse.backends.memory.sts_policies import MemoryStsPolicies
from posthouse.backends.sqlite.outgoing_schema import open_outgoing_file
from posthouse.backends.sqlite.sts_policies import SqliteStsPolicies
from posthouse.formats.mta_sts import StsPolicy
from posthouse.interfaces.sts_policies import KeptPolicy, StsPolicies

ONE = KeptPolicy("1", StsPolicy("enforce", ("mx.far.test", "*.far.test"), 1000), 5000.0)


@pytest.fixture(params=["memory", "sqlite"])
def policies(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StsPolicies]:
    if request.param == "memory":
        yield MemoryStsPolicies()
        return
    database = open_outgoing_file(tmp_path / "outgoing.db")
    yield SqliteStsPolicies(database)
    database.close()


async def test_what_is_kept_comes_back(policies: StsPolicies) -> None:
    assert await policies.kept("far.test") is None
    await policies.keep("far.test", ONE)
    assert await policies.kept("far.test") == ONE


async def test_a_newer_one_takes_its_place(policies: StsPolicies) -> None:
    newer = KeptPolicy("2", StsPolicy("none", (), 1), 9000.0)
    await policies.keep("far.test", ONE)
    await policies.keep("far.test", newer)
    assert await policies.kept("far.test") == newer


async def test_those_in_force_are_listed_as_they_end(policies: StsPolicies) -> None:
    later = KeptPolicy("1", StsPolicy("testing", ("mx.near.test",), 1000), 5900.0)
    await policies.keep("near.test", later)
    await policies.keep("far.test", ONE)
    assert await policies.in_force(4000.0, 10) == [("far.test", ONE), ("near.test", later)]
    assert await policies.in_force(4000.0, 1) == [("far.test", ONE)]
    assert await policies.in_force(5000.0, 10) == [("near.test", later)]


async def test_what_had_ended_is_dropped_when_another_is_fetched(policies: StsPolicies) -> None:
    await policies.keep("far.test", ONE)
    await policies.keep("near.test", KeptPolicy("1", StsPolicy("none", (), 1000), 6000.0))
    assert await policies.kept("far.test") == ONE
    await policies.keep("near.test", KeptPolicy("2", StsPolicy("none", (), 1000), 6001.0))
    assert await policies.kept("far.test") is None
