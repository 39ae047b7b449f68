"""What can be wrong with a script, and with a run of it. Source: RFC 5228 §2.10.6 (errors)."""

from __future__ import annotations

from posthouse.base.errors import BadValue


class ScriptError(BadValue):
    """The script is not valid. ``line`` and ``column`` count from 1; ``problem`` is the text without the place."""

    def __init__(self, problem: str, line: int, column: int) -> None:
        super().__init__(f"line {line}, column {column}: {problem}")
        self.problem = problem
        self.line = line
        self.column = column


class RunError(Exception):
    """A valid script could not be run to its end: a limit was met, a value did not fit, or the script said ``error``.

    The message is then kept (RFC 5228 §2.10.6); ``Result.error`` holds the text.
    """

    def __init__(self, problem: str, line: int = 0) -> None:
        super().__init__(f"line {line}: {problem}" if line else problem)
