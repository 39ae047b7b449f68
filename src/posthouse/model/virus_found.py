"""That a virus was found: what workers tell the steward, who tells people (CON-6)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class VirusFound:
    """``done`` says what became of the message, in words. ``genuine``: the sender's address is no forgery (authenticated, or
    DMARC passes). ``local`` are the recipients with a mailbox here. All texts are bounded; some are a stranger's.
    """

    at: float
    trace_id: str
    engine: str
    names: str
    done: str
    refused: bool
    sender: str
    genuine: bool
    recipients: tuple[str, ...]
    local: tuple[str, ...]
    subject: str
    client: str
