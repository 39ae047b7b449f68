"""Settings of the group ``junk``: what happens to spam where users, domains and classes say nothing else (CON-11, CON-13)."""

from __future__ import annotations

from dataclasses import dataclass

from posthouse.base.settings import setting


@dataclass(frozen=True, slots=True)
class JunkSettings:
    """What happens to spam where users, domains and classes of service say nothing else (CON-11, CON-13)."""

    action: str = setting(
        "move",
        "What happens to spam: nothing; the subject is tagged; it goes into Junk Mail; into the recipient's quarantine;"
        " it is refused in the session.",
        choices=("deliver", "tag", "move", "quarantine", "reject"),
    )
    spam_points: float = setting(50.0, "Points from which a message is spam.", unit="points", at_least=1, at_most=100_000)
    reject_points: float = setting(
        0.0, "Points from which it is refused in the session, whatever the action; 0: never.",
        unit="points", at_least=0, at_most=100_000,
    )  # fmt: skip
    subject_tag: str = setting("Spam?", "What is put in front of the subject of tagged messages, with a space behind it.")
    mode: str = setting(
        "normal",
        "Junk Mail Filter of users who chose none: off, points have no effect; normal; exclusive, only allowed senders"
        " reach the inbox.",
        choices=("off", "normal", "exclusive"),
    )
    blocked: str = setting(
        "junk",
        "What happens to mail of blocked senders: the same as to spam; it is refused in the session; it is dropped.",
        choices=("junk", "reject", "discard"),
    )
