"""The shell's history in the administrator's home (ADM-2): for its owner's eyes only, and never with a password in it."""

from __future__ import annotations

from pathlib import Path

from prompt_toolkit.history import FileHistory

_SECRET_WORDS = ("--password",)


class ShellHistory(FileHistory):
    """Lines that name a secret are remembered until the shell ends, and not written."""

    def __init__(self, path: Path) -> None:
        path.touch(mode=0o600)
        super().__init__(str(path))

    def store_string(self, string: str) -> None:
        """For prompt_toolkit."""
        if not any(word in string.lower() for word in _SECRET_WORDS):
            super().store_string(string)
