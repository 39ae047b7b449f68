"""A compiled script: what ``runner`` runs. Compiling is remembered for recent texts, since one script sees many messages."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from posthouse.content.sieve.capabilities import Scope
from posthouse.content.sieve.compiler import Compiler
from posthouse.content.sieve.parser import parse
from posthouse.content.sieve.state import Op

REMEMBERED = 512


@dataclass(frozen=True, slots=True, eq=False)
class Script:
    """``op`` runs it on a state; ``requires`` is what it may use."""

    op: Op
    scope: Scope
    requires: frozenset[str]
    traced: bool


def compile_script(text: str, scope: Scope = "user", *, traced: bool = False) -> Script:
    """Checks and compiles. ``traced``: runs tell every test and action in ``Result.trace``. Raises ScriptError."""
    return _compiled(text, scope, traced)


@lru_cache(maxsize=REMEMBERED)
def _compiled(text: str, scope: Scope, traced: bool) -> Script:  # noqa: FBT001 - a cache's key
    commands = parse(text)
    compiler = Compiler(text, scope, traced=traced)
    op = compiler.script(commands)
    return Script(op, scope, frozenset(compiler.requires), traced)
