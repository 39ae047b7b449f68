"""Settings of the group ``scorer``: the embedded scorer, its rules and what it learns (CON-8, CON-10)."""

from __future__ import annotations

from dataclasses import dataclass

from posthouse.base.settings import setting


@dataclass(frozen=True, slots=True)
class ScorerSettings:
    """The embedded spam scorer, its rules and what it learns (CON-8, CON-10)."""

    rule_groups: tuple[str, ...] = setting(
        ("default",), "Rule groups in use, in order; default, europe and no8bit come with the program."
    )
    rules_off: tuple[str, ...] = setting((), "Names of rules that are left out.")
    enough_spam: int = setting(
        200, "Spam messages that the site must have taught before that counts.", at_least=1, at_most=10_000
    )
    enough_ham: int = setting(
        200, "Wanted messages that the site must have taught before that counts.", at_least=1, at_most=10_000
    )
    fit_after_s: float = setting(
        900.0, "New lessons of the site count after this time at the latest.", unit="s", at_least=1, at_most=86_400
    )
    lesson_days: int = setting(730, "How long a lesson counts.", unit="days", at_least=1, at_most=36_500)
    update_from: str = setting(
        "",
        "Where newer rules come from: a folder, or https://host/folder; empty: nowhere.",
    )
    update_key: str = setting(
        "", "Ed25519 public key, in base64, of who signs rules. Without it nothing is taken over.",
    )  # fmt: skip
    update_hours: float = setting(6.0, "Time between two looks for newer rules.", unit="hours", at_least=0.1, at_most=8_760)
