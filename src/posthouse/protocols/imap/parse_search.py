"""SEARCH's arguments: return options, character set, and the tree of keys, bounded in depth and size.

RFC 9051 §6.4.4; RFC 4731 (ESEARCH), RFC 5032 (WITHIN), RFC 5182 (SAVE), RFC 5267 (contexts), RFC 6203 (FUZZY), RFC 7162
(MODSEQ), RFC 8474, RFC 8514, RFC 9394.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

from posthouse.protocols.imap import dates
from posthouse.protocols.imap.commands import CancelUpdate, Command, Search, SearchReturn
from posthouse.protocols.imap.parse_fetch import partial_range
from posthouse.protocols.imap.scanner import MAX_NUMBER64, Malformed, Scanner
from posthouse.protocols.imap.search_keys import (
    AgeKey,
    All,
    And,
    DateKey,
    FlagKey,
    HeaderKey,
    ModSeqKey,
    Not,
    ObjectIdKey,
    Or,
    SearchKey,
    SequenceKey,
    SizeKey,
    TextKey,
    UidKey,
)

MAX_DEPTH = 100
MAX_KEYS = 2000
MAX_TAGS = 100
CHARSETS: Mapping[str, str] = {
    "US-ASCII": "utf-8",
    "ASCII": "utf-8",
    "UTF-8": "utf-8",
    "ISO-8859-1": "iso-8859-1",
    "ISO-8859-15": "iso-8859-15",
    "WINDOWS-1252": "cp1252",
}

_RECENT = "\\Recent"
_FIXED: Mapping[bytes, SearchKey] = {
    b"ALL": All(),
    b"SAVEDATESUPPORTED": All(),
    b"ANSWERED": FlagKey("\\Answered"),
    b"DELETED": FlagKey("\\Deleted"),
    b"DRAFT": FlagKey("\\Draft"),
    b"FLAGGED": FlagKey("\\Flagged"),
    b"SEEN": FlagKey("\\Seen"),
    b"RECENT": FlagKey(_RECENT),
    b"UNANSWERED": FlagKey("\\Answered", present=False),
    b"UNDELETED": FlagKey("\\Deleted", present=False),
    b"UNDRAFT": FlagKey("\\Draft", present=False),
    b"UNFLAGGED": FlagKey("\\Flagged", present=False),
    b"UNSEEN": FlagKey("\\Seen", present=False),
    b"OLD": FlagKey(_RECENT, present=False),
    b"NEW": And((FlagKey(_RECENT), FlagKey("\\Seen", present=False))),
}
_DateField = Literal["internal", "sent", "saved"]
_DateOp = Literal["before", "on", "since"]
_DATES: Mapping[bytes, tuple[_DateField, _DateOp]] = {
    b"BEFORE": ("internal", "before"),
    b"ON": ("internal", "on"),
    b"SINCE": ("internal", "since"),
    b"SENTBEFORE": ("sent", "before"),
    b"SENTON": ("sent", "on"),
    b"SENTSINCE": ("sent", "since"),
    b"SAVEDBEFORE": ("saved", "before"),
    b"SAVEDON": ("saved", "on"),
    b"SAVEDSINCE": ("saved", "since"),
}
_ADDRESSED = frozenset((b"BCC", b"CC", b"FROM", b"SUBJECT", b"TO"))


class _Tree:
    """One SEARCH being read. ``budget`` counts down the keys that may still come; ``inside_fuzzy`` is true below FUZZY."""

    __slots__ = ("budget", "encoding", "fuzzy", "inside_fuzzy", "mod_seq", "scanner")

    def __init__(self, scanner: Scanner, encoding: str) -> None:
        self.scanner = scanner
        self.encoding = encoding
        self.budget = MAX_KEYS
        self.mod_seq = self.fuzzy = self.inside_fuzzy = False

    def keys(self, depth: int, *, closed: bool) -> SearchKey:
        """Keys up to the closing parenthesis, or the end."""
        scanner = self.scanner
        found = [self.key(depth)]
        while not (scanner.skip(b")") if closed else scanner.at_end()):
            scanner.space()
            if closed and scanner.skip(b")"):
                break
            if scanner.pos < len(scanner.text):
                found.append(self.key(depth))
        return found[0] if len(found) == 1 else And(tuple(found))

    def key(self, depth: int) -> SearchKey:
        self.budget -= 1
        if depth > MAX_DEPTH or self.budget < 0:
            raise Malformed("Search is too complex", status="NO", code="LIMIT")
        scanner = self.scanner
        first = scanner.peek()
        if first == b"(":
            scanner.pos += 1
            return self.keys(depth + 1, closed=True)
        if first in b"0123456789*$" and first:
            return SequenceKey(scanner.sequence())
        name = scanner.word()
        fixed = _FIXED.get(name)
        if fixed is not None:
            return fixed
        scanner.space()
        if name == b"NOT":
            return Not(self.key(depth + 1))
        if name == b"FUZZY":
            return self._fuzzy(depth)
        if name == b"OR":
            left = self.key(depth + 1)
            scanner.space()
            return Or(left, self.key(depth + 1))
        return self._with_argument(name)

    def _fuzzy(self, depth: int) -> SearchKey:
        """All texts in the key that follows (RFC 6203 §3)."""
        before, self.fuzzy, self.inside_fuzzy = self.inside_fuzzy, True, True
        key = self.key(depth + 1)
        self.inside_fuzzy = before
        return key

    def _with_argument(self, name: bytes) -> SearchKey:
        scanner = self.scanner
        if name in _ADDRESSED:
            return HeaderKey(name.decode("ascii").lower(), self._text(), self.inside_fuzzy)
        if name in _DATES:
            field, op = _DATES[name]
            return self._date(field, op)
        match name:
            case b"HEADER":
                field_name = scanner.astring().decode("latin-1").lower()
                scanner.space()
                return HeaderKey(field_name, self._text(), self.inside_fuzzy)
            case b"BODY":
                return TextKey("body", self._text(), self.inside_fuzzy)
            case b"TEXT":
                return TextKey("text", self._text(), self.inside_fuzzy)
            case b"UID":
                return UidKey(scanner.sequence())
        return self._with_value(name)

    def _with_value(self, name: bytes) -> SearchKey:
        scanner = self.scanner
        match name:
            case b"KEYWORD":
                return FlagKey(scanner.atom().decode("ascii"))
            case b"UNKEYWORD":
                return FlagKey(scanner.atom().decode("ascii"), present=False)
            case b"LARGER":
                return SizeKey("larger", scanner.number(MAX_NUMBER64))
            case b"SMALLER":
                return SizeKey("smaller", scanner.number(MAX_NUMBER64))
            case b"OLDER":
                return AgeKey("older", scanner.nonzero())
            case b"YOUNGER":
                return AgeKey("younger", scanner.nonzero())
            case b"MODSEQ":
                return self._mod_seq()
            case b"EMAILID":
                return ObjectIdKey("email", scanner.text_string(Scanner.astring))
            case b"THREADID":
                return ObjectIdKey("thread", scanner.text_string(Scanner.astring))
        raise Malformed("Unknown search key")

    def _text(self) -> str:
        return self.scanner.text_string(Scanner.astring, self.encoding)

    def _date(self, field: _DateField, op: _DateOp) -> DateKey:
        try:
            return DateKey(field, op, dates.day(self.scanner.astring()))
        except ValueError:
            raise Malformed("Date is not valid") from None

    def _mod_seq(self) -> ModSeqKey:
        """``MODSEQ ["entry" type] number``; all flags share one mod-sequence here (RFC 7162 §3.1.5)."""
        scanner = self.scanner
        if scanner.peek() == b'"':
            scanner.string()
            scanner.space()
            if scanner.word() not in (b"PRIV", b"SHARED", b"ALL"):
                raise Malformed("Entry type is not valid")
            scanner.space()
        self.mod_seq = True
        return ModSeqKey(scanner.number(MAX_NUMBER64))


def search(scanner: Scanner, *, uid: bool = False) -> Search:
    scanner.space()
    returns: SearchReturn | None = None
    charset = "UTF-8" if scanner.utf8 else "US-ASCII"
    if scanner.text[scanner.pos : scanner.pos + 7].upper() in (b"RETURN ", b"RETURN("):
        returns = search_returns(scanner)
    if scanner.text[scanner.pos : scanner.pos + 8].upper() == b"CHARSET ":
        scanner.pos += 8
        scanner.skip_spaces()
        charset = scanner.astring().decode("latin-1").upper()
        scanner.space()
    key, mod_seq, fuzzy = search_tree(scanner, charset)
    if returns is not None and returns.relevancy and not fuzzy:
        raise Malformed("RELEVANCY needs FUZZY")
    return Search(scanner.tag, uid, charset, key, returns, mod_seq)


def search_tree(scanner: Scanner, charset: str) -> tuple[SearchKey, bool, bool]:
    """The keys up to the command's end, whether MODSEQ and whether FUZZY are among them; ``charset`` is that of texts, in
    upper case."""
    encoding = CHARSETS.get(charset)
    if encoding is None:
        raise Malformed("Unknown character set", status="NO", code="BADCHARSET (US-ASCII UTF-8)")
    tree = _Tree(scanner, encoding)
    key = tree.keys(0, closed=False)
    return key, tree.mod_seq, tree.fuzzy


def search_returns(scanner: Scanner) -> SearchReturn:
    """``RETURN (options)`` and the space after it; RETURN has been seen."""
    scanner.pos += len(b"RETURN")
    scanner.skip_spaces()
    wanted: set[bytes] = set()
    partial: tuple[int, int] | None = None

    def option() -> None:
        nonlocal partial
        name = scanner.word()
        if name == b"PARTIAL":
            scanner.space()
            partial = partial_range(scanner)
        elif name in (b"MIN", b"MAX", b"ALL", b"COUNT", b"SAVE", b"RELEVANCY", b"UPDATE", b"CONTEXT"):
            wanted.add(name)
        else:
            raise Malformed("Unknown SEARCH return option")

    scanner.listed(option, at_most=16)
    scanner.space()
    if partial is not None and b"ALL" in wanted:
        raise Malformed("PARTIAL and ALL exclude each other")
    return SearchReturn(
        min=b"MIN" in wanted,
        max=b"MAX" in wanted,
        all=b"ALL" in wanted or (not wanted and partial is None),
        count=b"COUNT" in wanted,
        save=b"SAVE" in wanted,
        partial=partial,
        relevancy=b"RELEVANCY" in wanted,
        update=b"UPDATE" in wanted,
    )


def cancel_update(scanner: Scanner) -> CancelUpdate:
    tags: list[bytes] = []
    while not tags or not scanner.at_end():
        scanner.space()
        tags.append(scanner.astring())
        if len(tags) > MAX_TAGS:
            raise Malformed("Too many tags")
    return CancelUpdate(scanner.tag, tuple(tags))


SEARCH_PARSERS: Mapping[bytes, Callable[[Scanner], Command]] = {b"SEARCH": search, b"CANCELUPDATE": cancel_update}
UID_SEARCH_PARSERS: Mapping[bytes, Callable[[Scanner], Command]] = {b"SEARCH": lambda scanner: search(scanner, uid=True)}
