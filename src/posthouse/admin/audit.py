"""Who ran which operation (ADM-1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from posthouse.admin.context import Context
from posthouse.admin.operation import operation
from posthouse.admin.rendering import stamp


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One operation that was run."""

    at: str
    who: str
    via: str
    operation: str
    arguments: str
    outcome: str


@operation("audit list", role="administrator", reads=True)
async def list_(context: Context, *, limit: int = 100) -> Sequence[AuditRow]:
    """Lists the operations that changed something or tried to, newest first; secrets are never among the arguments.

    Args:
        limit: how many to show at most.
    """
    return [
        AuditRow(stamp(each.at), each.who, each.via, each.operation, each.arguments, each.outcome)
        for each in await context.configuration.audited(limit=limit)
    ]
