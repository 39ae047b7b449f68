"""Arguments of SORT and THREAD: criteria or algorithm, character set, and SEARCH's keys (RFC 5256, RFC 5267, RFC 5957)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import cast, get_args

from posthouse.protocols.imap.commands import Command, SearchReturn
from posthouse.protocols.imap.parse_search import search_returns, search_tree
from posthouse.protocols.imap.scanner import Malformed, Scanner
from posthouse.protocols.imap.sort_commands import Sort, SortField, SortKey, Thread, ThreadAlgorithm

MAX_CRITERIA = 20
_FIELDS: Mapping[bytes, SortField] = {name.encode("ascii"): cast(SortField, name) for name in get_args(SortField)}
_ALGORITHMS: Mapping[bytes, ThreadAlgorithm] = {
    name.encode("ascii"): cast(ThreadAlgorithm, name) for name in get_args(ThreadAlgorithm)
}


def sort(scanner: Scanner, *, uid: bool = False) -> Sort:
    scanner.space()
    returns: SearchReturn | None = None
    if scanner.peek() != b"(":
        if scanner.text[scanner.pos : scanner.pos + 6].upper() != b"RETURN":
            raise Malformed("Sort criteria are missing")
        returns = search_returns(scanner)
    criteria = tuple(scanner.listed(lambda: _criterion(scanner), at_most=MAX_CRITERIA))
    if not criteria:
        raise Malformed("Sort criteria are missing")
    scanner.space()
    charset = _charset(scanner)
    key, has_mod_seq, fuzzy = search_tree(scanner, charset)
    by_relevancy = any(one.field == "RELEVANCY" for one in criteria) or (returns is not None and returns.relevancy)
    if by_relevancy and not fuzzy:
        raise Malformed("RELEVANCY needs FUZZY")
    return Sort(scanner.tag, uid, criteria, key, returns, has_mod_seq)


def _criterion(scanner: Scanner) -> SortKey:
    name = scanner.word()
    reverse = name == b"REVERSE"
    if reverse:
        scanner.space()
        name = scanner.word()
    field = _FIELDS.get(name)
    if field is None:
        raise Malformed("Unknown sort criterion")
    return SortKey(field, reverse)


def thread(scanner: Scanner, *, uid: bool = False) -> Thread:
    scanner.space()
    algorithm = _ALGORITHMS.get(scanner.word())
    if algorithm is None:
        raise Malformed("Unknown threading algorithm")
    scanner.space()
    charset = _charset(scanner)
    key, _, _ = search_tree(scanner, charset)
    return Thread(scanner.tag, uid, algorithm, key)


def _charset(scanner: Scanner) -> str:
    charset = scanner.astring().decode("latin-1").upper()
    scanner.space()
    return charset


SORT_PARSERS: Mapping[bytes, Callable[[Scanner], Command]] = {b"SORT": sort, b"THREAD": thread}
UID_SORT_PARSERS: Mapping[bytes, Callable[[Scanner], Command]] = {
    b"SORT": lambda scanner: sort(scanner, uid=True),
    b"THREAD": lambda scanner: thread(scanner, uid=True),
}
