"""What clients were told that is so (a name, rights, a limit), held against what is found after a crash.

Beside ``books``, which keep messages: a fact has the value that was acknowledged last, or one of those that were asked for
and not answered.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping


class Facts:
    """By key; "" is what nobody has said anything of."""

    def __init__(self) -> None:
        self.sure: dict[str, str] = defaultdict(str)
        self.open: dict[str, list[str]] = defaultdict(list)

    def one(self, key: str) -> str:
        """The value, as far as known."""
        return self.sure[key]

    def begin(self, key: str, value: str) -> None:
        """It was asked for."""
        self.open[key].append(value)

    def end(self, key: str, value: str) -> None:
        """It was answered; ``value`` is what holds now."""
        self.sure[key] = value
        self.open[key].clear()

    def compare(self, found: Mapping[str, str]) -> list[str]:
        """What does not fit; what is found is the truth from here on."""
        problems = []
        for key, value in found.items():
            if value != self.sure[key] and value not in self.open[key]:
                problems.append(f"{key}: is {value!r}, was {self.sure[key]!r}, asked for meanwhile {self.open[key]}")
            self.end(key, value)
        return problems
