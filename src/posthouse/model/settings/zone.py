"""Settings of the group ``zone``: the block list zone that the node serves from its reject list (NET-6)."""

from __future__ import annotations

from dataclasses import dataclass

from posthouse.base.settings import setting
from posthouse.model.settings.forms import DOMAIN, NETWORK


@dataclass(frozen=True, slots=True)
class ZoneSettings:
    """The block list zone that the node serves from its reject list on the listener ``dnsbl`` (NET-6)."""

    name: str = setting("", "Name of the zone; empty: every question is refused.", form=DOMAIN)
    ttl_s: float = setting(300.0, "How long others may keep that something is listed.", unit="s", at_least=1, at_most=86_400)
    absence_ttl_s: float = setting(
        60.0, "How long others may keep that something is not listed.", unit="s", at_least=1, at_most=86_400
    )
    clients: tuple[str, ...] = setting((), "Networks that may ask; empty: everybody.", form=NETWORK)
    answers_per_second: int = setting(
        200, "Answers over UDP to one network (/24, IPv6: /56) and worker; past them it must ask over TCP.", at_least=1
    )
