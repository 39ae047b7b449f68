"""An operation: one thing an administrator can do, written once (ADM-1).

``@operation("user add", role=...)`` on an async function ``(context, ...) -> result`` makes an ``Operation``. Its signature
gives the shell's and the protocol's syntax, the JSON schema, the help text and the audit entry; the docstring's first
paragraph is the help, its ``Args:`` lines describe the arguments. The registry runs operations; nothing here does I/O.

Roles: ``role`` names the weakest role that may run it: reader < help-desk < domain-administrator < administrator; and user <
quarantine-administrator < domain-administrator, where an operation is for everybody's own things. A domain administrator may
run only operations with ``scope="domain"``; these ask ``context.require_domain``.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from posthouse.admin.arguments import Argument, Secret, arguments_of, json_schema
from posthouse.base.settings import without_passwords
from posthouse.model.account import Role

LeastRole = Literal["user", "reader", "help-desk", "quarantine-administrator", "domain-administrator", "administrator"]
Scope = Literal["node", "domain"]
Function = Callable[..., Awaitable[object]]

_ALLOWED: dict[Role, tuple[LeastRole, ...]] = {
    "administrator": ("user", "reader", "help-desk", "quarantine-administrator", "domain-administrator", "administrator"),
    "domain-administrator": ("user", "reader", "help-desk", "quarantine-administrator", "domain-administrator"),
    "quarantine-administrator": ("user", "quarantine-administrator"),
    "help-desk": ("user", "reader", "help-desk"),
    "reader": ("user", "reader"),
    "user": ("user",),
}


_DANGEROUS = frozenset(
    {
        "compact", "delete", "disable", "expire", "forget", "hold", "import", "load", "purge", "recall", "reject", "remove",
        "repair", "reset", "retire", "revoke", "rollback", "rotate", "stop", "undo",
    }
)  # fmt: skip
"""Verbs that take something away, or that much follows from."""


@dataclass(frozen=True, slots=True)
class Operation:
    """``columns`` are the result's fields that the protocol shows, in order; None: all of them; empty: no line at all."""

    noun: str
    verb: str
    function: Function
    arguments: tuple[Argument, ...]
    summary: str
    description: str
    role: LeastRole
    scope: Scope
    reads: bool
    audited: bool
    columns: tuple[str, ...] | None = None

    @property
    def name(self) -> str:
        """Noun and verb, ``user add``."""
        return f"{self.noun} {self.verb}"

    @property
    def usage(self) -> str:
        """One line of syntax."""
        return " ".join([self.name, *(argument.syntax for argument in self.arguments)])

    @property
    def help(self) -> str:
        """Usage, what it does, and its arguments, for people."""
        lines = [f"Usage: {self.usage}", "", self.description.replace("``", "'")]
        if self.arguments:
            width = max(len(argument.word) for argument in self.arguments) + 2
            lines += ["", "Arguments:"]
            for argument in self.arguments:
                shown = f"--{argument.word}" if argument.option else argument.word
                lines.append(f"  {shown:<{width}}  {argument.help}")
        return "\n".join(lines)

    @property
    def schema(self) -> dict[str, object]:
        """JSON schema of its arguments."""
        return json_schema(self.arguments)

    @property
    def dangerous(self) -> bool:
        """Whether people are asked before it is run from a page."""
        return not self.reads and self.verb in _DANGEROUS

    def allowed(self, role: Role) -> bool:
        """Whether a caller of this role may run it at all; what it may touch is checked by the operation itself."""
        if role == "domain-administrator" and self.scope != "domain":
            return False
        return self.role in _ALLOWED.get(role, ())


def operation(
    name: str,
    *,
    role: LeastRole,
    scope: Scope = "node",
    reads: bool = False,
    audited: bool | None = None,
    columns: tuple[str, ...] | None = None,
) -> Callable[[Function], Operation]:
    """Makes an ``Operation`` of an async function. ``reads``: changes nothing, so it is not audited unless ``audited``: where
    people's mail is looked at."""
    noun, verb = name.split(" ")

    def make(function: Function) -> Operation:
        docstring = inspect.cleandoc(function.__doc__ or "")
        description = docstring.partition("\nArgs:\n")[0].strip()
        summary = description.split("\n\n")[0].replace("\n", " ")
        return Operation(
            noun=noun,
            verb=verb,
            function=function,
            arguments=arguments_of(function),
            summary=summary,
            description=description,
            role=role,
            scope=scope,
            reads=reads,
            audited=not reads if audited is None else audited,
            columns=columns,
        )

    return make


def audit_text(values: Mapping[str, object]) -> str:
    """Arguments as the audit trail keeps them: ``address=jane@example.com password=***``; long texts cut, passwords in
    URLs hidden."""
    parts = []
    for name, value in values.items():
        if isinstance(value, Secret):
            shown = repr(value)
        elif isinstance(value, tuple):
            shown = " ".join(str(item) for item in value)
        else:
            shown = str(value)
        parts.append(f"{name}={without_passwords(shown)[:500]}")
    return " ".join(parts)
