"""Names and texts of other engines' rules, made fit for headers and traces."""

from __future__ import annotations

import re

MAX_NAME_CHARS = 60
MAX_WHY_CHARS = 200
_FOREIGN = re.compile(r"[^A-Z0-9_]+")


def rule_name(text: str) -> str:
    """In capital letters, digits and ``_``."""
    return _FOREIGN.sub("_", text.upper())[:MAX_NAME_CHARS] or "UNNAMED"


def rule_why(text: str) -> str:
    """One line of plain words."""
    words = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return words if len(words) <= MAX_WHY_CHARS else words[: MAX_WHY_CHARS - 3] + "..."
