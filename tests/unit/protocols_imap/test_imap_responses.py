"""What the server says, octet for octet."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from posthouse.protocols.imap import fetch_answers as fa
from posthouse.protocols.imap import responses as r
from posthouse.protocols.imap.fetch_items import BodySection
from posthouse.protocols.imap.scanner import Scanner


@given(st.binary(max_size=1200))
@settings(max_examples=300, deadline=None)
def test_any_octets_survive_as_a_string(raw: bytes) -> None:
    for wire in (r.string(raw), r.astring(raw)):
        if wire.startswith(b"{"):
            head, _, body = wire.partition(b"\r\n")
            assert body == raw
            assert head == b"{%d}" % len(raw)
        else:
            assert Scanner(wire, ()).astring() == raw


def test_strings_choose_their_form() -> None:
    assert r.astring(b"INBOX") == b"INBOX"
    assert r.astring(b"nil") == b'"nil"'
    assert r.astring(b"") == b'""'
    assert r.string(b'a"\\') == b'"a\\"\\\\"'
    assert r.string(b"a\r\nb") == b"{4}\r\na\r\nb"
    assert r.literal(b"a\0") == b"{2}\r\na\0"
    assert r.literal(b"a\0", binary=True) == b"~{2}\r\na\0"


def test_mailbox_names_by_what_the_client_understands() -> None:
    assert r.mailbox("Entwürfe", utf8=False) == b"Entw&APw-rfe"
    assert r.mailbox("Entwürfe", utf8=True) == '"Entwürfe"'.encode()
    assert r.mailbox("Junk Mail", utf8=True) == b'"Junk Mail"'


@given(st.text(max_size=60))
@settings(max_examples=300, deadline=None)
def test_no_text_can_break_out_of_its_line(text: str) -> None:
    line = r.tagged(b"a", "NO", text)
    assert line.count(b"\r\n") == 1
    assert line.endswith(b"\r\n")
    assert line.startswith(b"a NO ")
    assert line[5:6] not in (b"[", b"\r")
    assert b"\n" not in line[:-2]
    assert line.isascii()


def test_lines() -> None:
    assert r.tagged(b"a1", "OK", "done", b"READ-WRITE") == b"a1 OK [READ-WRITE] done\r\n"
    assert r.untagged("BYE", "") == b"* BYE -\r\n"
    assert r.continuation() == b"+ OK\r\n"
    assert r.continuation(b"") == b"+ \r\n"
    assert r.exists_line(3) == b"* 3 EXISTS\r\n"
    assert r.recent_line() == b"* 0 RECENT\r\n"
    assert r.expunge_lines([3, 3]) == b"* 3 EXPUNGE\r\n* 3 EXPUNGE\r\n"
    assert r.vanished_line([1, 2, 5], earlier=True) == b"* VANISHED (EARLIER) 1:2,5\r\n"
    assert r.vanished_line([]) == b""
    assert r.capability_line(["IMAP4rev1", "IDLE"]) == b"* CAPABILITY IMAP4rev1 IDLE\r\n"
    assert r.enabled_line([]) == b"* ENABLED\r\n"
    assert r.id_line([("name", "Posthouse")]) == b'* ID ("name" "Posthouse")\r\n'
    assert r.id_line([]) == b"* ID NIL\r\n"
    assert r.namespace_line(others="Other Users", shared="Shared") == (
        b'* NAMESPACE (("" "/")) (("Other Users/" "/")) (("Shared/" "/"))\r\n'
    )
    assert r.flags_line(["$x"]) == b"* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $x)\r\n"
    assert r.permanent_flags([]) == b"PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft \\*)"


def test_list_and_status() -> None:
    assert r.list_line(["\\HasNoChildren"], "INBOX", utf8=False) == b'* LIST (\\HasNoChildren) "/" INBOX\r\n'
    assert r.list_line([], "a b", utf8=False, command="LSUB") == b'* LSUB () "/" "a b"\r\n'
    assert (
        r.list_line(["\\NonExistent"], "a", utf8=True, child_info=["SUBSCRIBED"])
        == b'* LIST (\\NonExistent) "/" a ("CHILDINFO" ("SUBSCRIBED"))\r\n'
    )
    assert r.list_line([], "b", utf8=True, old_name="a") == b'* LIST () "/" b ("OLDNAME" (a))\r\n'
    items: list[tuple[str, int | str | None]] = [("MESSAGES", 1), ("MAILBOXID", "M1"), ("APPENDLIMIT", None)]
    assert r.status_line("a b", items, utf8=False) == b'* STATUS "a b" (MESSAGES 1 MAILBOXID (M1) APPENDLIMIT NIL)\r\n'


def test_search_answers_and_codes() -> None:
    assert r.search_line([]) == b"* SEARCH\r\n"
    assert r.search_line([2, 5], 9) == b"* SEARCH 2 5 (MODSEQ 9)\r\n"
    assert r.search_line([], 9) == b"* SEARCH\r\n"
    assert r.esearch_line(b"a1", [("COUNT", 2), ("ALL", b"2,5")], uid=True) == b'* ESEARCH (TAG "a1") UID COUNT 2 ALL 2,5\r\n'
    assert r.append_uid(7, [1, 2]) == b"APPENDUID 7 1:2"
    assert r.copy_uid(7, [1, 3], [8, 9]) == b"COPYUID 7 1,3 8:9"
    assert r.modified([4]) == b"MODIFIED 4"


def test_content_comes_under_the_label_that_was_asked_for() -> None:
    section = BodySection(b"BODY[TEXT]<0>", text="TEXT", partial=(0, 5))
    assert fa.section_item(section, b"hello") == b"BODY[TEXT]<0> {5}\r\nhello"
    assert fa.section_item(section, None) == b"BODY[TEXT]<0> NIL"
    assert fa.section_item(section, b"a\0") == b"BODY[TEXT]<0> {2}\r\na\0"
    assert fa.section_item(BodySection(b"BINARY[1]", part="1", binary=True), b"a\0") == b"BINARY[1] ~{2}\r\na\0"
    assert fa.binary_size_item(BodySection(b"BINARY.SIZE[1]"), 7) == b"BINARY.SIZE[1] 7"
    assert fa.preview_item("hi") == b'PREVIEW "hi"'
    assert fa.preview_item("é") == b"PREVIEW {2}\r\n\xc3\xa9"
