"""The mail store's integrity (STO-1)."""

from __future__ import annotations

from dataclasses import dataclass

from posthouse.admin.context import Context
from posthouse.admin.operation import operation


@dataclass(frozen=True, slots=True)
class Findings:
    """What the check found; ``sound`` when nothing is wrong."""

    sound: bool
    problems: tuple[str, ...]

    @property
    def complaint(self) -> str:
        """One line for standard error; "" when sound."""
        return "" if self.sound else f"the store has {len(self.problems)} problems"

    def told(self) -> str:
        """One line, or one line for each problem."""
        if self.sound:
            return "the store is sound"
        return "\n".join([f"{len(self.problems)} problems:", *self.problems])


@operation("store check", role="administrator", reads=True)
async def check(context: Context) -> Findings:
    """Looks through the whole mail store for anything that does not fit together; changes nothing."""
    problems = tuple(await context.checker())
    return Findings(not problems, problems)
