"""The commands, and how their words are read (RFC 5804 §2)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from posthouse.protocols.managesieve.words import Word

MAX_NUMBER = (1 << 32) - 1


@dataclass(frozen=True, slots=True)
class Authenticate:
    """§2.1. ``initial`` is decoded, None if there was none."""

    mechanism: str
    initial: bytes | None


@dataclass(frozen=True, slots=True)
class AuthData:
    """The client's answer to a challenge, decoded; None: it gives up."""

    data: bytes | None


@dataclass(frozen=True, slots=True)
class StartTls:
    """§2.2."""


@dataclass(frozen=True, slots=True)
class Logout:
    """§2.3."""


@dataclass(frozen=True, slots=True)
class Capability:
    """§2.4."""


@dataclass(frozen=True, slots=True)
class HaveSpace:
    """§2.5."""

    name: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class PutScript:
    """§2.6."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class ListScripts:
    """§2.7."""


@dataclass(frozen=True, slots=True)
class SetActive:
    """§2.8. "" deactivates."""

    name: str


@dataclass(frozen=True, slots=True)
class GetScript:
    """§2.9."""

    name: str


@dataclass(frozen=True, slots=True)
class DeleteScript:
    """§2.10."""

    name: str


@dataclass(frozen=True, slots=True)
class RenameScript:
    """§2.11."""

    name: str
    new_name: str


@dataclass(frozen=True, slots=True)
class CheckScript:
    """§2.12."""

    text: str


@dataclass(frozen=True, slots=True)
class Noop:
    """§2.13. ``tag`` is given back, None if there was none."""

    tag: bytes | None


@dataclass(frozen=True, slots=True)
class Unauthenticate:
    """§2.14.1."""


Command = (
    Authenticate | AuthData | StartTls | Logout | Capability | HaveSpace | PutScript | ListScripts | SetActive | GetScript
    | DeleteScript | RenameScript | CheckScript | Noop | Unauthenticate
)  # fmt: skip


class Misused(Exception):
    """The words do not fit the command. ``code`` is a response code, or ""."""

    def __init__(self, text: str, code: str = "") -> None:
        super().__init__(text)
        self.text = text
        self.code = code


def _name(word: Word) -> str:
    return _text(word, "A name")


def _text(word: Word, what: str = "The script") -> str:
    if word.too_large:
        raise Misused(f"{what} is too large", "QUOTA/MAXSIZE")
    if not word.quoted:
        raise Misused(f"{what} must be a string")
    try:
        text = word.octets.decode()
    except UnicodeDecodeError:
        raise Misused(f"{what} is not UTF-8") from None
    return text


def _number(word: Word) -> int:
    if word.quoted or not word.octets.isdigit() or len(word.octets) > 10 or int(word.octets) > MAX_NUMBER:
        raise Misused("A number is missing")
    return int(word.octets)


def decoded(word: Word) -> bytes:
    """The octets of a word in base64. Raises Misused."""
    if not word.quoted or word.too_large:
        raise Misused("A string in base64 is missing")
    try:
        return binascii.a2b_base64(word.octets, strict_mode=True) if word.octets else b""
    except binascii.Error:
        raise Misused("That is not base64") from None


def _authenticate(words: Sequence[Word]) -> Command:
    mechanism = _text(words[0], "The mechanism").upper()
    return Authenticate(mechanism, decoded(words[1]) if len(words) > 1 else None)


def _noop(words: Sequence[Word]) -> Command:
    return Noop(_text(words[0], "The tag").encode() if words else None)


Reader = Callable[[Sequence[Word]], Command]
_READERS: Mapping[str, tuple[int, int, Reader]] = {
    "AUTHENTICATE": (1, 2, _authenticate),
    "STARTTLS": (0, 0, lambda _: StartTls()),
    "LOGOUT": (0, 0, lambda _: Logout()),
    "CAPABILITY": (0, 0, lambda _: Capability()),
    "HAVESPACE": (2, 2, lambda words: HaveSpace(_name(words[0]), _number(words[1]))),
    "PUTSCRIPT": (2, 2, lambda words: PutScript(_name(words[0]), _text(words[1]))),
    "LISTSCRIPTS": (0, 0, lambda _: ListScripts()),
    "SETACTIVE": (1, 1, lambda words: SetActive(_name(words[0]))),
    "GETSCRIPT": (1, 1, lambda words: GetScript(_name(words[0]))),
    "DELETESCRIPT": (1, 1, lambda words: DeleteScript(_name(words[0]))),
    "RENAMESCRIPT": (2, 2, lambda words: RenameScript(_name(words[0]), _name(words[1]))),
    "CHECKSCRIPT": (1, 1, lambda words: CheckScript(_text(words[0]))),
    "NOOP": (0, 1, _noop),
    "UNAUTHENTICATE": (0, 0, lambda _: Unauthenticate()),
}


def command_of(words: Sequence[Word]) -> Command:
    """Raises Misused."""
    name = words[0].octets.decode("ascii", "replace").upper() if not words[0].quoted else ""
    found = _READERS.get(name)
    if found is None:
        raise Misused("There is no such command")
    least, most, read = found
    if not least <= len(words) - 1 <= most:
        raise Misused(f"{name} takes {least if least == most else f'{least} to {most}'} arguments")
    return read(words[1:])


def encoded(data: bytes) -> bytes:
    """A challenge as a quoted string in base64."""
    return b'"' + base64.b64encode(data) + b'"\r\n'
