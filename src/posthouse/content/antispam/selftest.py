"""Rules are tried before they are used: they must be read whole, and judge sample messages as everybody would (CON-10).

Samples come with the program, and with a bundle of rules: those whose names begin with ``spam`` are spam by rules alone, and
no others.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from posthouse.content.antispam.rulegroups import SHIPPED, BadRules, RuleGroup, parse_group
from posthouse.content.antispam.ruleset import RuleSet
from posthouse.content.antispam.texts import texts_of
from posthouse.formats.mime import summarise
from posthouse.model.spam import SPAM_POINTS, ScoredMail

MAX_S_FOR_SAMPLE = 0.25
TRIED_GROUP = "default"


def shipped_samples() -> dict[str, bytes]:
    """The samples that come with the program, by name."""
    return {path.name: path.read_bytes() for path in sorted((SHIPPED / "samples").glob("*.eml"))}


def tried(
    texts: Mapping[str, str], samples: Mapping[str, bytes], clock: Callable[[], float] = time.process_time
) -> dict[str, RuleGroup]:
    """The groups of ``texts`` (by name), if they are good. Raises BadRules, whose text says what is not."""
    groups: dict[str, RuleGroup] = {}
    for name, text in texts.items():
        group = parse_group(text)
        if group.name != name:
            raise BadRules(f"{name}: calls itself {group.name}")
        groups[name] = group
    if TRIED_GROUP not in groups:
        raise BadRules(f"there is no group {TRIED_GROUP}")
    RuleSet(groups.values())  # all expressions hold, together too
    rules = RuleSet([groups[TRIED_GROUP]])
    for name, content in {**shipped_samples(), **samples}.items():
        began = clock()
        mail = ScoredMail(content, summarise(content))
        hits = rules.found(mail, texts_of(content, mail.summary))
        points = sum(found.rule.points for found in hits)
        if clock() - began > MAX_S_FOR_SAMPLE:
            raise BadRules(f"sample {name} takes too long")
        if (points >= SPAM_POINTS) is not name.startswith("spam"):
            told = ", ".join(f"{found.rule.name} {found.rule.points:g}" for found in hits)
            raise BadRules(f"sample {name} comes to {points:g} points: {told or 'no rule'}")
    return groups
