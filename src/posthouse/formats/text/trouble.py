"""What stands in the way of reading a document."""

from __future__ import annotations


class Unreadable(ValueError):
    """The document is broken, encrypted, or asks for more than it may. ``args[0]`` says it in a word or two."""
