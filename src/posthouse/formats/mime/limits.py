"""What one message may ask of the index, and the words for having asked more.

A limit that is met is no error here: the index ends there and ``Summary.problems`` names it. Whoever accepts messages from
strangers refuses those (``if summary.problems``); whoever shows stored ones uses what there is.
"""

from __future__ import annotations

from msgspec import Struct

TOO_MANY_FIELDS = "too many header fields"
HEADER_TOO_LARGE = "header too large"
TOO_MANY_PARTS = "too many parts"
TOO_DEEP = "parts nested too deeply"
TOO_MUCH_WORK = "boundaries too many to look at"
PROBLEMS = (TOO_MANY_FIELDS, HEADER_TOO_LARGE, TOO_MANY_PARTS, TOO_DEEP, TOO_MUCH_WORK)


class Limits(Struct, frozen=True):
    """``max_headers`` for one header; ``max_header_bytes`` for all headers together; ``max_depth`` counts the root as 1."""

    max_headers: int = 2000
    max_header_bytes: int = 1 << 20
    max_parts: int = 1000
    max_depth: int = 50


DEFAULT = Limits()
