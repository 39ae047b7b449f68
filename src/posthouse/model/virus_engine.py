"""A virus engine as the setting ``antivirus.engines`` names it: where it is, and what follows from what it finds (CON-5)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, TypeVar, get_args
from urllib.parse import parse_qsl, unquote, urlsplit

Action = Literal["reject", "discard", "quarantine", "strip", "clean"]
Down = Literal["tempfail", "pass"]
Word = TypeVar("Word", bound=str)
ACTIONS: tuple[Action, ...] = get_args(Action)
DOWNS: tuple[Down, ...] = get_args(Down)
_PORTS = {"clamd": 3310, "icap": 1344}
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,31}")


@dataclass(frozen=True, slots=True)
class VirusEngine:
    """``clamd://HOST:PORT``, ``clamd:///SOCKET`` or ``icap://HOST:PORT/SERVICE``, with ``?action=``, ``down=`` and ``name=``.

    ``path`` is the socket's path (then ``host`` is "") or ICAP's service. ``action`` and ``down`` None: as the settings say for
    all. ``name`` is what traces call it, the scheme unless given.
    """

    scheme: Literal["clamd", "icap"]
    host: str
    port: int
    path: str
    name: str
    action: Action | None = None
    down: Down | None = None

    @classmethod
    def parse(cls, text: str) -> VirusEngine:
        """Raises ValueError with a reason for its author."""
        url = urlsplit(text)
        if url.scheme not in ("clamd", "icap"):
            raise ValueError("it begins with clamd:// or icap://")
        host, path = url.hostname or "", unquote(url.path)
        if url.scheme == "clamd" and bool(host) == bool(path.strip("/")):
            raise ValueError("clamd://HOST:PORT or clamd:///PATH/OF/SOCKET")
        if url.scheme == "icap" and (not host or not path.strip("/")):
            raise ValueError("icap://HOST:PORT/SERVICE")
        options = dict(parse_qsl(url.query, strict_parsing=True)) if url.query else {}
        if unknown := options.keys() - {"action", "down", "name"}:
            raise ValueError(f"unknown option {min(unknown)}")
        name = options.get("name", url.scheme).lower()
        if not _NAME.fullmatch(name):
            raise ValueError("a name is of letters, digits, dots and hyphens")
        return cls(
            url.scheme,  # type: ignore[arg-type]
            host,
            url.port or _PORTS[url.scheme],
            path.lstrip("/") if url.scheme == "icap" else path if not host else "",
            name,
            _one_of(options.get("action"), ACTIONS),
            _one_of(options.get("down"), DOWNS),
        )

    @property
    def place(self) -> str:
        """Where it is, for people."""
        if not self.host:
            return self.path
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}" + (f"/{self.path}" if self.path else "")


def _one_of(word: str | None, words: tuple[Word, ...]) -> Word | None:
    if word is None:
        return None
    for each in words:
        if each == word:
            return each
    raise ValueError(f"{word!r} is none of {', '.join(words)}")
