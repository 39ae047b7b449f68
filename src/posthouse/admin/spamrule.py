"""The rules of the embedded scorer: which there are, newer ones, and back again (CON-8, CON-10)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from posthouse.admin.context import Context
from posthouse.admin.operation import operation
from posthouse.admin.scorerdesk import ScorerDesk
from posthouse.base.errors import Permanent
from posthouse.base.glob import matches
from posthouse.interfaces.rule_book import RulesRow


@dataclass(frozen=True, slots=True)
class RuleRow:
    """One rule. ``in_use``: its group is chosen, and it is not switched off."""

    group: str
    rule: str
    points: float
    in_use: bool
    why: str


@dataclass(frozen=True, slots=True)
class RulesVersion:
    """The version of the rules in use, 0 for those that come with the program; ``new``: since this very operation."""

    version: int
    new: bool


@operation("spamrule list", role="reader", reads=True)
async def list_(context: Context, pattern: str = "*") -> Sequence[RuleRow]:
    """Lists the rules of all groups with their points.

    Args:
        pattern: only rules whose names match; ``*`` stands for any letters.
    """
    settings = (await context.configuration.load()).scorer
    return [
        RuleRow(name, rule.name, rule.points, name in settings.rule_groups and rule.name not in settings.rules_off, rule.why)
        for name, group in sorted((await _desk(context).rules.groups()).items())
        for rule in group.rules
        if matches(pattern, rule.name)
    ]


@operation("spamrule versions", role="reader", reads=True)
async def versions(context: Context) -> Sequence[RulesRow]:
    """Lists the sets of rules that are kept, the newest first, and which is in use."""
    return await _desk(context).rule_book.history()


@operation("spamrule update", role="administrator")
async def update(context: Context) -> RulesVersion:
    """Looks for newer rules now, where scorer.update_from says. They are taken over only if the signature holds, all of them
    are understood, and sample messages are judged rightly; otherwise nothing changes."""
    found = await _desk(context).updates.update()
    return RulesVersion(found.version, found.new)


@operation("spamrule rollback", role="administrator")
async def rollback(context: Context) -> RulesVersion:
    """Goes back to the rules that were in use before the last update."""
    return RulesVersion(await _desk(context).updates.roll_back(), new=True)


def _desk(context: Context) -> ScorerDesk:
    if context.scorer is None:
        raise Permanent("there is no embedded scorer on this node")
    return context.scorer
