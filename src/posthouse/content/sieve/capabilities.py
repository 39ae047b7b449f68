"""Which extensions there are (for ``require``, ``ihave``, and ManageSieve's SIEVE line), and who may use them.

Scripts of the system and of domains may do what a user's may not: copy secretly, route, delay, ask block lists.
"""

from __future__ import annotations

from typing import Literal

from posthouse.content.sieve.comparators import COMPARATORS

Scope = Literal["system", "domain", "user"]

FILTER = "vnd.posthouse.filter"
"""Our tests and actions that every script may use (CON-1, CON-2)."""
POLICY = "vnd.posthouse.policy"
"""Those for scripts of the system and of domains."""

EXTENSIONS: tuple[str, ...] = (
    "body",
    "copy",
    "date",
    "duplicate",
    "editheader",
    "enclose",
    "encoded-character",
    "enotify",
    "envelope",
    "environment",
    "ereject",
    "extracttext",
    "fcc",
    "fileinto",
    "foreverypart",
    "ihave",
    "imap4flags",
    "include",
    "index",
    "mailbox",
    "mailboxid",
    "mime",
    "regex",
    "reject",
    "relational",
    "replace",
    "spamtest",
    "spamtestplus",
    "special-use",
    "subaddress",
    "vacation",
    "vacation-seconds",
    "variables",
    "virustest",
    FILTER,
    POLICY,
)
NOTIFY_METHODS = ("mailto",)


def extensions(scope: Scope) -> tuple[str, ...]:
    """What scripts of this scope may require, comparators left out."""
    return tuple(name for name in EXTENSIONS if scope != "user" or name != POLICY)


def supports(name: str, scope: Scope) -> bool:
    """Whether ``require`` may name it."""
    if name.startswith("comparator-"):
        return name.removeprefix("comparator-") in COMPARATORS
    return name in extensions(scope)
