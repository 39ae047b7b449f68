"""Why a host refused or put off a message, from its reply: by enhanced code (RFC 3463), then by the words that hosts use.

For administrators and statistics: nothing is retried or given up because of it, that is the reply code's to say.
"""

from __future__ import annotations

import re
from typing import Literal

Cause = Literal[
    "unknown-user",
    "mailbox-full",
    "disabled",
    "too-large",
    "blocked",
    "spam",
    "policy",
    "reputation",
    "greylisted",
    "authentication",
    "tls",
    "no-domain",
    "loop",
    "network",
    "other",
]

_ENHANCED = re.compile(r"^[245]\d\d[ -]([245])\.(\d{1,3})\.(\d{1,3})\b")
_BY_CODE: dict[str, Cause] = {
    "1.1": "unknown-user",
    "1.2": "no-domain",
    "1.6": "unknown-user",
    "1.7": "policy",
    "1.8": "policy",
    "1.10": "no-domain",
    "2.1": "disabled",
    "3.1": "other",
    "2.2": "mailbox-full",
    "2.3": "too-large",
    "3.4": "too-large",
    "4.1": "network",
    "4.2": "network",
    "4.3": "network",
    "4.4": "network",
    "4.6": "loop",
    "7.20": "authentication",
    "7.21": "authentication",
    "7.23": "authentication",
    "7.24": "authentication",
    "7.25": "authentication",
    "7.26": "authentication",
    "7.30": "tls",
    "7.10": "tls",
}
_BEFORE_CODES: tuple[tuple[re.Pattern[str], Cause], ...] = (
    (re.compile(r"5\.4\.1 recipient address rejected: access denied", re.IGNORECASE), "unknown-user"),
    (re.compile(r"receiving mail (?:at a rate|too quickly)", re.IGNORECASE), "policy"),
)
"""Where large sites use a code for something else: a recipient that their edge does not know, one that gets too much."""
_SAYS_UNKNOWN = re.compile(r"unknown|no such|not exist|no mailbox|doesn't have|not a valid", re.IGNORECASE)
_WORDS: dict[Cause, tuple[str, ...]] = {
    "greylisted": (r"gr[ea]y ?-?list", r"try again (?:in|later).{0,40}(?:minute|second)", "come back later"),
    "blocked": (
        "block ?-?list", "black ?-?list", "banned sending ip", "ipcheck", "spamhaus",
         "barracuda", r"\brbl\b", "dnsbl", "listed (?:at|in|by|on)",
        r"(?:client host|\bip\b) .{0,60}blocked",
    ),
    "reputation": (
        "reputation", "rate ?limit", "too many (?:messages|connections|emails)", "unusual (?:rate|volume)", "throttl",
        "deferred.{0,80}complaint", "unexpected volume", "permanently deferred", "server busy",
    ),
    "spam": (r"\bspam\b", "junk mail", "unsolicited", "content (?:rejected|refused)"),
    "authentication": (r"\bspf\b", r"\bdkim\b", r"\bdmarc\b", "unauthenticated", "reverse dns", r"\bptr\b", r"\brdns\b"),
    "tls": ("starttls", r"\btls\b", "certificate"),
    "mailbox-full": ("mailbox (?:is )?full", "over ?quota", "quota exceed", "insufficient (?:system )?storage"),
    "unknown-user": (
        "no such (?:user|recipient|mailbox)", "user (?:is )?unknown", "unknown (?:user|recipient)", "does not exist",
        "no mailbox", "doesn't have an? .{0,40}account", "not a valid (?:recipient|mailbox|user)",
        "recipient (?:address )?rejected", "invalid (?:recipient|mailbox)", "mailbox unavailable",
    ),
    "disabled": ("(?:account|mailbox|user).{0,30}(?:disabled|inactive|suspended|deactivated)",),
    "too-large": ("too (?:large|big)", "size (?:limit|exceed)"),
    "no-domain": ("domain .{0,60}(?:not found|takes no mail|no mail host)", "host or domain name not found"),
    "loop": (r"\bloop", "too many hops"),
    "network": (
        "timed? ?-?out", "connection (?:refused|reset|lost|closed)", "could be reached", "no route", "cannot be reached",
        "no answer",
    ),
    "policy": ("policy", "not (?:allowed|permitted|accepted)", "denied", "prohibited", "relay"),
}  # fmt: skip
"""In this order: what is more telling comes first."""
_BY_WORDS = tuple((cause, re.compile("|".join(words), re.IGNORECASE)) for cause, words in _WORDS.items())


def cause_of(reply: str) -> Cause:
    """The cause that a reply line names; ``other`` if none is recognised."""
    words = next((cause for cause, pattern in _BY_WORDS if pattern.search(reply[:1000])), None)
    odd = next((cause for pattern, cause in _BEFORE_CODES if pattern.search(reply[:1000])), None)
    if odd is not None:
        return odd
    match = _ENHANCED.match(reply)
    if match is None:
        return words or "other"
    by_code = _BY_CODE.get(f"{int(match[2])}.{int(match[3])}")
    if by_code is not None:
        return by_code
    if match[2] == "7" and words == "unknown-user" and not _SAYS_UNKNOWN.search(reply[:1000]):
        return "policy"
    return words or ("policy" if match[2] == "7" else "network" if match[2] == "4" else "other")
