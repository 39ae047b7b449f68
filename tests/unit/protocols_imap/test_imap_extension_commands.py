"""SORT, THREAD, REPLACE, CATENATE, NOTIFY and URLAUTH commands read into values (RFC 5256, 5267, 8508, 4469, 5465, 4467)."""

from __future__ import annotations

import pytest

from posthouse.protocols.imap import commands as c
from posthouse.protocols.imap.core import ImapCore, Limits
from posthouse.protocols.imap.events import BadCommand
from posthouse.protocols.imap.fetch_items import Attribute
from posthouse.protocols.imap.parse import parse
from posthouse.protocols.imap.parse_notify import Event, EventGroup, Notify
from posthouse.protocols.imap.parse_url import GenUrlAuth, ResetKey, UrlFetch
from posthouse.protocols.imap.scanner import Malformed
from posthouse.protocols.imap.search_keys import All, And, FlagKey, Not, Or, SequenceKey, UidKey, numbers_used
from posthouse.protocols.imap.sequence import SAVED, STAR, SequenceSet
from posthouse.protocols.imap.sort_commands import Sort, SortKey, Thread

T = b"t"
MESSAGES: frozenset[Event] = frozenset({"MessageNew", "MessageExpunge"})


def test_sort() -> None:
    assert parse(b"t SORT (reverse date Subject) utf-8 SEEN UNDELETED") == Sort(
        T,
        uid=False,
        criteria=(SortKey("DATE", reverse=True), SortKey("SUBJECT")),
        key=And((FlagKey("\\Seen"), FlagKey("\\Deleted", present=False))),
    )
    found = parse(b"t UID SORT RETURN (COUNT PARTIAL 1:5) (DISPLAYFROM) US-ASCII ALL")
    assert found == Sort(T, True, (SortKey("DISPLAYFROM"),), All(), c.SearchReturn(count=True, partial=(1, 5)))


def test_thread() -> None:
    assert parse(b't THREAD references "UTF-8" ALL') == Thread(T, False, "REFERENCES", All())
    assert parse(b"t UID THREAD ORDEREDSUBJECT UTF-8 ALL") == Thread(T, True, "ORDEREDSUBJECT", All())


def test_replace() -> None:
    message = c.AppendMessage(b"abc", ("\\Seen",))
    assert parse(b"t REPLACE 4 inbox (\\Seen) {3}\n", [b"abc"]) == c.Replace(T, 4, False, "INBOX", message)
    assert parse(b"t UID REPLACE * x (\\Seen) {3}\n", [b"abc"]) == c.Replace(T, STAR, True, "x", message)
    for wrong in (b"t REPLACE 0 x {3}\n", b"t REPLACE 1 x", b"t REPLACE 1,2 x {3}\n", b"t REPLACE 1 x {3}\n {3}\n"):
        with pytest.raises(Malformed):
            parse(wrong, [b"abc", b"abc"])


def test_catenate() -> None:
    found = parse(b't APPEND x (\\Seen) CATENATE (URL "/a/;UID=1" TEXT {2}\n url b) {1}\n', [b"ab", b"c"])
    assert found == c.Append(
        T,
        "x",
        (
            c.AppendMessage(b"", ("\\Seen",), parts=(c.UrlPart("/a/;UID=1"), b"ab", c.UrlPart("b"))),
            c.AppendMessage(b"c"),
        ),
    )


def test_notify() -> None:
    found = parse(b"t NOTIFY SET STATUS (selected (MessageNew (UID FLAGS) messageexpunge)) (SUBTREE (a b) NONE)")
    items = (Attribute.UID, Attribute.FLAGS)
    groups = (EventGroup("SELECTED", MESSAGES, (), items), EventGroup("SUBTREE", frozenset(), ("a", "b")))
    assert found == Notify(T, groups, status=True)
    assert parse(b"t NOTIFY NONE") == Notify(T, None)
    assert parse(b"t NOTIFY SET (MAILBOXES inbox (MailboxName))") == Notify(
        T, (EventGroup("MAILBOXES", frozenset({"MailboxName"}), ("INBOX",)),)
    )


def test_url_commands() -> None:
    assert parse(b't GENURLAUTH "imap://x" internal y INTERNAL') == GenUrlAuth(T, (("imap://x", "INTERNAL"), ("y", "INTERNAL")))
    assert parse(b"t URLFETCH a b") == UrlFetch(T, ("a", "b"))
    assert parse(b"t RESETKEY") == ResetKey(T, None)
    assert parse(b"t RESETKEY inbox internal") == ResetKey(T, "INBOX", ("INTERNAL",))
    for wrong in (b"t GENURLAUTH x", b"t URLFETCH", b't URLFETCH "\xc3\xa9"', b"t URLFETCH" + b" a" * 101):
        with pytest.raises(Malformed):
            parse(wrong)


@pytest.mark.parametrize(
    ("key", "used"),
    [
        (SequenceKey(SequenceSet(((1, 2),))), True),
        (SequenceKey(SAVED), False),
        (UidKey(SequenceSet(((1, 2),))), False),
        (Not(Or(All(), And((All(), SequenceKey(SequenceSet(((1, 1),))))))), True),
        (Not(Or(All(), And((All(), All())))), False),
    ],
)
def test_whether_message_numbers_are_used(key: All, *, used: bool) -> None:
    assert numbers_used(key) is used


@pytest.mark.parametrize("name", [b"APPEND x", b"REPLACE 1 x", b"UID REPLACE 1 x", b"append x"])
def test_messages_may_be_as_large_as_messages(name: bytes) -> None:
    core = ImapCore(Limits(append_bytes=1000, literal_bytes=10))
    core.authenticated = True
    core.receive(b"t " + name + b" {900+}\r\n" + b"y" * 900 + b"\r\n")
    assert not isinstance(core.next_command(), (BadCommand, type(None)))
    core.receive(b"t " + name + b" {1001}\r\n")
    refused = core.next_command()
    assert isinstance(refused, BadCommand) and (refused.status, refused.code) == ("NO", "TOOBIG")
    core.receive(b"t UID STORE {11}\r\n")
    assert isinstance(core.next_command(), BadCommand)
