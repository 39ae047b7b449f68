"""All commands and tests by name, put together when first asked for."""

from __future__ import annotations

import importlib
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from posthouse.content.sieve.specs import CommandSpec, TestSpec

_COMMAND_MODULES = ("control", "delivery", "answers", "flags", "values", "editing", "inclusion", "parts", "house", "policy")
_TEST_MODULES = ("logic", "addresses", "fields", "bodies", "dates", "places", "scores", "memory", "strings", "house")


@cache
def commands() -> dict[str, CommandSpec]:
    """Actions and controls."""
    modules = [importlib.import_module(f"posthouse.content.sieve.commands.{name}") for name in _COMMAND_MODULES]
    return {each.spec.name: each for module in modules for each in module.COMMANDS}


@cache
def tests() -> dict[str, TestSpec]:
    """Tests."""
    modules = [importlib.import_module(f"posthouse.content.sieve.tests.{name}") for name in _TEST_MODULES]
    return {each.spec.name: each for module in modules for each in module.TESTS}
