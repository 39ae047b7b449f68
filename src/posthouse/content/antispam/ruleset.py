"""The rules of all groups in use, ready to be asked: one automaton for each thing they look at, linear in the text (RE2).

A message's texts go through each automaton once, however many rules there are; texts are bounded by ``texts``. The automatons
of a process are made once for each set of groups.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from msgspec import Struct

from posthouse.content.antispam.automaton import Automaton
from posthouse.content.antispam.bodyfacts import link_hosts
from posthouse.content.antispam.facts import facts_of
from posthouse.content.antispam.rulegroups import BadRules, Rule, RuleGroup
from posthouse.content.antispam.texts import Texts
from posthouse.content.patterns import Expression, PatternError
from posthouse.formats import headers
from posthouse.model.spam import RuleHit, ScoredMail

MAX_HEADER_CHARS = 500
_ONE_TEXT = frozenset(("subject", "body", "source"))
"""The others are lines, each a field or a host; ``^`` and ``$`` are of the line there."""


class Found(Struct, frozen=True):
    """A rule that hit."""

    rule: Rule

    def hit(self, share: float = 1.0) -> RuleHit:
        """As it is told, with that share of its points unless it is evidence."""
        points = self.rule.points if self.rule.evidence else self.rule.points * share
        return RuleHit(self.rule.name, round(points, 1), self.rule.why)


class RuleSet:
    """Immutable. A rule of a later group takes the place of one of the same name in an earlier one."""

    def __init__(self, groups: Iterable[RuleGroup]) -> None:
        """Raises BadRules for an expression that is none, or too large."""
        rules: dict[str, Rule] = {}
        lists: dict[str, frozenset[str]] = {}
        for group in groups:
            rules.update({rule.name: rule for rule in group.rules})
            for name, entries in group.lists.items():
                lists[name] = lists.get(name, frozenset()) | entries
        self.rules: Sequence[Rule] = tuple(rules.values())
        self.lists: Mapping[str, frozenset[str]] = lists
        self._needed = [len(rule.patterns) for rule in self.rules]
        self._wanted = [frozenset(name for name, wanted in rule.facts if wanted) for rule in self.rules]
        self._unwanted = [frozenset(name for name, wanted in rule.facts if not wanted) for rule in self.rules]
        self._by_fact: dict[str, list[int]] = {}
        self._always: list[int] = []
        for at, wanted in enumerate(self._wanted):
            if not self._needed[at]:
                (self._by_fact.setdefault(min(wanted), []) if wanted else self._always).append(at)
        self._automatons: dict[str, tuple[Automaton, list[int]]] = {}
        patterns: dict[str, list[tuple[int, str]]] = {}
        for at, rule in enumerate(self.rules):
            for target, expression in rule.patterns:
                if target == "header":
                    name, _, expression = expression.partition(": ")
                    target = f"header {name}"
                patterns.setdefault(target, []).append((at, _checked(rule, expression)))
        for target, asked in patterns.items():
            lines = "" if target in _ONE_TEXT else "(?m)"
            self._automatons[target] = Automaton([lines + expression for _, expression in asked]), [at for at, _ in asked]

    def found(self, mail: ScoredMail, texts: Texts) -> list[Found]:
        """The rules that hit."""
        facts = facts_of(mail, texts, self.lists)
        hits: dict[int, int] = {}
        for target, (automaton, asking) in self._automatons.items():
            for place in automaton.matches(_octets(target, mail, texts)):
                hits[asking[place]] = hits.get(asking[place], 0) + 1
        near = [at for at, had in hits.items() if had == self._needed[at]]
        near += [*self._always, *(at for name in facts for at in self._by_fact.get(name, ()))]
        return [
            Found(self.rules[at]) for at in sorted(near) if self._wanted[at] <= facts and self._unwanted[at].isdisjoint(facts)
        ]


def without(group: RuleGroup, names: Iterable[str]) -> RuleGroup:
    """The group without some of its rules."""
    gone = set(names)
    return replace(group, rules=tuple(rule for rule in group.rules if rule.name not in gone))


def _checked(rule: Rule, expression: str) -> str:
    try:
        Expression(expression, ignore_case=True)
    except PatternError as error:
        raise BadRules(f"{rule.name}: {error}") from None
    return expression


def _octets(target: str, mail: ScoredMail, texts: Texts) -> bytes:
    if target == "body":
        text = texts.shown
    elif target == "source":
        text = "\n".join([each.source for each in texts.texts])
    elif target == "link":
        return b"\n".join([host.encode("utf-8", "replace") for host in link_hosts(texts)])
    elif target == "subject":
        text = mail.summary.subject
    else:
        text = "\n".join(_fields(target.removeprefix("header "), mail))
    return text.encode("utf-8", "replace")


def _fields(name: str, mail: ScoredMail) -> list[str]:
    fields = [field for field in mail.summary.root.headers if field.name == name][:20]
    return [headers.decoded_value(mail.content, field, MAX_HEADER_CHARS) for field in fields]
