"""One run of a script: what it has seen, decided and changed so far, and the limits that it runs into.

Made by ``runner``, written by the closures that ``compiler`` makes. Nothing outside is touched: the run ends in a ``Result``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from posthouse.content.sieve.actions import Action, Change, Remember, TraceLine
from posthouse.content.sieve.errors import RunError
from posthouse.content.sieve.facts import Facts, Question, Unanswered
from posthouse.model.summary import Part

Answer = TypeVar("Answer")

STOP = "stop"
RETURN = "return"
BREAK = "break"
"""What a command may answer instead of None: the run ends, an included script ends, a ``foreverypart`` (of a name) ends."""

Signal = str
Op = Callable[["State"], Signal | None]
TestOp = Callable[["State"], bool]


@dataclass(frozen=True, slots=True)
class Limits:
    """``redirects`` counts redirects, wiretaps and excerpts; ``seconds`` bounds the run as a whole."""

    steps: int = 100_000
    seconds: float = 0.5
    actions: int = 32
    redirects: int = 5
    variables: int = 256
    variable_chars: int = 4_096
    text_chars: int = 131_072
    includes: int = 32
    include_depth: int = 10
    changes: int = 100
    trace_lines: int = 1_000


DEFAULT_LIMITS = Limits()


class EditedHeader:
    """The top header once it was edited (RFC 5293): (lower-case name, name as written, decoded value) in order."""

    __slots__ = ("fields",)

    def __init__(self, fields: list[tuple[str, str, str]]) -> None:
        self.fields = fields

    def values(self, name: str) -> tuple[str, ...]:
        """Values of one name, first to last."""
        return tuple([value for key, _, value in self.fields if key == name])


class State:
    """``part`` is the current part within ``foreverypart``. ``match`` holds ``${0}`` and on. ``hit`` is the value that the last
    successful test matched, for the trace. ``score`` is the spam score as the script changes it. ``flags`` is the internal
    variable of imap4flags, None until it was used. ``frames`` are the included scripts that are under way."""

    __slots__ = (
        "_deadline",
        "_steps",
        "actions",
        "answers",
        "changes",
        "depth",
        "edited",
        "facts",
        "flags",
        "frames",
        "globals",
        "hit",
        "implicit_keep",
        "included",
        "limits",
        "match",
        "message",
        "part",
        "redirects",
        "remember",
        "score",
        "trace",
        "variables",
    )

    def __init__(self, facts: Facts, limits: Limits) -> None:
        self.facts = facts
        self.message = facts.message
        self.score = facts.score
        self.limits = limits
        self.answers = facts.answers
        self.actions: list[Action] = []
        self.changes: list[Change] = []
        self.remember: list[Remember] = []
        self.implicit_keep = True
        self.flags: tuple[str, ...] | None = None
        self.variables: dict[str, str] = {}
        self.globals: dict[str, str] = {}
        self.match: tuple[str, ...] = ()
        self.hit = ""
        self.part: Part | None = None
        self.edited: EditedHeader | None = None
        self.included: set[tuple[str, str]] = set()
        self.frames: list[tuple[str, str]] = []
        self.redirects = 0
        self.trace: list[TraceLine] = []
        self.depth = 0
        self._steps = limits.steps
        self._deadline = facts.steady() + limits.seconds

    # Limits

    def check(self) -> None:
        """The deadline of ``patterns``. Raises RunError."""
        if self.facts.steady() > self._deadline:
            raise RunError(f"the script took longer than {self.limits.seconds} seconds")

    def step(self, count: int = 1) -> None:
        """Counts work. Raises RunError."""
        before = self._steps
        self._steps = after = before - count
        if after < 0:
            raise RunError("the script does too much")
        if before >> 6 != after >> 6:
            self.check()

    # What is known

    def ask(self, question: Question, kind: type[Answer]) -> Answer:
        """The answer. Raises Unanswered, RunError if it is of another type."""
        try:
            found = self.answers[question]
        except KeyError:
            raise Unanswered(question) from None
        if not isinstance(found, kind):
            raise RunError(f"no answer to {question!r}")
        return found

    def fields(self, name: str) -> tuple[str, ...]:
        """Values of a field (lower-case name) of the top header as it is now."""
        return self.message.fields(name) if self.edited is None else self.edited.values(name)

    # What is decided

    def act(self, action: Action) -> None:
        """Adds an action. Raises RunError past the limit."""
        if len(self.actions) >= self.limits.actions:
            raise RunError(f"more than {self.limits.actions} actions", action.line)
        self.actions.append(action)

    def send(self, action: Action) -> None:
        """Adds an action that makes another message go out. Raises RunError past the limits."""
        self.redirects += 1
        if self.redirects > self.limits.redirects:
            raise RunError(f"more than {self.limits.redirects} redirects", action.line)
        self.act(action)

    def change(self, change: Change, line: int) -> None:
        """Adds a change of the message. Raises RunError past the limit."""
        if len(self.changes) >= self.limits.changes:
            raise RunError(f"more than {self.limits.changes} changes of the message", line)
        self.changes.append(change)

    def set_variable(self, name: str, value: str, *, shared: bool = False) -> None:
        """Sets a variable, its value cut to the limit. Raises RunError when there are too many."""
        variables = self.globals if shared else self.variables
        if name not in variables and len(self.variables) + len(self.globals) >= self.limits.variables:
            raise RunError(f"more than {self.limits.variables} variables")
        variables[name] = value[: self.limits.variable_chars]

    def note(self, line: int, text: str, outcome: str, detail: str = "") -> None:
        """Adds to the trace, within its limit."""
        if len(self.trace) < self.limits.trace_lines:
            self.trace.append(TraceLine(line, self.depth, text, outcome, detail))
