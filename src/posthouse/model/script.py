"""Scripts at rest: whose they are, and what is kept beside them (CON-3, CON-4)."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Literal

from msgspec import Struct

from posthouse.base.errors import BadValue

Scope = Literal["system", "domain", "user"]
MemoryKind = Literal["duplicate", "vacation"]

MAX_NAME_BYTES = 512
MAX_SCRIPTS = 100
MAX_SCRIPT_BYTES = 1 << 20
MAX_OWNER_BYTES = 4 << 20


class ScriptOwner(Struct, frozen=True):
    """Whose script: the system's (``owner_id`` 0), a domain's (its ``domain_id``), or a user's (the ``account_id``)."""

    scope: Scope
    owner_id: int = 0


SYSTEM = ScriptOwner("system")


@dataclass(frozen=True, slots=True)
class StoredScript:
    """``position`` orders the scripts of one owner. A user has at most one active script; others may have several, which run
    in order. ``changed_at`` in seconds since 1970."""

    name: str
    text: str
    active: bool
    position: int
    changed_at: float


@dataclass(frozen=True, slots=True)
class Memory:
    """What a script wants remembered (RFC 7352, RFC 5230)."""

    kind: MemoryKind
    key: str
    expires_at: float


@dataclass(frozen=True, slots=True)
class StoredWordList:
    """A word list as text, one entry a line."""

    name: str
    text: str


def normal_script_name(name: str) -> str:
    """A script's name in NFC (RFC 5804 §1.6). Raises BadValue: empty, too long, control characters."""
    text = unicodedata.normalize("NFC", name)
    bad = any(unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") for char in text)
    if bad or not text.strip() or len(text.encode("utf-8", "replace")) > MAX_NAME_BYTES:
        raise BadValue(f"{name[:60]!r} is not a name for a script")
    return text
