"""Rule groups as they are written: TOML files, one a group, checked strictly (CON-10).

A file that an update brings is refused whole when anything in it is not understood: better the rules of yesterday than half of
today's. What a rule can ask is in ``RuleSet`` (patterns) and ``facts``.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

from posthouse.content.antispam.facts import FACTS

SHIPPED = Path(__file__).parent / "groups"
TARGETS = ("subject", "from", "to", "body", "source", "link", "header")
MAX_GROUP_BYTES = 1 << 20
MAX_RULES = 2_000
MAX_POINTS = 1_000.0
MAX_LIST = 50_000

_NAME = re.compile(r"[A-Z][A-Z0-9_]{1,39}")
_GROUP_NAME = re.compile(r"[a-z][a-z0-9\-]{0,31}")
_LIST_ENTRY = re.compile(r"[a-z0-9][a-z0-9.\-_]{0,252}")
_RULE_KEYS = {"name", "points", "why", "facts", "evidence", *TARGETS}


class BadRules(ValueError):
    """Not a group; the text is for its author and names the rule."""


@dataclass(frozen=True, slots=True)
class Rule:
    """``patterns`` are (target, expression) pairs, for ``header`` the expression is of ``name: value``; ``facts`` are
    (name, wanted) pairs; all must hold. ``evidence``: counts in full however much was learnt."""

    name: str
    points: float
    why: str
    patterns: tuple[tuple[str, str], ...] = ()
    facts: tuple[tuple[str, bool], ...] = ()
    evidence: bool = False


@dataclass(frozen=True, slots=True)
class RuleGroup:
    """``lists`` are named sets of host names that facts look into."""

    name: str
    title: str
    rules: tuple[Rule, ...]
    lists: Mapping[str, frozenset[str]]


def parse_group(text: str) -> RuleGroup:
    """The group of a file's text. Raises BadRules."""
    if len(text) > MAX_GROUP_BYTES:
        raise BadRules("the file is too large")
    try:
        found = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        raise BadRules(f"not TOML: {error}") from None
    unknown = found.keys() - {"name", "title", "lists", "rules"}
    name, title = found.get("name"), found.get("title", "")
    if unknown:
        raise BadRules(f"unknown: {', '.join(sorted(unknown))}")
    if not isinstance(name, str) or not _GROUP_NAME.fullmatch(name) or not isinstance(title, str):
        raise BadRules("a group has a name in small letters and a title")
    entries = found.get("rules", [])
    if not isinstance(entries, list) or len(entries) > MAX_RULES:
        raise BadRules(f"rules are [[rules]], at most {MAX_RULES} in a group")
    rules = tuple(_rule(entry) for entry in entries)
    if len({rule.name for rule in rules}) != len(rules):
        raise BadRules("two rules have the same name")
    return RuleGroup(name, title[:200], rules, _lists(found.get("lists", {})))


def shipped_groups() -> dict[str, str]:
    """The texts of the groups that come with the program, by name."""
    return {path.stem: path.read_text("utf-8") for path in sorted(SHIPPED.glob("*.toml"))}


def _rule(entry: Any) -> Rule:
    name = entry.get("name") if isinstance(entry, dict) else None
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise BadRules(f"a rule's name is in capital letters: {name!r}")
    if unknown := entry.keys() - _RULE_KEYS:
        raise BadRules(f"{name}: unknown: {', '.join(sorted(unknown))}")
    points, why, evidence = entry.get("points"), entry.get("why"), entry.get("evidence", False)
    if isinstance(points, bool) or not isinstance(points, (int, float)) or not isfinite(points) or abs(points) > MAX_POINTS:
        raise BadRules(f"{name}: points are a number from -{MAX_POINTS:g} to {MAX_POINTS:g}")
    if not isinstance(why, str) or not 0 < len(why) <= 200 or not why.isprintable():
        raise BadRules(f"{name}: says not why")
    if not isinstance(evidence, bool):
        raise BadRules(f"{name}: evidence is true or false")
    patterns = tuple((target, _text(name, target, entry[target])) for target in TARGETS if target in entry)
    facts = tuple(_fact(name, fact) for fact in _facts(name, entry.get("facts", [])))
    if not patterns and not facts:
        raise BadRules(f"{name}: asks nothing")
    return Rule(name, float(points), why, patterns, facts, evidence)


def _text(rule: str, target: str, value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise BadRules(f"{rule}: {target} is an expression")
    if target == "header" and not re.match(r"[a-z0-9\-]+: .", value):
        raise BadRules(f"{rule}: header is 'name: expression', the name in small letters")
    return value


def _facts(rule: str, value: Any) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise BadRules(f"{rule}: facts are a list of names")
    return value


def _fact(rule: str, text: str) -> tuple[str, bool]:
    name = text.removeprefix("!")
    if name not in FACTS:
        raise BadRules(f"{rule}: there is no fact {name!r}")
    return name, not text.startswith("!")


def _lists(found: Any) -> Mapping[str, frozenset[str]]:
    if not isinstance(found, dict):
        raise BadRules("lists are [lists]")
    for name, entries in found.items():
        fits = isinstance(entries, list) and len(entries) <= MAX_LIST
        if not fits or not all(isinstance(each, str) and _LIST_ENTRY.fullmatch(each) for each in entries):
            raise BadRules(f"list {name}: host names in small letters, at most {MAX_LIST}")
    return {name: frozenset(entries) for name, entries in found.items()}
