"""From tokens to the syntax tree, by recursive descent with bounded depth (RFC 5228 §8.2).

It knows the generic grammar only: any identifier may be a command or a test. Errors say what was expected, and where.
"""

from __future__ import annotations

from posthouse.content.sieve.errors import ScriptError
from posthouse.content.sieve.lexer import MAX_SCRIPT_BYTES, Places, Token, tokens
from posthouse.content.sieve.syntax import Argument, Command, Number, Place, Strings, Tag, Test

MAX_DEPTH = 32
MAX_ARGUMENTS = 100


def parse(text: str) -> tuple[Command, ...]:
    """The commands of a script. Raises ScriptError."""
    if len(text) > MAX_SCRIPT_BYTES or len(text.encode("utf-8", "replace")) > MAX_SCRIPT_BYTES:
        raise ScriptError(f"the script is longer than {MAX_SCRIPT_BYTES} octets", 1, 1)
    places = Places(text)
    if (nul := text.find("\0")) >= 0:
        raise ScriptError("a script must not have NUL in it", *places.of(nul))
    return _Parser(text, places).script()


class _Parser:
    """``_next`` is the token to be looked at."""

    def __init__(self, text: str, places: Places) -> None:
        self._places = places
        self._tokens = tokens(text, places)
        self._next = next(self._tokens)
        self._last = self._next

    def script(self) -> tuple[Command, ...]:
        commands = self._commands(0)
        if self._next.kind != "end":
            raise self._unexpected("a command")
        return commands

    def _take(self) -> Token:
        self._last = self._next
        if self._last.kind != "end":
            self._next = next(self._tokens)
        return self._last

    def _is(self, mark: str) -> bool:
        return self._next.kind == "mark" and self._next.text == mark

    def _taken(self, mark: str) -> bool:
        if self._is(mark):
            self._take()
            return True
        return False

    def _place(self, start: Token) -> Place:
        return Place(start.start, self._last.end, *self._places.of(start.start))

    def _unexpected(self, wanted: str) -> ScriptError:
        token = self._next
        found = {"end": "the end of the script", "string": "a string"}.get(token.kind, repr(token.text))
        return ScriptError(f"expected {wanted}, not {found}", *self._places.of(token.start))

    def _deeper(self, depth: int) -> int:
        if depth >= MAX_DEPTH:
            raise ScriptError(f"nested deeper than {MAX_DEPTH} levels", *self._places.of(self._next.start))
        return depth + 1

    def _commands(self, depth: int) -> tuple[Command, ...]:
        found = []
        while self._next.kind == "identifier":
            found.append(self._command(depth))
        return tuple(found)

    def _command(self, depth: int) -> Command:
        name = self._take()
        arguments, tests, parenthesised = self._arguments(depth)
        place = self._place(name)
        if self._taken(";"):
            return Command(name.text, place, arguments, tests, parenthesised, end=self._last.end)
        if not self._taken("{"):
            raise self._unexpected("';' or '{'" if tests or not arguments else "an argument, ';' or '{'")
        block = self._commands(self._deeper(depth))
        if not self._taken("}"):
            raise self._unexpected("a command or '}'")
        return Command(name.text, place, arguments, tests, parenthesised, block, self._last.end)

    def _arguments(self, depth: int) -> tuple[tuple[Argument, ...], tuple[Test, ...], bool]:
        arguments: list[Argument] = []
        while (argument := self._argument()) is not None:
            arguments.append(argument)
            if len(arguments) > MAX_ARGUMENTS:
                raise self._unexpected("fewer arguments")
        if self._next.kind == "identifier":
            return tuple(arguments), (self._test(self._deeper(depth)),), False
        if self._taken("("):
            return tuple(arguments), self._test_list(self._deeper(depth)), True
        return tuple(arguments), (), False

    def _test(self, depth: int) -> Test:
        if self._next.kind != "identifier":
            raise self._unexpected("a test")
        name = self._take()
        arguments, tests, parenthesised = self._arguments(depth)
        return Test(name.text, self._place(name), arguments, tests, parenthesised)

    def _test_list(self, depth: int) -> tuple[Test, ...]:
        found = [self._test(depth)]
        while self._taken(","):
            found.append(self._test(depth))
        if not self._taken(")"):
            raise self._unexpected("',' or ')'")
        return tuple(found)

    def _argument(self) -> Argument | None:
        start = self._next
        if start.kind == "number":
            self._take()
            return Number(start.number, self._place(start))
        if start.kind == "tag":
            self._take()
            return Tag(start.text, self._place(start))
        if start.kind == "string":
            self._take()
            return Strings((start.text,), self._place(start))
        if self._taken("["):
            return self._strings(start)
        return None

    def _strings(self, start: Token) -> Strings:
        """A bracketed list, its bracket taken."""
        values: list[str] = []
        while True:
            if self._next.kind != "string":
                raise self._unexpected("a string")
            values.append(self._take().text)
            if not self._taken(","):
                break
        if not self._taken("]"):
            raise self._unexpected("',' or ']'")
        return Strings(tuple(values), self._place(start), bracketed=True)
