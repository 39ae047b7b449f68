"""DMARC policy records (RFC 9989 §4.7; RFC 7489's pct= is understood where it means testing)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, cast

from posthouse.model.mail_authentication import Policy

MAX_RECORD = 4096

_VERSION = re.compile(r"v[ \t]*=[ \t]*DMARC1[ \t]*(?:;|\Z)")
_POLICIES = ("none", "quarantine", "reject")


@dataclass(frozen=True, slots=True)
class Record:
    """``subdomains`` and ``non_existent`` fall back to ``policy``. ``public_suffix`` is psd=: "y", "n" or "u".

    ``testing``: t=y, or the older pct=0: the owner asks to be treated one step milder. ``failure_options`` are those of fo=
    that are known: "0", "1", "d", "s".
    """

    text: str
    policy: Policy
    subdomains: Policy
    non_existent: Policy
    strict_dkim: bool
    strict_spf: bool
    testing: bool
    public_suffix: Literal["y", "n", "u"]
    reports_to: tuple[str, ...]
    failures_to: tuple[str, ...] = ()
    failure_options: frozenset[str] = frozenset("0")


def choose(texts: Sequence[str]) -> Record | None:
    """The one DMARC record among TXT records; None if there is none, or more than one (RFC 9989 §4.10)."""
    found = [text for text in texts if _VERSION.match(text)]
    return read(found[0]) if len(found) == 1 else None


@lru_cache(maxsize=4096)
def read(text: str) -> Record | None:
    """None for what is no policy: no usable p=, and nowhere to report to either."""
    if len(text) > MAX_RECORD:
        return None
    found: dict[str, str] = {}
    for piece in text.split(";"):
        name, _, value = piece.partition("=")
        found.setdefault(name.strip().lower(), value.strip())
    reports_to = mail_uris(found.get("rua", ""))
    policy = found.get("p", "").lower()
    wanted = [found[name].lower() for name in ("p", "sp", "np") if name in found]
    if policy not in _POLICIES or any(word not in _POLICIES for word in wanted):
        if "p" in found and not reports_to:
            return None
        return _record(text, found, {}, reports_to)
    return _record(text, found, {name: found[name].lower() for name in ("p", "sp", "np") if name in found}, reports_to)


def _record(text: str, found: dict[str, str], policies: dict[str, str], reports_to: tuple[str, ...]) -> Record:
    policy = policies.get("p", "none")
    subdomains = policies.get("sp", policy)
    suffix = found.get("psd", "u").lower()
    return Record(
        text=text,
        policy=cast(Policy, policy),
        subdomains=cast(Policy, subdomains),
        non_existent=cast(Policy, policies.get("np", subdomains)),
        strict_dkim=found.get("adkim", "r").lower() == "s",
        strict_spf=found.get("aspf", "r").lower() == "s",
        testing=found.get("t", "n").lower() == "y" or found.get("pct", "") == "0",
        public_suffix=cast(Literal["y", "n", "u"], suffix if suffix in ("y", "n") else "u"),
        reports_to=reports_to,
        failures_to=mail_uris(found.get("ruf", "")),
        failure_options=_options(found.get("fo", "")),
    )


def mail_uris(value: str) -> tuple[str, ...]:
    """The ``mailto:`` addresses in rua= or ruf=."""
    return tuple(uri.strip() for uri in value.split(",") if uri.strip().lower().startswith("mailto:"))


def _options(value: str) -> frozenset[str]:
    known = {option for word in value.split(":") if (option := word.strip().lower()) in ("0", "1", "d", "s")}
    return frozenset(known or "0")
