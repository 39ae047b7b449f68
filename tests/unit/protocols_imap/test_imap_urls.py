"""IMAP URLs are read strictly (RFC 5092, RFC 4467), and whatever comes is read or refused."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posthouse.protocols.imap import imap_url


def test_an_absolute_url_with_everything() -> None:
    text = (
        "imap://joe%40b.example;AUTH=*@Host.example:143/a%2Fb%20c;UIDVALIDITY=7/;UID=20/;SECTION=1.2.HEADER/;PARTIAL=3.5"
        ";EXPIRE=2026-11-24T10:00:00%2B00:00".replace("%2B00:00", "Z")
        + ";URLAUTH=User+f%20d:INTERNAL:AbC1"
    )
    url = imap_url.parse(text)
    assert (url.absolute, url.user, url.host, url.mailbox) == (True, "joe@b.example", "host.example", "a/b c")
    assert (url.uid_validity, url.uid, url.partial, url.expires_at) == (7, 20, (3, 5), 1795514400.0)
    assert (url.section.part, url.section.text) == ("1.2", "HEADER")
    assert (url.access, url.mechanism, url.token) == ("user+f d", "INTERNAL", "abc1")
    assert url.rump == text.rpartition(":INTERNAL")[0]


@pytest.mark.parametrize(
    ("text", "mailbox", "uid"),
    [("/INBOX/;UID=3", "INBOX", 3), ("INBOX;UID=3", "INBOX", 3), ("/;UID=4", "", 4), (";uid=4", "", 4),
     ("imap://h/%E2%82%AC/;UID=1", "€", 1), ("imap:///x/y;UID=1", "x/y", 1)],
)  # fmt: skip
def test_short_forms(text: str, mailbox: str, uid: int) -> None:
    url = imap_url.parse(text)
    assert (url.mailbox, url.uid, url.rump) == (mailbox, uid, text)


@pytest.mark.parametrize(
    "text",
    ["", "imap://h", "imap://h/", "/INBOX", "/INBOX/;UID=0", "/INBOX/;UID=4294967296", "/INBOX/;UID=x", "http://h/x/;UID=1",
     "/INBOX/;UID=1;", "/INBOX/;UID=1/;SECTION=NONSENSE", "/%FF/;UID=1", "/x/;UID=1;EXPIRE=soon", "/é/;UID=1", "/a b/;UID=1",
     "/x/;UID=1/;PARTIAL=a", "/x/;UID=1;URLAUTH=a:b", "imap://a@b@c/x/;UID=1", "/x/;UID=1/;SECTION=1]BODY[",
     "/" + "x" * 5000 + ";UID=1"],
)  # fmt: skip
def test_what_is_no_url_of_a_message_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        imap_url.parse(text)


@given(st.text(st.sampled_from(list('imap:/;@UIDSECTON=1.2%40[]ABa+-\0é "')), max_size=60))
@settings(max_examples=300, deadline=None)
def test_anything_is_read_or_refused(text: str) -> None:
    try:
        url = imap_url.parse(text)
    except ValueError:
        return
    assert url.uid > 0 and url.rump == text


def test_partial_cuts_the_section() -> None:
    assert imap_url.cut(b"abcdef", None) == b"abcdef"
    assert imap_url.cut(b"abcdef", (2, 3)) == b"cde"
    assert imap_url.cut(b"abcdef", (4, None)) == b"ef"
    assert imap_url.cut(b"abcdef", (9, 3)) == b""
