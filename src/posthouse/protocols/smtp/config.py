"""What a server core is set up with, and the list of extensions that follows from it (RFC 5321 §4.1.1.1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypedDict

from posthouse.protocols.smtp.wishes import FutureRelease

ServerService = Literal["smtp", "lmtp", "submission", "submissions"]


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """``starttls``, ``auth`` and ``requiretls`` are what is on offer at first; ``ServerCore.offer`` changes them.

    ``max_line`` bounds a command line with its CRLF (RFC 5321 asks for at least 512), ``max_auth_line`` one of an AUTH
    exchange (RFC 4954 §4: 12288), ``max_text_line`` a line of a message. ``max_transactions`` and ``max_recipients`` are
    told to clients as MAILMAX and RCPTMAX (RFC 9422) when ``limits`` is on.
    """

    hostname: str
    service: ServerService = "smtp"
    max_message_bytes: int = 31_457_280
    max_line: int = 2048
    max_auth_line: int = 12_288
    max_text_line: int = 102_400
    max_recipients: int = 1000
    max_transactions: int = 1000
    max_errors: int = 20
    starttls: bool = False
    auth: tuple[str, ...] = ()
    smtputf8: bool = True
    chunking: bool = True
    binarymime: bool = True
    dsn: bool = True
    requiretls: bool = False
    limits: bool = True
    bare_newline: Literal["refuse", "normalise"] = "refuse"


@dataclass(slots=True)
class Offers:
    """What is on offer at this moment. ``wishes``: delivery by a time and priorities, for clients that are trusted;
    ``burl``: the places whose URLs BURL takes (RFC 4468 §3.1), empty for none."""

    starttls: bool = False
    auth: Sequence[str] = ()
    requiretls: bool = False
    wishes: bool = False
    future_release: FutureRelease | None = None
    burl: Sequence[str] = ()


class Changes(TypedDict, total=False):
    """New values of ``Offers``."""

    starttls: bool
    auth: Sequence[str]
    requiretls: bool
    wishes: bool
    future_release: FutureRelease | None
    burl: Sequence[str]


def extensions(config: ServerConfig, offers: Offers, *, authenticated: bool) -> list[str]:
    """The lines of the EHLO reply after the first."""
    out = ["PIPELINING", f"SIZE {config.max_message_bytes}", "8BITMIME", "ENHANCEDSTATUSCODES"]
    if offers.starttls:
        out.append("STARTTLS")
    if offers.auth and not authenticated:
        out.append("AUTH " + " ".join(offers.auth))
    if config.smtputf8:
        out.append("SMTPUTF8")
    if config.chunking:
        out.append("CHUNKING")
        if config.binarymime:
            out.append("BINARYMIME")
    if config.dsn:
        out.append("DSN")
    if offers.requiretls:
        out.append("REQUIRETLS")
    if offers.wishes:
        out += ["DELIVERBY", "MT-PRIORITY"]
    if offers.future_release is not None:
        out.append(str(offers.future_release))
    if offers.burl:
        out.append("BURL " + " ".join(offers.burl))
    if config.limits:
        out.append(f"LIMITS MAILMAX={config.max_transactions} RCPTMAX={config.max_recipients}")
    return out
