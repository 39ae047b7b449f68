"""What interfaces/hasher.py promises, and how the threads behind it are bounded."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import argon2
import pytest

from posthouse.backends.passwords import Argon2Hasher
from posthouse.base.errors import Temporary


@pytest.fixture
def hasher() -> Iterator[Argon2Hasher]:
    made = Argon2Hasher()
    yield made
    made.close()


async def test_a_hash_fits_its_password_and_no_other(hasher: Argon2Hasher) -> None:
    secret = await hasher.hash("pässword")
    assert secret.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert await hasher.verify(secret, "pässword")
    assert not await hasher.verify(secret, "password")
    assert not await hasher.verify(secret, "")
    assert await hasher.hash("pässword") != secret


async def test_hashes_with_other_parameters_are_still_checked(hasher: Argon2Hasher) -> None:
    secret = argon2.PasswordHasher(time_cost=1, memory_cost=64, parallelism=2).hash("old")
    assert await hasher.verify(secret, "old")
    assert not await hasher.verify(secret, "new")


UNUSABLE = [
    "",
    "x",
    "$argon2id$",
    "$argon2id$v=19$m=19456,t=2,p=1$$",
    "$argon2id$v=19$m=1,t=0,p=0$YWFhYWFhYWE$YWFhYQ",
    "é",
    "\udcff",
]


@pytest.mark.parametrize("secret", UNUSABLE)
async def test_an_unusable_secret_is_false_after_one_hash_of_the_usual_cost(
    hasher: Argon2Hasher, secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    worked: list[str] = []
    plain = argon2.PasswordHasher.verify

    def watched(self: argon2.PasswordHasher, secret: Any, password: Any) -> Any:
        try:
            return plain(self, secret, password)
        except argon2.exceptions.VerifyMismatchError:
            worked.append(secret)
            raise

    monkeypatch.setattr(argon2.PasswordHasher, "verify", watched)
    assert not await hasher.verify(secret, "password")
    assert len(worked) == 1
    assert argon2.extract_parameters(worked[0]).memory_cost == 19_456
    assert argon2.extract_parameters(worked[0]).time_cost == 2


async def test_a_wrong_password_costs_no_second_hash(hasher: Argon2Hasher) -> None:
    secret = await hasher.hash("right")
    checks = 4

    async def cpu_s(tried: str) -> float:
        started = time.process_time()
        for _ in range(checks):
            await hasher.verify(tried, "wrong")
        return time.process_time() - started

    wrong, unknown = await cpu_s(secret), await cpu_s("")
    assert 0.5 < unknown / wrong < 2.0


async def test_the_loop_goes_on_while_a_password_is_hashed(hasher: Argon2Hasher) -> None:
    running = asyncio.create_task(hasher.hash("x"))
    turns = 0
    while not running.done():
        turns += 1
        await asyncio.sleep(0)
    assert turns > 3


async def test_past_its_bound_the_hasher_defers_and_recovers() -> None:
    hasher = Argon2Hasher(threads=1, waiting=3)
    tasks = [asyncio.create_task(hasher.verify("", "x")) for _ in range(5)]
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert results[:3] == [False, False, False]
    assert all(isinstance(result, Temporary) and result.code == 454 for result in results[3:])
    assert await hasher.verify("", "x") is False
    hasher.close()


async def test_callers_who_go_away_give_their_places_back() -> None:
    hasher = Argon2Hasher(threads=1, waiting=2)
    for _ in range(5):
        tasks = [asyncio.create_task(hasher.verify("", "x")) for _ in range(2)]
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        while hasher.pending:
            await asyncio.sleep(0)
    assert await hasher.verify("", "x") is False
    hasher.close()


async def test_passwords_that_are_not_unicode_are_wrong_and_break_nothing(hasher: Argon2Hasher) -> None:
    secret = await hasher.hash("\udcff")
    assert await hasher.verify(secret, "\udcff")
    assert not await hasher.verify(secret, "\udcfe")
