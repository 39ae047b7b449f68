"""The public keys of a token issuer: a JWK set (RFC 7517) in a file or behind a URL, kept for a while.

Fetched once for all who wait. A token that names a key which is not in the set has it fetched again, at most every 30 s, so
that made-up names cost the issuer nothing. While the issuer is away, keys that were had before serve for a day; without any,
logins are deferred (Temporary), and for 10 s nobody asks again.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet, OKPKey, RSAKey

from posthouse.base import log
from posthouse.base.clock import Clock
from posthouse.base.errors import MailError, Temporary
from posthouse.model.settings import TokenSettings

MAX_SET_BYTES = 256 << 10
MAX_KEYS = 64
ASK_AGAIN_S = 30.0
PAUSE_S = 10.0
OLD_KEYS_S = 86_400.0
_LEAST_RSA, _MOST_RSA = 2048 // 6, 8192 // 6 + 2
"""Base64url digits of a modulus that is neither weak nor a burden."""

PublicKey = RSAKey | ECKey | OKPKey
_log = log.get("tokens")


@dataclass(frozen=True, slots=True)
class _Held:
    """A set of keys, where it came from, and when."""

    place: str
    keys: Sequence[PublicKey]
    at_s: float


class IssuerKeys:
    """``fetch`` gives what is at an https URL, within the given number of octets; it raises Temporary. Relative file names are
    relative to ``data``."""

    def __init__(
        self, settings: Callable[[], TokenSettings], fetch: Callable[[str, int], Awaitable[bytes]], data: Path, clock: Clock
    ) -> None:
        self._settings = settings
        self._fetch = fetch
        self._data = data
        self._clock = clock
        self._held: _Held | None = None
        self._running: asyncio.Task[_Held] | None = None
        self._failed: tuple[str, float] = ("", 0.0)

    async def candidates(self, key_id: str) -> Sequence[PublicKey]:
        """The keys that a token may be signed with: that of the name, all if it names none. Empty if there is none such.
        Raises Temporary."""
        held = await self._current()
        found = _named(held.keys, key_id)
        if not found and self._clock.steady() - held.at_s >= ASK_AGAIN_S:
            found = _named((await self._anew(held)).keys, key_id)
        return found

    async def _current(self) -> _Held:
        held, settings = self._held, self._settings()
        if held is not None and held.place != settings.keys:
            held = None
        if held is not None and self._clock.steady() - held.at_s < settings.keys_lifetime_s:
            return held
        return await self._anew(held)

    async def _anew(self, held: _Held | None) -> _Held:
        """The set as it is now; ``held`` if it cannot be had and is not too old."""
        place, now_s = self._settings().keys, self._clock.steady()
        if self._failed[0] != place or now_s - self._failed[1] >= PAUSE_S:
            if self._running is None or self._running.done():
                self._running = asyncio.create_task(self._load(place))
            try:
                # Shielded: a client that goes away must not take the keys from the others that wait.
                return await asyncio.shield(self._running)
            except MailError:
                pass
        if held is not None and now_s - held.at_s < OLD_KEYS_S:
            return held
        raise Temporary("Logins with tokens are not possible at the moment", code=454, enhanced="4.7.0", cause="no issuer keys")

    async def _load(self, place: str) -> _Held:
        try:
            async with asyncio.timeout(self._settings().timeout_s):
                octets = await self._read(place)
            keys = await asyncio.to_thread(_keys_in, octets)
        except (TimeoutError, OSError, ValueError, RecursionError, JoseError, MailError) as error:
            self._failed = (place, self._clock.steady())
            why = error.cause if isinstance(error, MailError) and error.cause else repr(error)
            _log.warning("issuer keys not had", place=place, why=why)
            raise Temporary("no keys", cause=why) from error
        self._held = _Held(place, keys, self._clock.steady())
        return self._held

    async def _read(self, place: str) -> bytes:
        if "://" in place:
            return await self._fetch(place, MAX_SET_BYTES)
        return await asyncio.to_thread(_file, self._data / place)


def _file(path: Path) -> bytes:
    with path.open("rb") as file:
        octets = file.read(MAX_SET_BYTES + 1)
    if len(octets) > MAX_SET_BYTES:
        raise ValueError("the key file is too long")
    return octets


def _named(keys: Sequence[PublicKey], key_id: str) -> Sequence[PublicKey]:
    return [key for key in keys if not key_id or key.kid in (key_id, None)]


def _keys_in(octets: bytes) -> Sequence[PublicKey]:
    """The set's keys that signatures are checked with; others (symmetric, for encryption, of unknown kinds, weak) are left out.
    Raises ValueError if there is none."""
    said = json.loads(octets)
    listed = said.get("keys") if isinstance(said, dict) else None
    if not isinstance(listed, list):
        raise ValueError("this is no JWK set")
    found: list[PublicKey] = []
    for each in listed[:MAX_KEYS]:
        if not isinstance(each, dict) or each.get("kty") not in ("RSA", "EC", "OKP") or each.get("use", "sig") != "sig":
            continue
        if each["kty"] == "RSA" and not _LEAST_RSA <= len(str(each.get("n", ""))) <= _MOST_RSA:
            continue
        try:
            key = KeySet.import_key_set({"keys": [each]}).keys[0]
        except (JoseError, ValueError, TypeError, KeyError):
            continue
        if isinstance(key, (RSAKey, ECKey, OKPKey)):
            found.append(key)
    if not found:
        raise ValueError("no key that signatures can be checked with")
    return found
