"""Settings of the group ``reports``: reports to and from other sites (MON-5)."""

from __future__ import annotations

from dataclasses import dataclass

from posthouse.base.settings import setting
from posthouse.model.settings.forms import ADDRESS


@dataclass(frozen=True, slots=True)
class ReportsSettings:
    """Reports to and from other sites (MON-5)."""

    dmarc: bool = setting(True, "Tell domains that ask for it, once a day, how mail in their name fared (DMARC).")
    tls: bool = setting(True, "Tell domains that ask for it, once a day, how TLS with their hosts went (TLSRPT).")
    failures: bool = setting(
        False,
        "Tell domains that ask for it (ruf=) of single messages that failed DMARC: some fields of the header, others' "
        "addresses made unreadable, nothing of the text. Off, because it tells strangers of mail to people here.",
    )
    failures_per_domain: int = setting(10, "Failure reports to one domain in an hour, at the most.", at_least=1)
    failures_in_all: int = setting(100, "Failure reports to all domains together in an hour, at the most.", at_least=1)
    sender: str = setting("", "Author of these reports; empty: postmaster at the node's domain.", form=ADDRESS)
    addresses: tuple[str, ...] = setting(
        (), "Addresses here at which other sites' reports come in, to be read; as published in rua=.", form=ADDRESS
    )
    keep_days: int = setting(400, "How long reports that came in are kept.", unit="days", at_least=1)
