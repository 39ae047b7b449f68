"""Every command's octets and the value they become (RFC 9051 §6 and the extensions)."""

from __future__ import annotations

from datetime import date

import pytest

from posthouse.protocols.imap import commands as c
from posthouse.protocols.imap.fetch_items import Attribute, BodySection, Preview
from posthouse.protocols.imap.parse import parse
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
from posthouse.protocols.imap.sequence import SAVED, SequenceSet

T = b"a1"
ONE = SequenceSet(((1, 1),))
ALL_UIDS = SequenceSet(((1, 0),))
UNSEEN = FlagKey("\\Seen", present=False)

SESSION = [
    (b"CAPABILITY", c.Capability(T)),
    (b"noop", c.Noop(T)),
    (b"LOGOUT ", c.Logout(T)),
    (b"STARTTLS", c.StartTls(T)),
    (b"UNAUTHENTICATE", c.Unauthenticate(T)),
    (b"NAMESPACE", c.Namespace(T)),
    (b"IDLE", c.Idle(T)),
    (b"CHECK", c.Check(T)),
    (b"CLOSE", c.Close(T)),
    (b"UNSELECT", c.Unselect(T)),
    (b"EXPUNGE", c.Expunge(T)),
    (b"LOGIN jane secret", c.Login(T, "jane", "secret")),
    (b'LOGIN  "jane@example.com"  "a \\"b\\" \\\\ \xc3\xa9"', c.Login(T, "jane@example.com", 'a "b" \\ é')),
    (b"LOGIN a]b c", c.Login(T, "a]b", "c")),
    (b'LOGIN jane ""', c.Login(T, "jane", "")),
    (b"AUTHENTICATE plain", c.Authenticate(T, "PLAIN", None)),
    (b"AUTHENTICATE PLAIN AGEAYg==", c.Authenticate(T, "PLAIN", b"\0a\0b")),
    (b"AUTHENTICATE EXTERNAL =", c.Authenticate(T, "EXTERNAL", b"")),
    (b"ENABLE condstore IMAP4rev2", c.Enable(T, ("CONDSTORE", "IMAP4REV2"))),
    (b"ID NIL", c.Id(T, None)),
    (b'ID ("name" "Thunderbird" "os" nil)', c.Id(T, (("name", "Thunderbird"), ("os", None)))),
    (b"ID ()", c.Id(T, ())),
    (b"COMPRESS DEFLATE", c.Compress(T, "DEFLATE")),
]

MAILBOX = [
    (b"SELECT inbox", c.Select(T, "INBOX")),
    (b'SELECT "Junk Mail"', c.Select(T, "Junk Mail")),
    (b"EXAMINE Entw&APw-rfe", c.Select(T, "Entwürfe", examine=True)),
    (b"SELECT A&-B", c.Select(T, "A&B")),
    (b"SELECT INBOX (CONDSTORE)", c.Select(T, "INBOX", condstore=True)),
    (
        b"SELECT INBOX (QRESYNC (67890007 20050715194045000 41,43:211))",
        c.Select(
            T, "INBOX", condstore=True, qresync=c.Qresync(67890007, 20050715194045000, SequenceSet(((41, 41), (43, 211))))
        ),
    ),
    (
        b"SELECT INBOX (QRESYNC (7 9 1:5 (1,3 10,30)))",
        c.Select(
            T,
            "INBOX",
            condstore=True,
            qresync=c.Qresync(
                7,
                9,
                SequenceSet(((1, 5),)),
                (SequenceSet(((1, 1), (3, 3))), SequenceSet(((10, 10), (30, 30)))),
            ),
        ),
    ),
    (b"CREATE Lists/", c.Create(T, "Lists")),
    (b"CREATE MySent (USE (\\sent \\Drafts))", c.Create(T, "MySent", ("\\Sent", "\\Drafts"))),
    (b"DELETE old", c.Delete(T, "old")),
    (b"RENAME old new", c.Rename(T, "old", "new")),
    (b"SUBSCRIBE a/b", c.Subscribe(T, "a/b")),
    (b"UNSUBSCRIBE a/b", c.Unsubscribe(T, "a/b")),
    (b'LSUB "" *', c.Lsub(T, "", "*")),
    (b'LIST "" *', c.List(T, "", ("*",))),
    (b'LIST "" ""', c.List(T, "", ("",))),
    (b"LIST ~/Mail/ %", c.List(T, "~/Mail/", ("%",))),
    (b'LIST "" ("INBOX" Sent/%)', c.List(T, "", ("INBOX", "Sent/%"), extended=True)),
    (
        b'LIST (SUBSCRIBED RECURSIVEMATCH) "" "*"',
        c.List(T, "", ("*",), c.ListSelection(subscribed=True, recursive_match=True), extended=True),
    ),
    (
        b'list (special-use remote) "" "*" return (children subscribed special-use status (messages unseen))',
        c.List(
            T,
            "",
            ("*",),
            c.ListSelection(special_use=True, remote=True),
            c.ListReturn(subscribed=True, children=True, special_use=True, status=("MESSAGES", "UNSEEN")),
            extended=True,
        ),
    ),
    (b'LIST () "" % RETURN ()', c.List(T, "", ("%",), extended=True)),
    (b"STATUS INBOX (MESSAGES UIDNEXT messages)", c.Status(T, "INBOX", ("MESSAGES", "UIDNEXT"))),
    (
        b"STATUS x (SIZE DELETED HIGHESTMODSEQ MAILBOXID APPENDLIMIT RECENT UIDVALIDITY)",
        c.Status(T, "x", ("SIZE", "DELETED", "HIGHESTMODSEQ", "MAILBOXID", "APPENDLIMIT", "RECENT", "UIDVALIDITY")),
    ),
]

MESSAGE = [
    (b"STORE 1 FLAGS (\\seen $Label)", c.Store(T, ONE, False, "replace", ("\\Seen", "$Label"))),
    (b"STORE 1 +FLAGS \\Deleted", c.Store(T, ONE, False, "add", ("\\Deleted",))),
    (b"UID STORE 1 -flags.silent (x X x)", c.Store(T, ONE, True, "remove", ("x", "X"), silent=True)),
    (b"STORE 1 FLAGS ()", c.Store(T, ONE, False, "replace", ())),
    (b"STORE 1 +FLAGS \\Seen \\Flagged", c.Store(T, ONE, False, "add", ("\\Seen", "\\Flagged"))),
    (b"STORE 1 +FLAGS (\\Recent \\Seen)", c.Store(T, ONE, False, "add", ("\\Seen",))),
    (
        b"UID STORE 1 (UNCHANGEDSINCE 0) +FLAGS.SILENT (\\Draft)",
        c.Store(T, ONE, True, "add", ("\\Draft",), silent=True, unchanged_since=0),
    ),
    (b"COPY 1 Trash", c.Copy(T, ONE, False, "Trash")),
    (b"UID COPY $ Trash", c.Copy(T, SAVED, True, "Trash")),
    (b"MOVE 1:* Trash", c.Move(T, ALL_UIDS, False, "Trash")),
    (b"uid move 1 inbox", c.Move(T, ONE, True, "INBOX")),
    (b"UID EXPUNGE 1:*", c.Expunge(T, ALL_UIDS)),
]


FETCH: list[tuple[bytes, tuple[object, ...]]] = [
    (b"FLAGS", (Attribute.FLAGS,)),
    (b"(flags uid)", (Attribute.FLAGS, Attribute.UID)),
    (b"(FLAGS FLAGS)", (Attribute.FLAGS,)),
    (b"FAST", (Attribute.FLAGS, Attribute.INTERNALDATE, Attribute.RFC822_SIZE)),
    (b"all", (Attribute.FLAGS, Attribute.INTERNALDATE, Attribute.RFC822_SIZE, Attribute.ENVELOPE)),
    (b"FULL", (Attribute.FLAGS, Attribute.INTERNALDATE, Attribute.RFC822_SIZE, Attribute.ENVELOPE, Attribute.BODY)),
    (b"(BODY BODYSTRUCTURE MODSEQ)", (Attribute.BODY, Attribute.BODYSTRUCTURE, Attribute.MODSEQ)),
    (b"(EMAILID THREADID SAVEDATE)", (Attribute.EMAILID, Attribute.THREADID, Attribute.SAVEDATE)),
    (b"(PREVIEW)", (Preview(),)),
    (b"(PREVIEW (LAZY) UID)", (Preview(lazy=True), Attribute.UID)),
    (b"RFC822", (BodySection(b"RFC822"),)),
    (b"RFC822.HEADER", (BodySection(b"RFC822.HEADER", peek=True, text="HEADER"),)),
    (b"RFC822.TEXT", (BodySection(b"RFC822.TEXT", text="TEXT"),)),
    (b"BODY[]", (BodySection(b"BODY[]"),)),
    (b"(body.peek [text])", (BodySection(b"BODY[TEXT]", peek=True, text="TEXT"),)),
    (b"BODY[1.2.MIME]", (BodySection(b"BODY[1.2.MIME]", part="1.2", text="MIME"),)),
    (b"BODY[3]<0.1024>", (BodySection(b"BODY[3]<0>", part="3", partial=(0, 1024)),)),
    (b"BODY.PEEK[4.HEADER]", (BodySection(b"BODY[4.HEADER]", peek=True, part="4", text="HEADER"),)),
    (
        b'BODY.PEEK[HEADER.FIELDS (From "To")]',
        (BodySection(b"BODY[HEADER.FIELDS (From To)]", peek=True, text="HEADER.FIELDS", fields=("From", "To")),),
    ),
    (
        b"BODY[2.header.fields.not (X)]<5.6>",
        (BodySection(b"BODY[2.HEADER.FIELDS.NOT (X)]<5>", part="2", text="HEADER.FIELDS.NOT", fields=("X",), partial=(5, 6)),),
    ),
    (b"BINARY[1]<2.3>", (BodySection(b"BINARY[1]<2>", part="1", partial=(2, 3), binary=True),)),
    (b"BINARY.PEEK[]", (BodySection(b"BINARY[]", peek=True, binary=True),)),
    (b"BINARY.SIZE[2.1]", (BodySection(b"BINARY.SIZE[2.1]", peek=True, part="2.1", binary=True, size_only=True),)),
]

KEYS: list[tuple[bytes, SearchKey]] = [
    (b"ALL", All()),
    (b"unseen", UNSEEN),
    (b"SEEN DELETED", And((FlagKey("\\Seen"), FlagKey("\\Deleted")))),
    (b"NEW", And((FlagKey("\\Recent"), UNSEEN))),
    (b"OLD", FlagKey("\\Recent", present=False)),
    (b"KEYWORD $Junk", FlagKey("$Junk")),
    (b"UNKEYWORD x", FlagKey("x", present=False)),
    (b"1:*", SequenceKey(ALL_UIDS)),
    (b"$", SequenceKey(SAVED)),
    (b"UID 1", UidKey(ONE)),
    (b'FROM "Jane Doe"', HeaderKey("from", "Jane Doe")),
    (b'SUBJECT "caf\xc3\xa9"', HeaderKey("subject", "café")),
    (b'HEADER X-Spam ""', HeaderKey("x-spam", "")),
    (b"BODY x", TextKey("body", "x")),
    (b"TEXT x", TextKey("text", "x")),
    (b"SINCE 1-Feb-2026", DateKey("internal", "since", date(2026, 2, 1))),
    (b'SENTBEFORE "28-feb-2026"', DateKey("sent", "before", date(2026, 2, 28))),
    (b"SAVEDON 01-Dec-1999", DateKey("saved", "on", date(1999, 12, 1))),
    (b"SAVEDATESUPPORTED", All()),
    (b"LARGER 4096", SizeKey("larger", 4096)),
    (b"SMALLER 0", SizeKey("smaller", 0)),
    (b"OLDER 86400", AgeKey("older", 86400)),
    (b"YOUNGER 1", AgeKey("younger", 1)),
    (b"EMAILID M1", ObjectIdKey("email", "M1")),
    (b"THREADID T1", ObjectIdKey("thread", "T1")),
    (b"NOT SEEN", Not(FlagKey("\\Seen"))),
    (b"OR SEEN NOT UID 1", Or(FlagKey("\\Seen"), Not(UidKey(ONE)))),
    (b"(OR (SEEN DRAFT ) ALL)", Or(And((FlagKey("\\Seen"), FlagKey("\\Draft"))), All())),
    (b"NOT (UNSEEN)  ALL ", And((Not(UNSEEN), All()))),
]


@pytest.mark.parametrize(("text", "command"), SESSION + MAILBOX + MESSAGE)
def test_a_command_becomes_its_value(text: bytes, command: c.Command) -> None:
    assert parse(b"a1 " + text) == command


@pytest.mark.parametrize(("text", "items"), FETCH)
def test_fetch_items(text: bytes, items: tuple[object, ...]) -> None:
    command = parse(b"a1 FETCH 1 " + text)
    assert isinstance(command, c.Fetch)
    assert command == c.Fetch(T, ONE, False, command.items)
    assert command.items == items


def test_uid_fetch_has_uid_first_and_changedsince_has_modseq() -> None:
    command = parse(b"a1 UID FETCH 1:* (FLAGS UID) (CHANGEDSINCE 12 VANISHED)")
    expected = (Attribute.UID, Attribute.FLAGS, Attribute.MODSEQ)
    assert command == c.Fetch(T, ALL_UIDS, True, expected, c.FetchModifiers(changed_since=12, vanished=True))


def test_uid_fetch_partial_counts_from_either_end() -> None:
    command = parse(b"a1 UID FETCH 1:* FLAGS (PARTIAL -1:-30)")
    assert isinstance(command, c.Fetch)
    assert command.modifiers == c.FetchModifiers(partial=(-1, -30))


@pytest.mark.parametrize(("text", "key"), KEYS)
def test_search_keys(text: bytes, key: SearchKey) -> None:
    assert parse(b"a1 SEARCH " + text) == c.Search(T, False, "US-ASCII", key)


@pytest.mark.parametrize("text", [b"MODSEQ 5", b'MODSEQ "/flags/\\\\draft" all 5'])
def test_search_notes_a_modseq_key(text: bytes) -> None:
    assert parse(b"a1 UID SEARCH " + text) == c.Search(T, True, "US-ASCII", ModSeqKey(5), has_mod_seq=True)


@pytest.mark.parametrize(
    ("text", "returns"),
    [
        (b"RETURN ()", c.SearchReturn(all=True)),
        (b"return(min max)", c.SearchReturn(min=True, max=True)),
        (b"RETURN (SAVE)", c.SearchReturn(save=True)),
        (b"RETURN (ALL COUNT)", c.SearchReturn(all=True, count=True)),
        (b"RETURN (PARTIAL 1:50)", c.SearchReturn(partial=(1, 50))),
    ],
)
def test_search_return_options(text: bytes, returns: c.SearchReturn) -> None:
    assert parse(b"a1 SEARCH " + text + b" ALL") == c.Search(T, False, "US-ASCII", All(), returns)


def test_search_decodes_by_its_charset() -> None:
    assert parse(b'a1 SEARCH CHARSET iso-8859-1 SUBJECT "caf\xe9"') == c.Search(
        T, False, "ISO-8859-1", HeaderKey("subject", "café")
    )


def test_append_has_flags_date_and_literal() -> None:
    command = parse(b'a1 APPEND Sent (\\Seen $F) "17-Jul-1996 02:44:25 -0700" {2+}\n', [b"hi"])
    assert command == c.Append(T, "Sent", (c.AppendMessage(b"hi", ("\\Seen", "$F"), 837596665.0),))


def test_append_takes_several_messages_of_each_kind() -> None:
    command = parse(b"a1 APPEND {4}\n {2}\n (\\Draft) ~{1+}\n UTF8 (~{1}\n) ", [b"Sent", b"hi", b"\0", b"u"])
    assert command == c.Append(
        T,
        "Sent",
        (
            c.AppendMessage(b"hi"),
            c.AppendMessage(b"\0", ("\\Draft",), binary=True),
            c.AppendMessage(b"u", binary=True, utf8=True),
        ),
    )


def test_utf8_mailbox_names_once_enabled() -> None:
    assert parse('a1 SELECT "Entwürfe & mehr"'.encode(), utf8=True) == c.Select(T, "Entwürfe & mehr")
    assert parse(b"a1 SELECT A&-B", utf8=True) == c.Select(T, "A&-B")


def test_nested_or_of_many_message_ids_is_understood() -> None:
    text = b"OR HEADER Message-ID <x@y> " * 90 + b"ALL"
    command = parse(b"a1 UID SEARCH " + text)
    assert isinstance(command, c.Search)
    assert isinstance(command.key, Or)
