"""Arguments of the commands about mailboxes: SELECT, CREATE, DELETE, RENAME, LIST, STATUS and their kin.

RFC 9051 §6.3; RFC 7162 (CONDSTORE, QRESYNC), RFC 6154 (special use), RFC 5258 and RFC 5819 (LIST).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import cast

from posthouse.model.mailbox import SEPARATOR
from posthouse.protocols.imap.commands import (
    Command,
    Create,
    Delete,
    List,
    ListReturn,
    ListSelection,
    Lsub,
    Qresync,
    Rename,
    Select,
    Status,
    StatusItem,
    Subscribe,
    Unsubscribe,
)
from posthouse.protocols.imap.parse_metadata import entries
from posthouse.protocols.imap.scanner import MAX_NUMBER64, Malformed, Scanner

MAX_PATTERNS = 100
SPECIAL_USES = {
    name.lower(): name for name in ("\\All", "\\Archive", "\\Drafts", "\\Flagged", "\\Important", "\\Junk", "\\Sent", "\\Trash")
}
STATUS_ITEMS: Mapping[bytes, StatusItem] = {
    name.encode("ascii"): name
    for name in cast(
        tuple[StatusItem, ...],
        (
            "MESSAGES",
            "RECENT",
            "UIDNEXT",
            "UIDVALIDITY",
            "UNSEEN",
            "DELETED",
            "SIZE",
            "HIGHESTMODSEQ",
            "MAILBOXID",
            "APPENDLIMIT",
            "DELETED-STORAGE",
        ),
    )
}


def select(scanner: Scanner, *, examine: bool = False) -> Select:
    scanner.space()
    mailbox = scanner.mailbox()
    condstore = False
    qresync: Qresync | None = None
    if not scanner.at_end():
        scanner.space()

        def parameter() -> None:
            nonlocal condstore, qresync
            name = scanner.word()
            condstore = True
            if name == b"QRESYNC":
                scanner.space()
                qresync = _qresync(scanner)
            elif name != b"CONDSTORE":
                raise Malformed("Unknown SELECT parameter")

        scanner.listed(parameter, at_most=4)
    return Select(scanner.tag, mailbox, examine, condstore, qresync)


def _qresync(scanner: Scanner) -> Qresync:
    """``(uidvalidity mod-sequence [known-uids] [(known-numbers known-uids)])``, RFC 7162 §3.2.5."""
    scanner.need(b"(")
    uid_validity = scanner.nonzero()
    scanner.space()
    mod_seq = scanner.nonzero(MAX_NUMBER64)
    known = matches = None
    if scanner.peek() == b" ":
        scanner.space()
        if scanner.peek() not in (b"(", b")"):
            known = scanner.sequence(saved=False)
            scanner.skip_spaces()
        if scanner.skip(b"("):
            numbers = scanner.sequence(saved=False)
            scanner.space()
            matches = (numbers, scanner.sequence(saved=False))
            scanner.need(b")")
    scanner.need(b")")
    return Qresync(uid_validity, mod_seq, known, matches)


def create(scanner: Scanner) -> Create:
    scanner.space()
    mailbox = scanner.mailbox()
    uses: list[str] = []
    if not scanner.at_end():
        scanner.space()
        scanner.need(b"(")
        if scanner.word() != b"USE":
            raise Malformed("Unknown CREATE parameter")
        scanner.space()
        uses = scanner.listed(lambda: _special_use(scanner), at_most=len(SPECIAL_USES))
        scanner.need(b")")
    return Create(scanner.tag, mailbox.removesuffix(SEPARATOR) or mailbox, tuple(uses))


def _special_use(scanner: Scanner) -> str:
    scanner.need(b"\\")
    name = SPECIAL_USES.get("\\" + scanner.atom().decode("ascii").lower())
    if name is None:
        raise Malformed("Unknown special use", status="NO", code="USEATTR")
    return name


def rename(scanner: Scanner) -> Rename:
    scanner.space()
    mailbox = scanner.mailbox()
    scanner.space()
    return Rename(scanner.tag, mailbox, scanner.mailbox())


def _one_mailbox(make: Callable[[bytes, str], Command]) -> Callable[[Scanner], Command]:
    def read(scanner: Scanner) -> Command:
        scanner.space()
        return make(scanner.tag, scanner.mailbox())

    return read


def status(scanner: Scanner) -> Status:
    scanner.space()
    mailbox = scanner.mailbox()
    scanner.space()
    return Status(scanner.tag, mailbox, _status_items(scanner))


def _status_items(scanner: Scanner) -> tuple[StatusItem, ...]:
    def item() -> StatusItem:
        name = STATUS_ITEMS.get(scanner.word())
        if name is None:
            raise Malformed("Unknown status item")
        return name

    items = scanner.listed(item, at_most=2 * len(STATUS_ITEMS))
    if not items:
        raise Malformed("Status items are missing")
    return tuple(dict.fromkeys(items))


def lsub(scanner: Scanner) -> Lsub:
    scanner.space()
    reference = scanner.decoded(scanner.astring())
    scanner.space()
    return Lsub(scanner.tag, reference, scanner.pattern())


def list_mailboxes(scanner: Scanner) -> List:
    """Plain LIST or RFC 5258's."""
    scanner.space()
    extended = scanner.peek() == b"("
    selection = ListSelection()
    if extended:
        selection = _selection(scanner)
        scanner.space()
    reference = scanner.decoded(scanner.astring())
    scanner.space()
    if scanner.peek() == b"(":
        extended = True
        patterns = tuple(scanner.listed(scanner.pattern, at_most=MAX_PATTERNS))
        if not patterns:
            raise Malformed("Pattern is missing")
    else:
        patterns = (scanner.pattern(),)
    returns = ListReturn()
    if not scanner.at_end():
        scanner.space()
        if scanner.word() != b"RETURN":
            raise Malformed("RETURN expected")
        scanner.space()
        extended = True
        returns = _returns(scanner)
    return List(scanner.tag, reference, patterns, selection, returns, extended)


def _selection(scanner: Scanner) -> ListSelection:
    options = set(scanner.listed(scanner.word, at_most=16))
    if unknown := options - {b"SUBSCRIBED", b"REMOTE", b"RECURSIVEMATCH", b"SPECIAL-USE"}:
        raise Malformed(f"Unknown LIST selection option {min(unknown).decode('ascii')}")
    if b"RECURSIVEMATCH" in options and not options & {b"SUBSCRIBED", b"SPECIAL-USE"}:
        raise Malformed("RECURSIVEMATCH needs another selection option")
    return ListSelection(
        subscribed=b"SUBSCRIBED" in options,
        remote=b"REMOTE" in options,
        recursive_match=b"RECURSIVEMATCH" in options,
        special_use=b"SPECIAL-USE" in options,
    )


def _returns(scanner: Scanner) -> ListReturn:
    wanted: set[bytes] = set()
    items: tuple[StatusItem, ...] = ()
    annotations: tuple[str, ...] = ()

    def option() -> None:
        nonlocal items, annotations
        name = scanner.word()
        if name == b"STATUS":
            scanner.space()
            items = _status_items(scanner)
        elif name == b"METADATA":
            scanner.space()
            annotations = entries(scanner)
        elif name in (b"SUBSCRIBED", b"CHILDREN", b"SPECIAL-USE", b"MYRIGHTS"):
            wanted.add(name)
        else:
            raise Malformed(f"Unknown LIST return option {name.decode('ascii')}")

    scanner.listed(option, at_most=16)
    return ListReturn(
        subscribed=b"SUBSCRIBED" in wanted,
        children=b"CHILDREN" in wanted,
        special_use=b"SPECIAL-USE" in wanted,
        status=items,
        my_rights=b"MYRIGHTS" in wanted,
        metadata=annotations,
    )


MAILBOX_PARSERS: Mapping[bytes, Callable[[Scanner], Command]] = {
    b"SELECT": select,
    b"EXAMINE": lambda scanner: select(scanner, examine=True),
    b"CREATE": create,
    b"DELETE": _one_mailbox(Delete),
    b"RENAME": rename,
    b"SUBSCRIBE": _one_mailbox(Subscribe),
    b"UNSUBSCRIBE": _one_mailbox(Unsubscribe),
    b"LIST": list_mailboxes,
    b"LSUB": lsub,
    b"STATUS": status,
}
