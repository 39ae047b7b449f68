"""Settings of the group ``reports``: aggregate reports to and from other sites (MON-5)."""

from __future__ import annotations

from dataclasses import dataclass

from posthouse.base.settings import setting
from posthouse.model.settings.forms import ADDRESS


@dataclass(frozen=True, slots=True)
class ReportsSettings:
    """Aggregate reports to and from other sites (MON-5)."""

    dmarc: bool = setting(True, "Tell domains that ask for it, once a day, how mail in their name fared (DMARC).")
    tls: bool = setting(True, "Tell domains that ask for it, once a day, how TLS with their hosts went (TLSRPT).")
    sender: str = setting("", "Author of these reports; empty: postmaster at the node's domain.", form=ADDRESS)
    addresses: tuple[str, ...] = setting(
        (), "Addresses here at which other sites' reports come in, to be read; as published in rua=.", form=ADDRESS
    )
    keep_days: int = setting(400, "How long reports that came in are kept.", unit="days", at_least=1)
