"""Opaque tokens: what the issuer says of them, how often it is asked, and that nobody gets in without an answer (RFC 7662)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from posthouse.backends.token_introspection import ANSWER_BYTES, AT_ONCE, PAUSE_S, REMEMBER_S, IntrospectingVerifier
from posthouse.base.clock import ManualClock
from posthouse.base.errors import BadValue, Permanent, Temporary
from posthouse.interfaces.tokens import TokenRefused
from posthouse.model.settings import Settings, TokenSettings
from support.token_issuer import AUDIENCE, ISSUER, Issuer

PLACE = "https://mail:s3cret@id.example.test/introspect"
SETTINGS = TokenSettings(issuer=ISSUER, audience=(AUDIENCE,), introspection=PLACE, scope="mail")
RIGHT = {"active": True, "aud": AUDIENCE, "scope": "openid mail", "email": "jane@example.test"}


class ByKeys:
    """What signed tokens are left to."""

    async def login(self, token: str) -> str:
        return "by keys"


class World:
    def __init__(self, settings: TokenSettings = SETTINGS) -> None:
        self.settings = settings
        self.clock = ManualClock()
        self.answer: bytes | Exception = json.dumps(RIGHT).encode()
        self.asked: list[str] = []
        self.now = self.most = 0
        self.gate: asyncio.Event | None = None
        self.verifier = IntrospectingVerifier(lambda: self.settings, ByKeys(), self.ask, self.clock)

    async def ask(self, url: str, fields: Mapping[str, str], limit_bytes: int) -> bytes:
        assert (url, limit_bytes) == (PLACE, ANSWER_BYTES)
        self.asked.append(fields["token"])
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            if self.gate is not None:
                await self.gate.wait()
        finally:
            self.now -= 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def world() -> World:
    return World()


async def test_what_the_issuer_says_holds_and_is_remembered_for_a_minute(world: World) -> None:
    for _ in range(5):
        assert await world.verifier.login("opaque") == "jane@example.test"
    assert world.asked == ["opaque"]
    world.clock.advance(REMEMBER_S)
    world.answer = b'{"active": false}'
    with pytest.raises(TokenRefused, match="not active"):
        await world.verifier.login("opaque")
    assert world.asked == ["opaque"] * 2


@pytest.mark.parametrize(
    "changes",
    [
        {"active": False}, {"active": "true"}, {"active": 1}, {"aud": "elsewhere"}, {"aud": None}, {"scope": "openid"},
        {"email": None}, {"email_verified": False}, {"iss": "https://evil.example/"}, {"exp": 1}, {"nbf": 2**40},
    ],
)  # fmt: skip
async def test_what_does_not_hold_is_refused(world: World, changes: dict[str, Any]) -> None:
    world.answer = json.dumps(RIGHT | changes).encode()
    for _ in range(2):
        with pytest.raises(TokenRefused):
            await world.verifier.login("opaque")


@pytest.mark.parametrize("answer", [Temporary("away"), b"", b"[]", b"<html>", b"null", b"[" * 60_000])
async def test_without_an_answer_nobody_gets_in_and_nobody_asks_for_a_while(world: World, answer: bytes | Exception) -> None:
    world.answer = answer
    for _ in range(3):
        with pytest.raises(Temporary) as closed:
            await world.verifier.login("opaque")
        assert (closed.value.code, closed.value.imap_code) == (454, "UNAVAILABLE")
        assert "s3cret" not in str(closed.value)
    assert len(world.asked) == 1
    world.clock.advance(PAUSE_S)
    world.answer = json.dumps(RIGHT).encode()
    assert await world.verifier.login("opaque")


async def test_few_are_asked_about_at_once_and_none_for_ever() -> None:
    world = World(replace(SETTINGS, timeout_s=0.2))
    world.gate = asyncio.Event()
    results = await asyncio.gather(*(world.verifier.login(f"t{n}") for n in range(100)), return_exceptions=True)
    assert all(isinstance(each, Temporary) for each in results)
    assert world.most <= AT_ONCE


async def test_a_strangers_token_that_the_issuer_does_not_take_closes_nothing_to_others(world: World) -> None:
    world.answer = Permanent("not taken")
    with pytest.raises(TokenRefused):
        await world.verifier.login("\x01" * 8000)
    world.answer = json.dumps(RIGHT).encode()
    assert await world.verifier.login("opaque") == "jane@example.test"


async def test_who_got_no_turn_in_time_closes_nothing_to_others() -> None:
    world = World(replace(SETTINGS, timeout_s=0.2))
    world.gate = asyncio.Event()
    flood = [asyncio.create_task(world.verifier.login(f"t{n}")) for n in range(AT_ONCE)]
    await asyncio.sleep(0.1)
    world.settings = replace(SETTINGS, timeout_s=0.02)
    with pytest.raises(Temporary):
        await world.verifier.login("late")
    world.gate.set()
    await asyncio.gather(*flood)
    assert await world.verifier.login("opaque") == "jane@example.test"


async def test_signed_tokens_are_left_to_the_keys_where_there_are_any(world: World) -> None:
    signed = Issuer().token(world.clock.now())
    assert await world.verifier.login(signed) == "jane@example.test"
    world.settings = replace(SETTINGS, keys="keys.json")
    assert await world.verifier.login(signed) == "by keys"
    assert await world.verifier.login("opaque") == "jane@example.test"
    world.settings = replace(SETTINGS, introspection="", keys="keys.json")
    assert await world.verifier.login("another") == "by keys"


async def test_off_and_too_long(world: World) -> None:
    with pytest.raises(TokenRefused):
        await world.verifier.login("x" * 9000)
    world.settings = replace(SETTINGS, audience=())
    with pytest.raises(TokenRefused):
        await world.verifier.login("opaque")
    assert world.asked == []


def test_the_secret_is_a_secret_and_goes_by_https_only() -> None:
    for place in ("http://mail:s3cret@id.example.test/", "mail:s3cret", "https:///x"):
        with pytest.raises(BadValue) as refused:
            Settings().with_value("tokens.introspection", place)
        assert "s3cret@" not in str(refused.value)
