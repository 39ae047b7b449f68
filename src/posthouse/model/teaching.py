"""What users say about mail by where they put it: into Junk Mail, or out of it (CON-13).

Told over the bus, so that no command waits for it; at most once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from posthouse.model.mailbox import SpecialUse

TOPIC = "taught"
MAX_UIDS = 500
"""In one word; more come in several."""
JUNK_USE: SpecialUse = "\\Junk"
NO_LESSON: tuple[SpecialUse, ...] = ("\\Junk", "\\Trash")
"""Where messages go from Junk Mail without having been called wanted."""
SPAM_KEYWORDS = frozenset(("$junk", "junk"))
HAM_KEYWORDS = frozenset(("$notjunk", "notjunk", "nonjunk"))


@dataclass(frozen=True, slots=True)
class Taught:
    """``account_id`` says that these messages are spam, or are not. They are in ``mailbox_id`` by now."""

    account_id: int
    mailbox_id: int
    uids: tuple[int, ...]
    spam: bool

    @property
    def payload(self) -> dict[str, object]:
        """For the bus."""
        return {"account": self.account_id, "mailbox": self.mailbox_id, "uids": list(self.uids), "spam": self.spam}


def taught_of(payload: Mapping[str, object]) -> Taught | None:
    """What a message of the bus says; None if it is none of these."""
    account, mailbox, uids, spam = (payload.get(name) for name in ("account", "mailbox", "uids", "spam"))
    if not isinstance(account, int) or not isinstance(mailbox, int) or not isinstance(uids, list) or len(uids) > MAX_UIDS:
        return None
    return Taught(account, mailbox, tuple(uid for uid in uids if isinstance(uid, int)), bool(spam))


def moved(source: SpecialUse, target: SpecialUse) -> bool | None:
    """What it says to put a message from a mailbox of one use into one of another: spam, ham (False), or nothing."""
    if target == JUNK_USE:
        return True if source != JUNK_USE else None
    return False if source == JUNK_USE and target not in NO_LESSON else None


def flagged(flags: Iterable[str]) -> bool | None:
    """What it says to give a message these flags (RFC 9051 §2.3.2: $Junk, $NotJunk; and what mail readers used before)."""
    names = {flag.lower() for flag in flags}
    spam, ham = not SPAM_KEYWORDS.isdisjoint(names), not HAM_KEYWORDS.isdisjoint(names)
    return None if spam == ham else spam


def words(account_id: int, mailbox_id: int, uids: Sequence[int], *, spam: bool) -> Iterable[Taught]:
    """As many as are needed for so many messages."""
    for start in range(0, len(uids), MAX_UIDS):
        yield Taught(account_id, mailbox_id, tuple(uids[start : start + MAX_UIDS]), spam)
