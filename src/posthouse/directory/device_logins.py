"""Recent logins of mail readers by client address, for devices beside them that cannot log in (OUT-1).

Kept in each worker, told over the bus; bounded. Losing it costs a device a refusal. Where many people share an address this is
a weak proof, which is why it is off until it is set.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from posthouse.base.clock import Clock
from posthouse.interfaces.bus import Bus, Payload
from posthouse.model.networks import plain_ip
from posthouse.model.session import Session
from posthouse.model.settings import Settings

TOPIC = "login"
MOST = 20_000
READERS = ("imap", "imaps", "pop3", "pop3s")


class DeviceLogins:
    """``admitted`` is told of logins; ``of`` says whose the newest from an address is."""

    def __init__(self, settings: Callable[[], Settings], clock: Clock, bus: Bus) -> None:
        self._settings = settings
        self._clock = clock
        self._bus = bus
        self._recent: OrderedDict[str, tuple[float, str, int]] = OrderedDict()
        bus.subscribe(TOPIC, self._hear)

    def admitted(self, session: Session) -> None:
        """Somebody has logged in."""
        if self._settings().submission.device_login_s and session.service in READERS:
            facts = {"client": session.client_address, "account": session.account, "account_id": session.account_id}
            self._bus.publish(TOPIC, facts)

    def of(self, client_address: str) -> tuple[str, int] | None:
        """The account and its number, None if nobody logged in from there of late."""
        known = self._recent.get(_key(client_address))
        within_s = self._settings().submission.device_login_s
        if known is None or not within_s or self._clock.steady() - known[0] > within_s:
            return None
        return known[1], known[2]

    def _hear(self, payload: Payload) -> None:
        key = _key(str(payload["client"]))
        number = payload["account_id"]
        assert isinstance(number, int), "as admitted says it"
        self._recent[key] = (self._clock.steady(), str(payload["account"]), number)
        self._recent.move_to_end(key)
        while len(self._recent) > MOST:
            self._recent.popitem(last=False)


def _key(address: str) -> str:
    return str(plain_ip(address) or address)
