"""Flags as FETCH shows them, by their bits; made once for each combination (RFC 9051 §7.5.2)."""

from __future__ import annotations

from array import array
from functools import lru_cache

from posthouse.model.flags import flag_names

_MAX_TEXTS = 4096


class FlagTexts(dict[int, bytes]):
    """``texts[bits]`` is ``(\\Seen work)``. Bounded; for one list of keywords."""

    def __init__(self, keywords: tuple[str, ...]) -> None:
        super().__init__()
        self._keywords = keywords

    def __missing__(self, bits: int) -> bytes:
        if len(self) >= _MAX_TEXTS:
            self.clear()
        text = self[bits] = b"(%b)" % " ".join(flag_names(bits, self._keywords)).encode()
        return text

    def of(self, flags: array[int]) -> list[bytes]:
        """The texts of a column of flags."""
        if flags and flags == flags[:1] * len(flags):
            return [self[flags[0]]] * len(flags)
        return list(map(self.__getitem__, flags))


@lru_cache(maxsize=512)
def flag_texts(keywords: tuple[str, ...]) -> FlagTexts:
    """The texts for mailboxes with these keywords, shared by all sessions."""
    return FlagTexts(keywords)
