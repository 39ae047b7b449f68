"""A process that dies at any step of its work on a record and a target."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


class Killed(BaseException):
    """The process ended here."""


class Counting:
    """Passes calls through, until the n-th of those that change something: then it dies, before or after doing it."""

    CHANGES = ("intend", "settle", "append", "change_folder", "rename", "note_flags", "mark", "find")

    def __init__(self, behind: Any, steps: Iterator[int], deadly: int, *, after: bool) -> None:
        self._behind, self._steps, self._deadly, self._after = behind, steps, deadly, after

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._behind, name)
        if name not in self.CHANGES:
            return real

        async def step(*words: Any, **named: Any) -> Any:
            deadly = next(self._steps) == self._deadly
            if deadly and not self._after:
                raise Killed
            result = await real(*words, **named)
            if deadly:
                raise Killed
            return result

        return step
