"""How accounts usually send, and when that is passed: the signs of a stolen password (OUT-5).

Counts by the hour hold for the node (``interfaces.counters``) and are bounded; places are in the store. Mail from a network
that is new to an account has a lower measure: a thief begins there, its owner seldom sends much there on the first day. Knows
neither queue nor protocols. Nothing here stops anything; a ``Breach`` says what was passed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_network

from posthouse.base.clock import Clock
from posthouse.interfaces.counters import Counters
from posthouse.model.account_hold import Breach
from posthouse.model.networks import client_key, network_list, plain_ip
from posthouse.model.settings import Settings, WatchSettings

HOUR_S = 3600.0
DAY_S = 86_400.0
IPV4_BITS, IPV6_BITS = 16, 32
"""How wide a network is that counts as one place."""
_COUNTED = ("messages", "recipients", "day")
KINDS = (*_COUNTED, *(f"new-{kind}" for kind in _COUNTED), "bounces", "spam", "watched")
Places = Mapping[str, tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a client is: ``network`` is a country or a network, ``client`` its address."""

    network: str
    client: str


@lru_cache(maxsize=4096)
def place_of(address: str, country: str = "") -> Place:
    """The names under which a place is remembered."""
    ip = plain_ip(address)
    if country or ip is None:
        network = f"country {country}" if country else f"net {address}"
    else:
        bits = IPV6_BITS if ip.version == 6 else IPV4_BITS
        network = f"net {ip_network(f'{ip}/{bits}', strict=False)}"
    return Place(network, f"client {client_key(address)}")


class Behaviour:
    """``account`` is an address; everything is counted by its lower-case form."""

    def __init__(self, settings: Callable[[], Settings], counters: Counters, clock: Clock) -> None:
        self._settings = settings
        self._counters = counters
        self._clock = clock

    def exempt(self, account: str, client_address: str = "") -> bool:
        """Whether an account, or the client it sends from, is not watched."""
        watch = self._settings().watch
        if watch.mode == "off" or account.lower() in (each.lower() for each in watch.exempt_accounts):
            return True
        return bool(client_address) and client_address in network_list(watch.exempt_networks)

    def sent(self, account: str, recipients: int, place: Place, places: Places) -> Breach | None:
        """One more message. ``places`` are all of the account's, this one included."""
        watch, now = self._settings().watch, self._clock.now()
        self._counters.hit(_key("watched", account), DAY_S)
        unfamiliar = is_unfamiliar(place, places, now, watch.familiar_after_s)
        breach = self._counted(account, recipients, watch, "", 1)
        if unfamiliar:
            breach = breach or self._counted(account, recipients, watch, "new-", watch.unfamiliar_share)
        return breach or _spread(places, now, watch)

    def spam(self, account: str) -> Breach | None:
        """One more message that was judged spam."""
        most = self._settings().watch.spam
        count = self._counters.hit(_key("spam", account), HOUR_S)
        if not _past(count, most):
            return None
        return Breach("spam", f"{count} messages within an hour were judged spam, {most} are the measure")

    def bounced(self, account: str, recipients: int) -> Breach | None:
        """So many recipients of an account's messages are unknown to their hosts, or were refused because it is spam."""
        if not self._counters.recent(_key("watched", account), DAY_S):
            return None
        most = self._settings().watch.bounces
        count = self._counters.hit(_key("bounces", account), HOUR_S, recipients)
        if not _past(count, most):
            return None
        return Breach(
            "bounces",
            f"{count} recipients within an hour were unknown to their hosts, or refused as spam, {most} are the measure",
        )

    def forget(self, account: str) -> None:
        """Counts begin anew: the account was released."""
        for kind in KINDS:
            self._counters.forget(_key(kind, account))

    def _counted(self, account: str, recipients: int, watch: WatchSettings, kind: str, share: int) -> Breach | None:
        messages = self._counters.hit(_key(f"{kind}messages", account), HOUR_S)
        addressed = self._counters.hit(_key(f"{kind}recipients", account), HOUR_S, recipients)
        in_a_day = self._counters.hit(_key(f"{kind}day", account), DAY_S, recipients)
        whence = " from networks that are new to the account" if kind else ""
        if _past(messages, most := _part(watch.messages, share)):
            return Breach("messages", f"{messages} messages within an hour{whence}, {most} are the measure")
        if _past(addressed, most := _part(watch.recipients, share)):
            return Breach("recipients", f"{addressed} recipients within an hour{whence}, {most} are the measure")
        if _past(in_a_day, most := _part(watch.day_recipients, share)):
            return Breach("recipients", f"{in_a_day} recipients within a day{whence}, {most} are the measure")
        return None


def is_unfamiliar(place: Place, places: Places, now: float, familiar_after_s: float) -> bool:
    """Whether the account uses other networks for longer than this one, and this one for less than that time."""
    firsts = {name: first_at for name, (first_at, _) in places.items() if not name.startswith("client ")}
    here = firsts.get(place.network, now)
    return here > now - familiar_after_s and any(first_at < here for first_at in firsts.values())


def _spread(places: Places, now: float, watch: WatchSettings) -> Breach | None:
    """New places within the last hour, beside the first that the account ever used."""
    began_at = min((first_at for first_at, _ in places.values()), default=now)
    new = [name for name, (first_at, _) in places.items() if first_at > max(now - HOUR_S, began_at)]
    clients = sum(name.startswith("client ") for name in new)
    networks = len(new) - clients
    if _past(networks, watch.networks):
        return Breach("networks", f"mail from {networks} new networks within an hour, {watch.networks} are the measure")
    if _past(clients, watch.clients):
        return Breach("clients", f"mail from {clients} new client addresses within an hour, {watch.clients} are the measure")
    return None


def _past(count: int, most: int) -> bool:
    return bool(most) and count > most


def _part(most: int, share: int) -> int:
    return max(1, most // share) if most else 0


def _key(kind: str, account: str) -> str:
    return f"watch-{kind}:{account.lower()}"
