"""Clients of virus engines, and how workers tell the steward what was found."""

from __future__ import annotations

from dataclasses import asdict

from posthouse.backends.scanners.clamd import ClamdScanner
from posthouse.backends.scanners.icap import IcapScanner
from posthouse.base.clock import Clock
from posthouse.interfaces.bus import Bus
from posthouse.interfaces.scanner import MakeScanner, Scanner
from posthouse.model.virus_engine import VirusEngine
from posthouse.model.virus_found import VirusFound
from posthouse.roles.live import Live

VIRUS_FOUND = "virus-found"


def scanner_maker(live: Live, clock: Clock) -> MakeScanner:
    """Who makes the client of an engine that the settings name."""

    def timeout_s() -> float:
        return live.settings().antivirus.timeout_s

    def make(engine: VirusEngine) -> Scanner:
        return ClamdScanner(engine, timeout_s) if engine.scheme == "clamd" else IcapScanner(engine, timeout_s, clock)

    return make


def tell_of_virus(bus: Bus, found: VirusFound) -> None:
    """Over the bus, at most once: it is news, not mail."""
    bus.publish(VIRUS_FOUND, asdict(found))
