"""Part of stage ``envelope``: who tries out addresses waits longer and longer (INB-5, directory-harvest protection).

Unknown recipients are counted by client address (IPv6: /64) over all connections and workers. A few are honest: lists carry
dead addresses. Past these, every further command of that address waits, twice as long with each try.
"""

from __future__ import annotations

from collections.abc import Callable

from posthouse.interfaces.counters import Counters
from posthouse.model.networks import client_key, network_list
from posthouse.model.session import Session
from posthouse.model.settings import Settings
from posthouse.pipeline.stage import Stage

MOST_DOUBLINGS = 16


class Harvest(Stage):
    """The envelope's checks ``note`` what they refuse; the driver asks for the delay."""

    name = "harvest"

    def __init__(self, settings: Callable[[], Settings], counters: Counters) -> None:
        self._settings = settings
        self._counters = counters

    def note(self, session: Session) -> None:
        """An unknown recipient was named."""
        if self._concerns(session):
            self._counters.hit(_key(session), self._settings().smtp.harvest_memory_s)

    def delay(self, session: Session) -> float:
        if not self._concerns(session):
            return 0.0
        smtp = self._settings().smtp
        tries = self._counters.recent(_key(session), smtp.harvest_memory_s) - smtp.harvest_free
        if tries <= 0:
            return 0.0
        return min(smtp.harvest_delay_max_s, smtp.harvest_delay_s * 2.0 ** min(tries - 1, MOST_DOUBLINGS))

    def _concerns(self, session: Session) -> bool:
        smtp = self._settings().smtp
        return (
            smtp.harvest_delay_s > 0
            and session.is_stranger
            and session.client_address not in network_list(smtp.trusted_networks)
        )


def _key(session: Session) -> str:
    return f"harvest:{client_key(session.client_address)}"
