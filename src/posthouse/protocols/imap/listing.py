"""LIST's patterns: ``*`` is any run of characters, ``%`` any run without the separator (RFC 9051 §6.3.9).

Matching never goes back: all places in the pattern where it may stand are the bits of one number, moved on by each
character of the name. So a stranger's ``*a*a*a*a*b`` costs no more than any other pattern of its length.
"""

from __future__ import annotations

from posthouse.model.mailbox import INBOX, SEPARATOR


class Pattern:
    """One pattern, ready to be matched against many names."""

    __slots__ = ("_any_case", "_goal", "_literals", "_plain", "_prefix", "_run", "_skip", "_text", "_within")

    def __init__(self, pattern: str) -> None:
        text = _collapse(pattern)
        if text[: len(INBOX)].upper() == INBOX and text[len(INBOX) : len(INBOX) + 1] in ("", SEPARATOR, "*", "%"):
            text = INBOX + text[len(INBOX) :]
        self._text = text
        head = text[:-1]
        wild_head = "*" in head or "%" in head
        self._plain = not wild_head and text[-1:] not in ("*", "%")
        self._prefix = head if not wild_head and not self._plain else None
        self._any_case = Pattern(text.upper()) if text.upper() != text else None
        self._goal = 1 << len(text)
        self._run = self._within = 0
        self._literals: dict[str, int] = {}
        for place, char in enumerate(text):
            bit = 1 << place
            if char == "*":
                self._run |= bit
            elif char == "%":
                self._within |= bit
            else:
                self._literals[char] = self._literals.get(char, 0) | bit
        self._skip = self._run | self._within

    def match(self, name: str) -> bool:
        """Whether the whole of ``name`` fits; INBOX fits in any case."""
        if name == INBOX and self._any_case is not None:
            return self._any_case.match(name) or self._match(name)
        return self._match(name)

    def _match(self, name: str) -> bool:
        if self._plain:
            return name == self._text
        if self._prefix is not None:
            return name.startswith(self._prefix) and (bool(self._run) or SEPARATOR not in name[len(self._prefix) :])
        literals, run, within, skip = self._literals, self._run, self._within, self._skip
        places = 1 | (skip & 1) << 1
        for char in name:
            stay = run if char == SEPARATOR else run | within
            places = places & stay | (places & literals.get(char, 0)) << 1
            if not places:
                return False
            places |= (places & skip) << 1
        return bool(places & self._goal)


def _collapse(pattern: str) -> str:
    """Runs of wildcards as one: ``*`` swallows its neighbours."""
    out: list[str] = []
    for char in pattern:
        if char in "*%" and out and out[-1] in "*%":
            if char == "*":
                out[-1] = "*"
        else:
            out.append(char)
    return "".join(out)
