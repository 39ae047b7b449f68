"""An RFC 5321 mailbox address: local part and domain, UTF-8 allowed (RFC 6531).

The SMTP core has checked the syntax of paths before; ``Address.parse`` is for settings, operations and headers' bare
addresses. Domains are kept lower case and in A-label form; local parts keep their case, and are compared by ``key``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache

_ATEXT = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\-\x80-\U0010ffff]"
_DOT_ATOM = re.compile(rf"{_ATEXT}+(?:\.{_ATEXT}+)*")
_QUOTED = re.compile(r'"(?:[\x20\x21\x23-\x5b\x5d-\x7e\x80-\U0010ffff]|\\[\x20-\x7e])*"')
_LABEL = r"(?!-)[a-z0-9_-]{1,63}(?<!-)"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_LITERAL = re.compile(r"\[[0-9A-Za-z:.\-]{1,100}\]")


@dataclass(frozen=True, slots=True)
class Address:
    """``local`` as written (quotes removed when they are not needed), ``domain`` normalised.

    ``key`` is what the directory compares: both in lower case. ``str()`` gives the address without angle brackets.
    """

    local: str
    domain: str
    key: str = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", f"{self.local}@{self.domain}".lower())

    def __str__(self) -> str:
        return f"{self.local}@{self.domain}" if self.domain else self.local

    @property
    def is_ascii(self) -> bool:
        """Whether it can be sent to a server without SMTPUTF8."""
        return self.local.isascii()

    def split_detail(self, delimiter: str = "+") -> tuple[str, str]:
        """Local part and detail of plus-addressing: ``jane+news`` gives ``("jane", "news")``; no detail gives ""."""
        if not delimiter or self.local.startswith('"'):
            return self.local, ""
        base, found, detail = self.local.partition(delimiter)
        return (base, detail) if found and base else (self.local, "")

    def with_local(self, local: str) -> Address:
        return Address(local, self.domain)

    @classmethod
    def parse(cls, text: str) -> Address:
        """Raises ValueError with a reason if ``text`` is not ``local@domain``, or passes RFC 5321 §4.5.3.1's lengths."""
        return _parsed(text)


@lru_cache(4_096)
def _parsed(text: str) -> Address:
    """``Address.parse``: the same few come again and again, and a message names its own several times."""
    local, at, domain = text.rpartition("@")
    if not at or not local or not domain:
        raise ValueError("an address has the form local@domain")
    return Address(normal_local(local), normal_domain(domain))


def normal_local(text: str) -> str:
    """A checked local part; quotes are dropped where a dot-atom will do. Raises ValueError."""
    if len(text.encode("utf-8", "surrogatepass")) > 64 + 2:
        raise ValueError("the local part is longer than 64 octets")
    if _DOT_ATOM.fullmatch(text):
        return text
    if _QUOTED.fullmatch(text):
        bare = re.sub(r"\\(.)", r"\1", text[1:-1])
        return bare if _DOT_ATOM.fullmatch(bare) else text
    raise ValueError("the local part has characters that are not allowed")


def normal_domain(text: str) -> str:
    """A domain in lower case A-label form, or an address literal as it is. Raises ValueError."""
    if _LITERAL.fullmatch(text):
        return text
    name = text.rstrip(".") if text.endswith(".") and not text.endswith("..") else text
    try:
        if not name.isascii():
            name = name.encode("idna").decode("ascii")
    except UnicodeError:
        raise ValueError("the domain is not a valid internationalised name") from None
    name = name.lower()
    if len(name) > 253 or not _NAME.fullmatch(name):
        raise ValueError("the domain is not a valid host name")
    return name
