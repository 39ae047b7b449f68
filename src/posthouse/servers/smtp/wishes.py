"""Who may wish anything about time and priority, and what becomes of a wish: DELIVERBY, FUTURERELEASE, MT-PRIORITY, BURL.

Times and priorities are for those who submit and for hosts that may relay: strangers' wishes would come before those of others,
and FUTURERELEASE is for submission alone (RFC 4865 §3). BURL needs an account, whose word the URL must be (RFC 4468 §3.1).
"""

from __future__ import annotations

from dataclasses import replace

from posthouse.model.envelope import Sender
from posthouse.model.session import Session
from posthouse.model.settings import Settings
from posthouse.protocols.smtp.config import Changes
from posthouse.protocols.smtp.wishes import FutureRelease

SUBMISSION = ("submission", "submissions")
HIGHEST = 9


def offered(peer: Session, settings: Settings, *, now: float, hostname: str) -> Changes:
    """What of it the core offers to this peer at this moment."""
    submits = peer.service in SUBMISSION
    hold_s = int(settings.queue.hold_max_s)
    return Changes(
        wishes=peer.service != "lmtp" and (submits or bool(peer.account or peer.relay)),
        future_release=FutureRelease(hold_s, now + hold_s) if submits and hold_s else None,
        burl=("imap", f"imap://{hostname}") if submits and peer.account else (),
    )


def settled(sender: Sender, peer: Session, settings: Settings, now: float) -> tuple[Sender, int | None]:
    """The sender with a moment instead of a span of time, and with a priority that this peer may give; the priority that it
    has now, if another one was asked for (RFC 6710 §4.1)."""
    if sender.hold_for_s:
        sender = replace(sender, hold_until=now + sender.hold_for_s, hold_for_s=0)
    most = HIGHEST if peer.relay and not peer.account else settings.queue.priority_max
    if sender.priority <= most:
        return sender, None
    return replace(sender, priority=most), most
