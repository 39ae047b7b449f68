"""SORT and THREAD as values (RFC 5256, RFC 5267 ESORT, RFC 5957 SORT=DISPLAY, RFC 6203 §6 RELEVANCY)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from posthouse.protocols.imap.commands import Command, SearchReturn
from posthouse.protocols.imap.search_keys import SearchKey

SortField = Literal["ARRIVAL", "CC", "DATE", "DISPLAYFROM", "DISPLAYTO", "FROM", "RELEVANCY", "SIZE", "SUBJECT", "TO"]
ThreadAlgorithm = Literal["ORDEREDSUBJECT", "REFERENCES"]


@dataclass(frozen=True, slots=True)
class SortKey:
    """One criterion, the other way round if ``reverse``."""

    field: SortField
    reverse: bool = False


@dataclass(frozen=True, slots=True)
class Sort(Command):
    """``returns`` None: the SORT response; else ESEARCH. ``has_mod_seq`` as in ``Search``."""

    uid: bool
    criteria: tuple[SortKey, ...]
    key: SearchKey
    returns: SearchReturn | None = None
    has_mod_seq: bool = False


@dataclass(frozen=True, slots=True)
class Thread(Command):
    uid: bool
    algorithm: ThreadAlgorithm
    key: SearchKey
