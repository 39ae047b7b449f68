"""Stage ``connect``: who may talk to us at all, and who may relay (NET-1, NET-4).

Stands first on the path; the reject list, reverse DNS (``names``) and block lists follow it.
"""

from __future__ import annotations

from collections.abc import Callable

from posthouse.interfaces.counters import Counters
from posthouse.model.networks import client_key, network_list
from posthouse.model.session import Session
from posthouse.model.settings import Settings, SmtpSettings
from posthouse.model.verdict import Reason, Refuse, Reply, Verdict
from posthouse.pipeline.stage import Stage

WINDOW_S = 10.0
TOO_MANY = Reply(421, "4.7.0", "Too many connections from your address, try again later")


def opened_key(address: str) -> str:
    """The counter of a client's open SMTP connections."""
    return f"smtp-open:{client_key(address)}"


def new_key(address: str) -> str:
    """The counter of a client's new SMTP connections."""
    return f"smtp-new:{client_key(address)}"


def over_limits(smtp: SmtpSettings, counters: Counters, address: str) -> bool:
    """Whether the stage would refuse one more connection of this client. Counts nothing: listeners ask it before they
    spend a task or a TLS handshake."""
    if not smtp.dos_prevention or address in network_list(smtp.trusted_networks):
        return False
    if counters.recent(new_key(address), WINDOW_S) >= smtp.max_new_per_address:
        return True
    return counters.opened(opened_key(address)) >= smtp.max_open_per_address


class Network(Stage):
    """Connection limits by client address, off until ``smtp.dos_prevention`` is on; relay rights by network."""

    name = "connect"

    def __init__(self, settings: Callable[[], Settings], counters: Counters) -> None:
        self._settings = settings
        self._counters = counters

    async def connect(self, session: Session) -> Verdict | None:
        smtp = self._settings().smtp
        address = session.client_address
        if address in network_list(smtp.relay_networks):
            session.relay = "network"
        if not smtp.dos_prevention or session.service == "lmtp" or address in network_list(smtp.trusted_networks):
            return None
        new = self._counters.hit(new_key(address), WINDOW_S)
        if new > smtp.max_new_per_address:
            detail = f"{new} new connections from {address} in {WINDOW_S:g} s"
            return Refuse(TOO_MANY, Reason(self.name, "new-connections", detail))
        if not session.counted:
            session.counted = opened_key(address)
            if (count := self._counters.open(session.counted)) > smtp.max_open_per_address:
                return Refuse(TOO_MANY, Reason(self.name, "open-connections", f"{count} open connections from {address}"))
        return None
