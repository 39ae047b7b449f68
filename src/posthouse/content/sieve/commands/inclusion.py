"""include, return, global (RFC 6609)."""

from __future__ import annotations

from posthouse.content.sieve.capabilities import Scope
from posthouse.content.sieve.commands.values import variable_name
from posthouse.content.sieve.compiler import Compiler
from posthouse.content.sieve.errors import RunError, ScriptError
from posthouse.content.sieve.facts import IncludedScript, Location
from posthouse.content.sieve.script import compile_script
from posthouse.content.sieve.specs import Bound, CommandSpec, Spec, TagSpec
from posthouse.content.sieve.state import RETURN, Op, Signal, State


def _include(bound: Bound, compiler: Compiler) -> Op:
    location: Location = "global" if "global" in bound.tags else "personal"
    name = compiler.constant(bound.strings(0), "the name of a script")
    once, optional, line = "once" in bound.tags, "optional" in bound.tags, bound.line
    scope: Scope = "system" if location == "global" else compiler.scope
    traced = compiler.traced

    def run(state: State) -> Signal | None:
        key = (location, name)
        if once and key in state.included:
            return None
        source = state.ask(IncludedScript(location, name), object)
        if source is None and optional:
            return None
        if not isinstance(source, str):
            raise RunError(f"there is no script {name!r} to be included", line)
        if key in state.frames or len(state.frames) >= state.limits.include_depth:
            raise RunError(f"the script {name!r} includes itself, or is included too deeply", line)
        state.included.add(key)
        state.step(state.limits.steps // state.limits.includes // 4)
        try:
            script = compile_script(source, scope, traced=traced)
        except ScriptError as error:
            raise RunError(f"the included script {name!r}: {error.public}", line) from None
        return _run_inside(state, script.op, key)

    return run


def _run_inside(state: State, op: Op, key: tuple[str, str]) -> Signal | None:
    outer, state.variables = state.variables, {}
    match, state.match = state.match, ()
    state.frames.append(key)
    signal = op(state)
    state.frames.pop()
    state.variables, state.match = outer, match
    return None if signal == RETURN else signal


def _return(_bound: Bound, _compiler: Compiler) -> Op:
    return lambda _state: RETURN


def _global(bound: Bound, compiler: Compiler) -> Op:
    """From here on the names mean the global variables."""
    strings = bound.strings(0)
    for index in range(len(strings.values)):
        one = Bound(bound.name, bound.place, [type(strings)((strings.values[index],), strings.place)], {})
        compiler.shared.add(variable_name(one, 0, compiler)[0])
    return lambda _state: None


COMMANDS = (
    CommandSpec(
        Spec(
            "include",
            ("string",),
            (
                TagSpec("personal", group="location"),
                TagSpec("global", group="location"),
                TagSpec("once"),
                TagSpec("optional"),
            ),
            ("include",),
        ),
        _include,
    ),
    CommandSpec(Spec("return", extension=("include",)), _return),
    CommandSpec(Spec("global", ("strings",), extension=("include",)), _global),
)
