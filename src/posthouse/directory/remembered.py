"""Right passwords of the last minutes, so that polling clients do not pay a password hash each time (issue: logins).

Kept in this process's memory only, as digests under a random key that never leaves it: neither passwords nor anything to
test guesses against is in a memory dump without that key. The digest covers the account's current secret, so a changed
password is forgotten at once, in every process. Only successes are kept, never failures.
"""

from __future__ import annotations

import hashlib
import os
from collections import OrderedDict
from collections.abc import Callable

from posthouse.base.clock import Clock

MOST = 50_000


class Remembered:
    """A bounded set of digests, each with the time it was confirmed."""

    def __init__(self, clock: Clock, random: Callable[[int], bytes] = os.urandom) -> None:
        self._clock = clock
        self._key = random(32)
        self._confirmed: OrderedDict[bytes, float] = OrderedDict()

    def digest(self, login: str, password: str, secret: str) -> bytes:
        """What stands for these three here; without the key it tells nothing."""
        digest = hashlib.blake2b(key=self._key, digest_size=32)
        for text in (login, password, secret):
            octets = text.encode("utf-8", "surrogatepass")
            digest.update(len(octets).to_bytes(8, "big"))
            digest.update(octets)
        return digest.digest()

    def holds(self, digest: bytes, for_s: float) -> bool:
        """Whether ``digest`` was confirmed within the last ``for_s`` seconds."""
        at = self._confirmed.get(digest)
        return at is not None and self._clock.steady() - at < for_s

    def add(self, digest: bytes) -> None:
        """Confirmed by a full password hash just now."""
        self._confirmed[digest] = self._clock.steady()
        self._confirmed.move_to_end(digest)
        if len(self._confirmed) > MOST:
            self._confirmed.popitem(last=False)
