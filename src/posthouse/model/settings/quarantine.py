"""Settings of the group ``quarantine``: how long mail is held (QTN-1, QTN-2)."""

from __future__ import annotations

from dataclasses import dataclass

from posthouse.base.settings import setting


@dataclass(frozen=True, slots=True)
class QuarantineSettings:
    """How long mail is held. What an outbreak check or a delaying filter holds goes on by itself, and does not expire."""

    junk_days: int = setting(14, "Days that a user's junk is kept; 0: for ever.", unit="days", at_least=0)
    filter_days: int = setting(30, "Days that what a filter holds is kept; 0: for ever.", unit="days", at_least=0)
    virus_days: int = setting(30, "Days that what holds a virus is kept; 0: for ever.", unit="days", at_least=0)
