"""From a syntax tree to closures: checks everything that can be checked before a run, and makes what runs fast.

Each command becomes a function of the ``State`` that does its work and answers None, or a signal (``stop``); each test one
that answers a truth. Strings, matchers and expressions are made here, once. With ``traced`` every test and action is wrapped
in one that notes its outcome. RFC 5228 §2.10.5, §3.1, §3.2; RFC 5463 (ihave); RFC 5229 (variables).
"""

from __future__ import annotations

from collections.abc import Sequence

from posthouse.content.patterns import PatternError
from posthouse.content.sieve.capabilities import Scope, supports
from posthouse.content.sieve.comparators import ASCII_CASEMAP, BUILT_IN, COMPARATORS, NUMERIC
from posthouse.content.sieve.conditions import conditional
from posthouse.content.sieve.errors import ScriptError
from posthouse.content.sieve.matching import RELATIONS, BodyExpressions, Manner, Matcher, MatchType, make_matcher
from posthouse.content.sieve.registry import commands as registered_commands
from posthouse.content.sieve.registry import tests as registered_tests
from posthouse.content.sieve.specs import Bound, CommandSpec, Spec, TestSpec, bind
from posthouse.content.sieve.state import Op, Signal, State, TestOp
from posthouse.content.sieve.syntax import Command, Place, Strings, Test
from posthouse.content.sieve.text import Text, decode_characters

_QUIET = frozenset(("if", "elsif", "else", "require", "foreverypart"))
"""Commands whose doing says nothing by itself; their tests do."""
MAX_SHOWN = 120


class Compiler:
    """One script's. ``requires`` grows with ``require`` and with ``ihave`` that holds; ``shared`` holds the names declared by
    ``global``; ``loops`` the names of the ``foreverypart``s around ("" without name)."""

    def __init__(self, source: str, scope: Scope, *, traced: bool) -> None:
        self.source = source
        self.scope: Scope = scope
        self.requires: set[str] = set()
        self.shared: set[str] = set()
        self.loops: list[str] = []
        self.traced = traced
        self.bodies = BodyExpressions()
        self._commands_seen = 0

    # What makers of commands and tests use

    def required(self, name: str) -> bool:
        """Whether the script may use this extension from here on."""
        return name in self.requires

    def text(self, strings: Strings) -> Text:
        """A single string with what is to be put into it."""
        return self._text(strings.values[0], strings.place)

    def texts(self, strings: Strings) -> list[Text]:
        """A string list."""
        return [self._text(value, strings.place) for value in strings.values]

    def _text(self, value: str, place: Place) -> Text:
        if "${" not in value:
            return Text(value)
        try:
            if "encoded-character" in self.requires:
                value = decode_characters(value)
            return Text(value, shared=self.shared) if "variables" in self.requires else Text(value)
        except ValueError as error:
            raise ScriptError(str(error), place.line, place.column) from None

    def constant(self, strings: Strings, what: str) -> str:
        """A single string that must not change between runs. Raises ScriptError."""
        found = self.text(strings).constant
        if found is None:
            raise ScriptError(f"{what} must not have variables in it", strings.place.line, strings.place.column)
        return found

    def manner(self, bound: Bound, default: MatchType = "is") -> Manner:
        """Match type and comparator from a test's tags. Raises ScriptError."""
        match_type: MatchType = default
        relation = ""
        for name in ("is", "contains", "matches", "regex", "value", "count"):
            if name in bound.tags:
                match_type = name
        chosen = bound.tag_strings("comparator")
        comparator = self.constant(chosen, "a comparator") if chosen else ASCII_CASEMAP
        if comparator not in COMPARATORS or (comparator not in BUILT_IN and not self.required(f"comparator-{comparator}")):
            needs = f'; it needs require "comparator-{comparator}"' if comparator in COMPARATORS else ""
            raise bound.error(f"there is no comparator {comparator!r}{needs}", bound.tag_places.get("comparator"))
        if comparator == NUMERIC and match_type in ("contains", "matches", "regex"):
            raise bound.error(f"{NUMERIC} does not do :{match_type}", bound.tag_places.get("comparator"))
        if match_type in ("value", "count"):
            given = bound.tag_strings(match_type)
            relation = self.constant(given, f"the relation of :{match_type}").lower() if given else ""
            if relation not in RELATIONS:
                raise bound.error(f":{match_type} takes one of {', '.join(RELATIONS)}", bound.tag_places[match_type])
        return Manner(match_type, comparator, relation, captures="variables" in self.requires)

    def matcher(self, bound: Bound, keys: Strings, default: MatchType = "is") -> Matcher:
        """The matcher of a test's tags and keys. Raises ScriptError."""
        try:
            return make_matcher(self.manner(bound, default), self.texts(keys))
        except PatternError as error:
            raise bound.error(str(error), keys.place) from None

    # Compiling

    def script(self, commands: Sequence[Command]) -> Op:
        """The whole. Raises ScriptError."""
        return self.block(commands, top=True)

    def block(self, commands: Sequence[Command], *, top: bool = False) -> Op:
        """Commands in order, with their ifs put together."""
        made: list[Op] = []
        index = 0
        while index < len(commands):
            command = commands[index]
            if command.name == "if":
                end = index + 1
                while end < len(commands) and commands[end].name in ("elsif", "else"):
                    end += 1
                made.append(conditional(commands[index:end], self))
                self._commands_seen += 1
                index = end
                continue
            if command.name in ("elsif", "else"):
                raise ScriptError(f"{command.name} without if", command.place.line, command.place.column)
            if command.name == "require" and (self._commands_seen or not top):
                raise ScriptError("require must come first", command.place.line, command.place.column)
            made.append(self._command(command))
            self._commands_seen += command.name != "require"
            index += 1
        return _sequence(made)

    def _command(self, command: Command) -> Op:
        found = registered_commands().get(command.name)
        spec = self._allowed(found, command, "command")
        assert isinstance(spec, CommandSpec)
        op = spec.make(bind(spec.spec, command, self.required), self)
        return self._traced_command(op, command) if self.traced and command.name not in _QUIET else op

    def test(self, test: Test) -> TestOp:
        """One test. Raises ScriptError."""
        found = registered_tests().get(test.name)
        spec = self._allowed(found, test, "test")
        assert isinstance(spec, TestSpec)
        op = spec.make(bind(spec.spec, test, self.required), self)
        return self._traced_test(op, test) if self.traced else op

    def _allowed(self, found: CommandSpec | TestSpec | None, node: Command | Test, what: str) -> CommandSpec | TestSpec:
        place = node.place
        if found is None or not self._may(found.spec):
            other = (registered_tests() if what == "command" else registered_commands()).get(node.name)
            if found is not None:
                hint = f'{node.name} needs require "{found.spec.extension[0]}"'
            elif other is not None and self._may(other.spec):
                hint = f"{node.name} is not a {what}"
            else:
                hint = f"there is no {what} {node.name!r}"
            raise ScriptError(hint, place.line, place.column)
        return found

    def _may(self, spec: Spec) -> bool:
        return not spec.extension or any(name in self.requires for name in spec.extension)

    def require(self, name: str, place: Place) -> None:
        """Makes an extension known. Raises ScriptError if there is no such thing for this scope."""
        if not supports(name, self.scope):
            raise ScriptError(f"there is no extension {name!r}", place.line, place.column)
        self.requires.add(name)

    # Tracing

    def shown(self, place: Place) -> str:
        """A piece of the source on one line."""
        text = " ".join(self.source[place.start : place.end].split())
        return text if len(text) <= MAX_SHOWN else text[:MAX_SHOWN] + "..."

    def _traced_test(self, op: TestOp, test: Test) -> TestOp:
        line, text = test.place.line, self.shown(test.place)
        if test.name in ("allof", "anyof", "not"):
            text = test.name

        def traced(state: State) -> bool:
            state.hit = ""
            state.depth += 1
            outcome = op(state)
            state.depth -= 1
            state.note(line, text, "true" if outcome else "false", state.hit if outcome else "")
            state.hit = ""
            return outcome

        return traced

    def _traced_command(self, op: Op, command: Command) -> Op:
        line, text = command.place.line, self.shown(command.place)

        def traced(state: State) -> Signal | None:
            state.hit = ""
            signal = op(state)
            state.note(line, text, state.hit or "done")
            return signal

        return traced


def _sequence(made: Sequence[Op]) -> Op:
    ops = tuple(made)
    if len(ops) == 1:
        return ops[0]

    def run(state: State) -> Signal | None:
        state.step(len(ops))
        for op in ops:
            signal = op(state)
            if signal is not None:
                return signal
        return None

    return run
