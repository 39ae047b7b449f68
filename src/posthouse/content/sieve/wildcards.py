"""``:matches``: ``*`` any run of characters, ``?`` one character, ``\\`` takes the next one as it is (RFC 5228 §2.7.1).

Common shapes (``x*``, ``*x``, ``*x*``) are decided by Python's own string search; all others by RE2. What ``*`` stands for
is as short as possible (RFC 5229 §3.2).
"""

from __future__ import annotations

import re

from posthouse.content.patterns import Deadline, Expression, PatternError

_PIECE = re.compile(r"\\(.)|([*?])|([^\\*?]+)|(\\)", re.S)
_SPECIAL = re.compile(r"[^\w\s]")


class Wildcard:
    """One pattern, already folded like the values that it will be held against."""

    __slots__ = ("_compiled", "_literal", "_shape", "expression")

    def __init__(self, pattern: str) -> None:
        """Raises PatternError when it is too long."""
        shape, literals, pieces = [], [], []
        for match in _PIECE.finditer(pattern):
            escaped, wild, plain, lone = match.groups()
            if wild:
                shape.append(wild)
                pieces.append("(.*?)" if wild == "*" else "(.)")
            else:
                text = escaped or plain or lone
                if not shape or shape[-1] != "x":
                    shape.append("x")
                literals.append(text)
                pieces.append(_SPECIAL.sub(lambda found: "\\" + found[0] if found[0].isascii() else found[0], text))
        self._shape = "".join(shape)
        self._literal = "".join(literals)
        self.expression = rf"(?s:\A{''.join(pieces)}\z)"
        self._compiled: Expression | None = None
        if self._shape not in ("", "x", "*", "x*", "*x", "*x*"):
            self._expression()

    def _expression(self) -> Expression:
        if self._compiled is None:
            try:
                self._compiled = Expression(self.expression, ignore_case=False)
            except PatternError:
                raise PatternError("the pattern is too long") from None
        return self._compiled

    def fits(self, text: str, deadline: Deadline) -> bool:
        """Whether all of ``text`` fits."""
        shape, literal = self._shape, self._literal
        if shape == "*x*":
            return literal in text
        if shape == "x*":
            return text.startswith(literal)
        if shape == "*x":
            return text.endswith(literal)
        if shape in ("", "x"):
            return text == literal
        if shape == "*":
            return True
        return self._expression().found_in(text.encode("utf-8", "replace"), deadline)

    def spans(self, text: str, deadline: Deadline) -> list[tuple[int, int]] | None:
        """Where the whole and each wildcard are in the UTF-8 octets of ``text``; None if it does not fit."""
        octets = text.encode("utf-8", "replace")
        if self._shape in ("", "x"):
            return [(0, len(octets))] if text == self._literal else None
        return self._expression().spans(octets, deadline)
