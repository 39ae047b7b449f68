"""Settings of the group ``outbreak``: what is held until signatures are newer (CON-7)."""

from __future__ import annotations

from dataclasses import dataclass

from posthouse.base.settings import Form, setting
from posthouse.model.settings.forms import NETWORK


def _fingerprint(text: str) -> str:
    if not 8 <= len(text) <= 64 or any(char not in "0123456789abcdef" for char in text):
        raise ValueError("it has 8 to 64 hexadecimal digits")
    return text


FINGERPRINT = Form("a fingerprint as traces and `outbreak list` show it", _fingerprint)


@dataclass(frozen=True, slots=True)
class OutbreakSettings:
    """The predictive check (CON-7): only programs, scripts, archives with such in them, and documents with macros are held."""

    enabled: bool = setting(True, "Hold attachments that could do harm while they spread too fast, or come from a bad address.")
    window_s: float = setting(3600.0, "Time over which is counted.", unit="s", at_least=60, at_most=86_400)
    spread_messages: int = setting(
        20, "Messages with the same attachment within that time that count as an outbreak ...", at_least=2
    )
    spread_networks: int = setting(
        5,
        "... if they come from at least so many places: domains that DMARC confirms, accounts, else networks (/24, /64).",
        at_least=1,
    )
    client_viruses: int = setting(
        1, "Viruses from one address within that time after which its risky attachments are held; 0: never.", at_least=0
    )
    client_messages: int = setting(
        50, "Messages with risky attachments from one address within that time; more are held; 0: never.", at_least=0
    )
    exempt_networks: tuple[str, ...] = setting(
        (), "Addresses whose own behaviour does not count, such as gateways in front of this node.", form=NETWORK
    )
    hold_s: float = setting(
        28_800.0, "How long it is held until it goes through the scanners again (8 h).", unit="s", at_least=1
    )
    allowed: tuple[str, ...] = setting((), "Fingerprints that are known to be harmless.", form=FINGERPRINT)
