"""Access tokens as attackers would make them, and an issuer that is away (INB-3, RFC 8725)."""

from __future__ import annotations

import asyncio
import base64
import json
import warnings
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import OctKey, RSAKey

from posthouse.backends.token_keys import ASK_AGAIN_S, MAX_SET_BYTES, OLD_KEYS_S, PAUSE_S, IssuerKeys
from posthouse.backends.tokens import JwtVerifier
from posthouse.base.clock import ManualClock
from posthouse.base.errors import BadValue, Temporary
from posthouse.interfaces.tokens import TokenRefused
from posthouse.model.settings import Settings, TokenSettings
from support.token_issuer import AUDIENCE, ISSUER, Issuer

ONE = Issuer()
SETTINGS = TokenSettings(issuer=ISSUER, audience=("other", AUDIENCE), keys="https://id.example.test/keys", scope="mail")


class Provider:
    """Where keys are fetched: counts, fails or hangs as told."""

    def __init__(self, issuer: Issuer = ONE) -> None:
        self.issuer = issuer
        self.asked = 0
        self.away = self.hangs = False
        self.octets: bytes | None = None

    async def fetch(self, url: str, limit_bytes: int) -> bytes:
        assert (url, limit_bytes) == (SETTINGS.keys, MAX_SET_BYTES)
        self.asked += 1
        if self.hangs:
            await asyncio.Event().wait()
        if self.away:
            raise Temporary("away")
        return self.issuer.set() if self.octets is None else self.octets


class World:
    def __init__(self, settings: TokenSettings = SETTINGS, issuer: Issuer = ONE, data: Path = Path("/nowhere")) -> None:
        self.settings = settings
        self.clock = ManualClock()
        self.provider = Provider(issuer)
        self.keys = IssuerKeys(lambda: self.settings, self.provider.fetch, data, self.clock)
        self.verifier = JwtVerifier(lambda: self.settings, self.keys, self.clock)

    def token(self, **changes: Any) -> str:
        return self.provider.issuer.token(self.clock.now(), **changes)

    async def refused(self, token: str) -> str:
        with pytest.raises(TokenRefused) as refused:
            await self.verifier.login(token)
        assert not token[20:] or token[20:] not in str(refused.value)
        return str(refused.value)


@pytest.fixture
def world() -> World:
    return World()


async def test_a_right_token_names_its_user(world: World) -> None:
    for changes in ({}, {"aud": ["x", AUDIENCE]}, {"scope": None, "scp": ["mail"]}, {"email_verified": True}, {"exp": 2e10}):
        assert await world.verifier.login(world.token(**changes)) == "jane@example.test"
    for header in ({"kid": None}, {"typ": None}, {"typ": "JWT"}):
        assert await world.verifier.login(world.token(header=header)) == "jane@example.test"
    assert world.provider.asked == 1


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"iss": "https://evil.example/"}, "of another issuer"),
        ({"iss": None}, "of another issuer"),
        ({"iss": [ISSUER]}, "of another issuer"),
        ({"aud": "elsewhere"}, "for another audience"),
        ({"aud": None}, "for another audience"),
        ({"aud": {AUDIENCE: 1}}, "for another audience"),
        ({"exp": 1}, "expired"),
        ({"exp": None}, "without times"),
        ({"exp": "9999999999"}, "without times"),
        ({"nbf": 2**40}, "not valid yet"),
        ({"scope": "openid"}, "without the scope"),
        ({"scope": "mailx"}, "without the scope"),
        ({"scope": None}, "without the scope"),
        ({"email": None}, "without email"),
        ({"email": ["jane@example.test"]}, "without email"),
        ({"email": "jane@example.test\r\n"}, "without email"),
        ({"email": "j" * 400}, "without email"),
        ({"email_verified": False}, "the address is not verified by the issuer"),
        ({"email_verified": "false"}, "the address is not verified by the issuer"),
        ({"header": {"typ": "dpop+jwt"}}, "not an access token"),
        ({"header": {"kid": "unknown"}}, "no key of the issuer fits the signature"),
    ],
)
async def test_what_does_not_hold_is_refused(world: World, changes: dict[str, Any], why: str) -> None:
    assert await world.refused(world.token(**changes)) == why


async def test_alg_none(world: World) -> None:
    for algorithm in ("none", "None", "NONE", ""):
        assert (
            await world.refused(world.provider.issuer.forged(world.clock.now(), algorithm=algorithm)) == "algorithm not allowed"
        )
    stripped = world.token().rpartition(".")[0] + "."
    assert await world.refused(stripped) == "no key of the issuer fits the signature"


async def test_hs256_with_the_public_key_as_secret(world: World) -> None:
    issuer = world.provider.issuer
    for secret in (issuer.rsa.as_pem(private=False), issuer.set(), json.dumps(issuer.rsa.as_dict(private=False)).encode()):
        forged = issuer.forged(world.clock.now(), algorithm="HS256", secret=secret)
        assert await world.refused(forged) == "algorithm not allowed"


async def test_a_symmetric_key_in_the_set_signs_nothing() -> None:
    world = World()
    secret = OctKey.import_key("a-secret-that-is-long-enough-for-hs256", {"kid": "rsa"})
    world.provider.octets = json.dumps({"keys": [secret.as_dict(), json.loads(ONE.set())["keys"][1]]}).encode()
    assert await world.refused(world.token(key=secret, algorithm="HS256")) == "algorithm not allowed"


async def test_a_key_of_ones_own(world: World) -> None:
    """Same name, own key; and keys that the header itself brings or points to."""
    own = RSAKey.generate_key(2048, {"kid": "rsa"})
    for header in ({}, {"jwk": own.as_dict(private=False)}, {"jku": "https://evil.example/keys"}, {"kid": None}):
        assert await world.refused(world.token(key=own, header=header)) == "no key of the issuer fits the signature"
    assert world.provider.asked == 1


async def test_a_changed_token(world: World) -> None:
    head, body, signature = world.token().split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    claims["email"] = "root@example.test"
    other = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    assert await world.refused(f"{head}.{other}.{signature}") == "no key of the issuer fits the signature"


async def test_a_key_for_something_else() -> None:
    world = World()
    listed = json.loads(ONE.set())["keys"]
    world.provider.octets = json.dumps({"keys": [listed[0] | {"use": "enc"}, listed[1] | {"alg": "ES384"}, listed[2]]}).encode()
    assert "fits" in await world.refused(world.token())
    assert "fits" in await world.refused(world.token(key=ONE.ec, algorithm="ES256"))
    assert "fits" in await world.refused(world.token(key=ONE.ec, algorithm="ES256", header={"alg": "ES256", "kid": "rsa"}))


async def test_a_weak_key_is_none() -> None:
    world = World()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        weak = RSAKey.generate_key(1024, {"kid": "weak"})
    world.provider.octets = json.dumps({"keys": [weak.as_dict(private=False), json.loads(ONE.set())["keys"][0]]}).encode()
    assert "fits" in await world.refused(world.token(key=weak))


@pytest.mark.parametrize(
    "token", ["", ".", "..", "a.b.c", "a.b.c.d.e", "x" * 10_000, "é.b.c", "e30.e30.", "W10.W10.W10", "bnVsbA.e30.e30"]
)
async def test_what_is_no_token(world: World, token: str) -> None:
    await world.refused(token)
    assert world.provider.asked == 0


@given(
    st.text(max_size=300) | st.binary(max_size=200).map(lambda octets: base64.urlsafe_b64encode(octets).decode() + ".e30.e30")
)
def test_any_text_is_refused_without_a_fault(text: str) -> None:
    asyncio.run(World().refused(text))


async def test_deep_json_is_refused(world: World) -> None:
    deep = base64.urlsafe_b64encode(b"[" * 5000).decode().rstrip("=")
    await world.refused(f"{deep}.e30.e30")


async def test_off_until_all_is_set() -> None:
    for settings in (replace(SETTINGS, issuer=""), replace(SETTINGS, audience=()), replace(SETTINGS, keys="")):
        assert not settings.on
        assert await World(settings).refused(World().token()) == "logins with tokens are off"


def test_keys_come_over_https_only() -> None:
    for place in ("http://id.example.test/keys", "ftp://x/y", "https://u:p@id.example.test/", "https:///keys"):
        with pytest.raises(BadValue):
            Settings().with_value("tokens.keys", place)


# Keys


async def test_keys_that_never_come_defer_and_are_not_asked_for_by_everyone() -> None:
    world = World(replace(SETTINGS, timeout_s=0.1))
    world.provider.hangs = True
    results = await asyncio.gather(*(world.verifier.login(world.token()) for _ in range(20)), return_exceptions=True)
    assert all(isinstance(each, Temporary) and (each.code, each.imap_code) == (454, "UNAVAILABLE") for each in results)
    with pytest.raises(Temporary):
        await world.verifier.login(world.token())
    assert world.provider.asked == 1
    world.provider.hangs = False
    world.clock.advance(PAUSE_S)
    assert await world.verifier.login(world.token())


async def test_old_keys_serve_while_the_issuer_is_away(world: World) -> None:
    await world.verifier.login(world.token())
    world.provider.away = True
    world.clock.advance(SETTINGS.keys_lifetime_s + 1)
    assert await world.verifier.login(world.token())
    assert world.provider.asked == 2
    world.clock.advance(OLD_KEYS_S)
    with pytest.raises(Temporary):
        await world.verifier.login(world.token())


async def test_a_new_key_is_found_and_made_up_names_cost_the_issuer_little() -> None:
    issuer = Issuer()
    world = World(issuer=issuer)
    await world.verifier.login(world.token())
    issuer.keys.append(new := RSAKey.generate_key(2048, {"kid": "new"}))
    world.clock.advance(ASK_AGAIN_S)
    assert await world.verifier.login(world.token(key=new))
    for number in range(50):
        await world.refused(world.token(header={"kid": f"made-up-{number}"}))
    assert world.provider.asked == 2


async def test_other_keys_at_once_when_the_setting_changes(tmp_path: Path) -> None:
    world = World(data=tmp_path)
    await world.verifier.login(world.token())
    Issuer().write(tmp_path / "keys.json")
    world.settings = replace(SETTINGS, keys="keys.json")
    assert "fits" in await world.refused(world.token())


@pytest.mark.parametrize(
    "octets", [b"", b"[]", b"{}", b'{"keys": {}}', b'{"keys": []}', b'{"keys": [1, {"kty": "RSA"}]}', b"\xff", b"[" * 100_000]
)
async def test_what_is_no_set_of_keys_defers(world: World, octets: bytes) -> None:
    world.provider.octets = octets
    with pytest.raises(Temporary):
        await world.verifier.login(world.token())


async def test_a_file_of_keys_that_is_missing_or_too_long_defers(tmp_path: Path) -> None:
    write: list[Callable[[Path], Awaitable[None] | object]] = [
        lambda _: None,
        lambda path: path.write_bytes(b" " * (MAX_SET_BYTES + 1)),
    ]
    for prepare in write:
        world = World(replace(SETTINGS, keys="keys.json"), data=tmp_path)
        prepare(tmp_path / "keys.json")
        with pytest.raises(Temporary):
            await world.verifier.login(world.token())
