"""SETACL and its kin as commands and responses (RFC 4314 §3)."""

from __future__ import annotations

import pytest

from posthouse.protocols.imap import parse_acl as a
from posthouse.protocols.imap.commands import Command, List, ListReturn
from posthouse.protocols.imap.parse import parse
from posthouse.protocols.imap.scanner import Malformed

T = b"a1"


@pytest.mark.parametrize(
    ("text", "command"),
    [
        (b'SETACL INBOX/a smith "lrs"', a.SetAcl(T, "INBOX/a", "smith", "replace", "lrs")),
        (b"setacl inbox jane@example.com +wi", a.SetAcl(T, "INBOX", "jane@example.com", "add", "wi")),
        (b"SETACL x -jane -cd", a.SetAcl(T, "x", "-jane", "remove", "cd")),
        (b'SETACL x jane ""', a.SetAcl(T, "x", "jane", "replace", "")),
        (b'SETACL "Other Users/j/W" $team +', a.SetAcl(T, "Other Users/j/W", "$team", "add", "")),
        ('SETACL x "müller@example.com" l'.encode(), a.SetAcl(T, "x", "müller@example.com", "replace", "l")),
        (b"DELETEACL &ZeVnLIqe- anyone", a.DeleteAcl(T, "日本語", "anyone")),
        (b"GETACL inbox", a.GetAcl(T, "INBOX")),
        (b"LISTRIGHTS x jane", a.ListRights(T, "x", "jane")),
        (b"MYRIGHTS x", a.MyRights(T, "x")),
        (b'LIST "" x RETURN (MYRIGHTS)', List(T, "", ("x",), returns=ListReturn(my_rights=True), extended=True)),
    ],
)
def test_commands(text: bytes, command: Command) -> None:
    assert parse(T + b" " + text, utf8="\\u" in repr(text) or not text.isascii()) == command


@pytest.mark.parametrize(
    "text",
    [b"SETACL x jane", b"SETACL x", b"SETACL", b"SETACL x jane l r", b"DELETEACL x", b"GETACL", b"GETACL x y", b"LISTRIGHTS x",
     b"MYRIGHTS", b"SETACL x jane (l)", b"SETACL x jane " + b"l" * 101, b"SETACL &bad x l"],
)  # fmt: skip
def test_what_is_malformed_is_refused(text: bytes) -> None:
    with pytest.raises(Malformed):
        parse(T + b" " + text)


def test_responses() -> None:
    assert a.acl_line("a b", [("jane@example.com", "lr"), ("x y", "")], utf8=False) == (
        b'* ACL "a b" jane@example.com lr "x y" ""\r\n'
    )
    assert a.list_rights_line("x", "jane", "", ["l", "r"], utf8=False) == b'* LISTRIGHTS x jane "" l r\r\n'
    assert a.my_rights_line("日本語", "lrs", utf8=False) == b"* MYRIGHTS &ZeVnLIqe- lrs\r\n"
