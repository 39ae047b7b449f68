"""Globs over short texts: ``*`` any run of characters, ``?`` any one; nothing else is special; letter case never matters.

Linear in pattern times text at worst, so that a pattern of many stars cannot hold the program.
"""

from __future__ import annotations


def is_glob(pattern: str) -> bool:
    """Whether ``pattern`` can match more than itself."""
    return "*" in pattern or "?" in pattern


def matches(pattern: str, text: str) -> bool:
    """Whether all of ``text`` fits ``pattern``."""
    pattern, text = pattern.lower(), text.lower()
    at_pattern = at_text = 0
    star = resume = -1
    while at_text < len(text):
        if at_pattern < len(pattern) and pattern[at_pattern] == "*":
            star, resume = at_pattern, at_text
            at_pattern += 1
        elif at_pattern < len(pattern) and pattern[at_pattern] in ("?", text[at_text]):
            at_pattern += 1
            at_text += 1
        elif star >= 0:
            resume += 1
            at_pattern, at_text = star + 1, resume
        else:
            return False
    return not pattern[at_pattern:].strip("*")
