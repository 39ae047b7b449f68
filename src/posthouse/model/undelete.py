"""The shadow tree of deleted messages: ``Deleted Messages/INBOX`` holds what was expunged from INBOX (STO-2).

Names alone tell what is in it. Clients can read it, move out of it, and delete in it for good; nothing else puts messages or
mailboxes there.
"""

from __future__ import annotations

from posthouse.base.errors import Permanent
from posthouse.model.mailbox import SEPARATOR

SHADOW = "Deleted Messages"
_BELOW = SHADOW + SEPARATOR
KEPT_PERCENT = 90
"""When the deleted messages of an account are more than it may keep, the oldest go until this much of it is used."""


def is_shadow(name: str) -> bool:
    """Whether the mailbox of this (normal) name is in the shadow tree."""
    return name == SHADOW or name.startswith(_BELOW)


def is_shadow_pattern(pattern: str) -> bool:
    """Whether a pattern of LIST asks for the shadow tree by its name."""
    return pattern.startswith(SHADOW)


def shadow_name(name: str) -> str:
    """Where messages go that are deleted in mailbox ``name``."""
    return _BELOW + name


def live_name(name: str) -> str:
    """The mailbox that a shadow mailbox's messages came from; "" for the tree's root."""
    return name[len(_BELOW) :] if name.startswith(_BELOW) else "" if name == SHADOW else name


def refuse_shadow(name: str) -> None:
    """Raises Permanent for a name in the shadow tree: nothing is made or put there."""
    if is_shadow(name):
        raise Permanent(f"{SHADOW} holds what was deleted; nothing can be put there", imap_code="NOPERM")
