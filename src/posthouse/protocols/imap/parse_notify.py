"""NOTIFY: the command as a value, and its arguments (RFC 5465 §3, §8).

The grammar's rules on which events go together are held here: message events that come alone are BAD; events that this server
does not know are refused with BADEVENT and the list of those that it knows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, cast, get_args

from posthouse.protocols.imap.commands import Command
from posthouse.protocols.imap.fetch_items import FetchItem
from posthouse.protocols.imap.parse_fetch import MAX_ITEMS, fetch_item
from posthouse.protocols.imap.scanner import Malformed, Scanner

Filter = Literal["SELECTED", "SELECTED-DELAYED", "INBOXES", "PERSONAL", "SUBSCRIBED", "SUBTREE", "MAILBOXES"]
Event = Literal["MessageNew", "MessageExpunge", "FlagChange", "MailboxName", "SubscriptionChange"]

MAX_GROUPS = 50
MAX_NAMES = 500
_FILTERS: frozenset[str] = frozenset(get_args(Filter))
_EVENTS: Mapping[str, Event] = {name.upper(): cast(Event, name) for name in get_args(Event)}
MESSAGE_EVENTS: frozenset[Event] = frozenset({"MessageNew", "MessageExpunge", "FlagChange"})
_UNKNOWN = f"BADEVENT ({' '.join(get_args(Event))})"


@dataclass(frozen=True, slots=True)
class EventGroup:
    """Which events of which mailboxes. ``names`` for SUBTREE and MAILBOXES; no ``events``: NONE. ``items`` are to be
    fetched of new messages in the selected mailbox."""

    filter: Filter
    events: frozenset[Event]
    names: tuple[str, ...] = ()
    items: tuple[FetchItem, ...] = ()


@dataclass(frozen=True, slots=True)
class Notify(Command):
    """``groups`` None: NONE. ``status``: the state of the mailboxes is wanted at once."""

    groups: tuple[EventGroup, ...] | None
    status: bool = False


def notify(scanner: Scanner) -> Notify:
    scanner.space()
    action = scanner.word()
    if action == b"NONE":
        return Notify(scanner.tag, None)
    if action != b"SET":
        raise Malformed("SET or NONE expected")
    scanner.space()
    status = scanner.peek() != b"("
    if status:
        if scanner.word() != b"STATUS":
            raise Malformed("STATUS or event group expected")
        scanner.space()
    groups = [_group(scanner)]
    while not scanner.at_end():
        scanner.space()
        groups.append(_group(scanner))
        if len(groups) > MAX_GROUPS:
            raise Malformed("Too many event groups", code="LIMIT")
    return Notify(scanner.tag, tuple(groups), status)


def _group(scanner: Scanner) -> EventGroup:
    scanner.need(b"(")
    name = scanner.word().decode("ascii")
    if name not in _FILTERS:
        raise Malformed("Unknown mailbox filter")
    names: tuple[str, ...] = ()
    scanner.space()
    if name in ("SUBTREE", "MAILBOXES"):
        names = _names(scanner)
        scanner.space()
    selected = name.startswith("SELECTED")
    events: list[Event] = []
    items: tuple[FetchItem, ...] = ()
    if scanner.peek() == b"(":
        events, items = _events(scanner, selected=selected)
    elif scanner.word() != b"NONE":
        raise Malformed("Events or NONE expected")
    scanner.need(b")")
    chosen = frozenset(events)
    if chosen & MESSAGE_EVENTS and not chosen.issuperset(("MessageNew", "MessageExpunge")):
        raise Malformed("MessageNew and MessageExpunge go together, FlagChange needs both")
    if selected and chosen - MESSAGE_EVENTS:
        raise Malformed("Only message events are of the selected mailbox")
    return EventGroup(cast(Filter, name), chosen, names, items)


def _names(scanner: Scanner) -> tuple[str, ...]:
    if scanner.peek() != b"(":
        return (scanner.mailbox(),)
    names = scanner.listed(scanner.mailbox, at_most=MAX_NAMES)
    if not names:
        raise Malformed("Mailbox names are missing")
    return tuple(names)


def _events(scanner: Scanner, *, selected: bool) -> tuple[list[Event], tuple[FetchItem, ...]]:
    items: list[FetchItem] = []

    def event() -> Event:
        name = scanner.word().decode("ascii")
        known = _EVENTS.get(name)
        if known is None:
            raise Malformed("Unknown event", status="NO", code=_UNKNOWN)
        if known == "MessageNew" and selected:
            items.extend(_items(scanner))
        return known

    events = scanner.listed(event, at_most=20)
    if not events:
        raise Malformed("Events are missing")
    return events, tuple(dict.fromkeys(items))


def _items(scanner: Scanner) -> list[FetchItem]:
    """``(items)`` behind MessageNew, if there are any."""
    before = scanner.pos
    scanner.skip_spaces()
    if scanner.peek() != b"(":
        scanner.pos = before
        return []
    return scanner.listed(lambda: fetch_item(scanner), at_most=MAX_ITEMS)


NOTIFY_PARSERS: Mapping[bytes, Callable[[Scanner], Command]] = {b"NOTIFY": notify}
