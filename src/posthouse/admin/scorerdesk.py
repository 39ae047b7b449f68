"""What operations about the embedded scorer work with: one field of the context."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # one command more starts quickly without all that
    from posthouse.content.antispam.rules_in_use import RulesInUse
    from posthouse.content.antispam.school import School
    from posthouse.content.antispam.updates import RuleUpdates
    from posthouse.interfaces.rule_book import RuleBookWriter
    from posthouse.interfaces.spam_lessons import LessonBook


@dataclass(frozen=True, slots=True)
class ScorerDesk:
    """Lessons and the weights that are made of them; rules and where newer ones come from."""

    lessons: LessonBook
    school: School
    rules: RulesInUse
    rule_book: RuleBookWriter
    updates: RuleUpdates
