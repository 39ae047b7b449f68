"""How long failed logins wait for their answer, so that guessing is slow and nobody can lock out somebody else (DIR-7).

Failures are counted on the node for the pair of client address and account, for the client address (an IPv6 client is its
/64), and for the account from wherever. The pair's delay doubles with each failure. An address that fails on many accounts
comes to the same after a while. The account's own count, which an attacker can drive up from anywhere, never delays anyone
by more than the first failure's delay. A right password from an address with failures waits as long as a wrong one would, or
a guesser would only have to give up early on each guess; but an address from which this account has logged in before, as
seen by this process, is let in at once.
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from collections.abc import Callable

from posthouse.interfaces.counters import Counters
from posthouse.model.settings import AuthSettings, Settings

KNOWN = 50_000
"""Pairs of address and account that are remembered as having logged in, in one process."""

SHARED_FAILURES = 10
"""Failures over all accounts that one address may have (people behind one translated address) before its delay grows."""

LOOPBACK_DELAY_S = 1.0
"""Longest delay for this machine's own clients: webmail and tools log in for many people from one address."""

_MOST_DOUBLINGS = 30


class Slowdown:
    """Counts failures and says the delays; whoever asks does the waiting."""

    def __init__(self, counters: Counters, settings: Callable[[], Settings]) -> None:
        self._counters = counters
        self._settings = settings
        self._known: OrderedDict[tuple[str, str], None] = OrderedDict()

    def failed(self, client_address: str, account_key: str) -> float:
        """Counts a failed login; gives the seconds to wait before the answer."""
        return self._delay(client_address, account_key, self._counters.hit)

    def right(self, client_address: str, account_key: str) -> float:
        """Seconds that a right password has to wait, nothing counted; then call ``succeeded``."""
        if (network_of(client_address), account_key) in self._known:
            return 0.0
        return self._delay(client_address, account_key, self._counters.recent)

    def succeeded(self, client_address: str, account_key: str) -> None:
        """Remembers the address as one of the account's own, and forgets the failures of this pair only."""
        pair = (network_of(client_address), account_key)
        self._known[pair] = None
        self._known.move_to_end(pair)
        if len(self._known) > KNOWN:
            self._known.popitem(last=False)
        self._counters.forget(_pair_key(*pair))

    def _delay(self, client_address: str, account_key: str, count: Callable[[str, float], int]) -> float:
        auth = self._settings().auth
        network = network_of(client_address)
        of_pair = count(_pair_key(network, account_key), auth.failure_memory_s)
        of_address = count(f"login:from:{network}", auth.failure_memory_s)
        of_account = count(f"login:to:{account_key}", auth.failure_memory_s)
        delay_s = max(
            _doubled(auth, of_pair),
            _doubled(auth, of_address - SHARED_FAILURES),
            min(_doubled(auth, of_account), auth.failure_delay_s),
        )
        return min(delay_s, LOOPBACK_DELAY_S) if network == "loopback" else delay_s


def _pair_key(network: str, account_key: str) -> str:
    return f"login:pair:{network}:{account_key}"


def _doubled(auth: AuthSettings, failures: int) -> float:
    if failures <= 0:
        return 0.0
    return min(auth.failure_delay_s * 2.0 ** min(failures - 1, _MOST_DOUBLINGS), auth.failure_delay_max_s)


def network_of(client_address: str) -> str:
    """What counts as one client: an IPv4 address, an IPv6 /64, "loopback", or the text itself if it is no address."""
    try:
        address = ipaddress.ip_address(client_address)
    except ValueError:
        return client_address
    if isinstance(address, ipaddress.IPv6Address):
        mapped = address.ipv4_mapped
        if mapped is None:
            return "loopback" if address.is_loopback else f"{ipaddress.ip_address(int(address) >> 64 << 64)}/64"
        address = mapped
    return "loopback" if address.is_loopback else str(address)
