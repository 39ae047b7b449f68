"""Actions for scripts of the system and of domains (CON-2), ``require "vnd.posthouse.policy"``.

quarantine "suspicious";        wiretap "audit@example.com";
route "scanner.example.com:2525";   requiretls;     delay 600;      delivernow;
"""

from __future__ import annotations

from posthouse.content.sieve.actions import Delay, DeliverNow, Quarantine, RequireTls, Route, Wiretap
from posthouse.content.sieve.capabilities import POLICY
from posthouse.content.sieve.commands.delivery import address_text
from posthouse.content.sieve.compiler import Compiler
from posthouse.content.sieve.errors import RunError
from posthouse.content.sieve.specs import Bound, CommandSpec, Spec
from posthouse.content.sieve.state import STOP, Op, Signal, State
from posthouse.model.route import NextHop

MAX_DELAY_S = 7 * 86_400


def _quarantine(bound: Bound, compiler: Compiler) -> Op:
    name, line = compiler.text(bound.strings(0)), bound.line

    def run(state: State) -> Signal | None:
        value = name.value(state).strip()
        if not value or len(value) > 100 or not value.isprintable():
            raise RunError(f"{value[:100]!r} is not the name of a quarantine", line)
        state.act(Quarantine(line, len(state.changes), value))
        state.implicit_keep = False
        return None

    return run


def _wiretap(bound: Bound, compiler: Compiler) -> Op:
    address, line = address_text(bound.strings(0), bound, compiler), bound.line

    def run(state: State) -> Signal | None:
        state.send(Wiretap(line, len(state.changes), address(state)))
        return None

    return run


def _route(bound: Bound, compiler: Compiler) -> Op:
    hop, line = compiler.constant(bound.strings(0), "a next hop"), bound.line
    try:
        NextHop.parse(hop)
    except ValueError as error:
        raise bound.error(f"{hop!r}: {error}", bound.strings(0).place) from None

    def run(state: State) -> Signal | None:
        state.act(Route(line, len(state.changes), hop))
        return None

    return run


def _requiretls(bound: Bound, _compiler: Compiler) -> Op:
    line = bound.line

    def run(state: State) -> Signal | None:
        state.act(RequireTls(line, len(state.changes)))
        return None

    return run


def _delay(bound: Bound, _compiler: Compiler) -> Op:
    seconds, line = min(bound.number(0), MAX_DELAY_S), bound.line

    def run(state: State) -> Signal | None:
        state.act(Delay(line, len(state.changes), seconds))
        return None

    return run


def _delivernow(bound: Bound, _compiler: Compiler) -> Op:
    """Ends the script too: nothing after it could count."""
    line = bound.line

    def run(state: State) -> Signal | None:
        state.act(DeliverNow(line, len(state.changes)))
        return STOP

    return run


_OURS = (POLICY,)
COMMANDS = (
    CommandSpec(Spec("quarantine", ("string",), extension=_OURS), _quarantine),
    CommandSpec(Spec("wiretap", ("string",), extension=_OURS), _wiretap),
    CommandSpec(Spec("route", ("string",), extension=_OURS), _route),
    CommandSpec(Spec("requiretls", extension=_OURS), _requiretls),
    CommandSpec(Spec("delay", ("number",), extension=_OURS), _delay),
    CommandSpec(Spec("delivernow", extension=_OURS), _delivernow),
)
