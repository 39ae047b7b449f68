"""A message gives the same tokens when it is scored and when it is learnt, whatever happened to it meanwhile."""

from __future__ import annotations

from posthouse.content.antispam.tokens import BODY_BIT, MAX_TOKENS, MessageTokens, tokens_of
from posthouse.formats.mime import summarise

PLAIN = (
    b"Received: from mail.example.org (mail.example.org [192.0.2.10]) by mx; Tue, 10 Nov 2026 09:12:03 +0100\r\n"
    b"From: Ines <ines@example.org>\r\nTo: tomas@example.net\r\nSubject: Cheap Watches\r\n\r\n"
    b"Buy watches at http://203.0.113.9:8080/w?x=1 now\r\n"
)


def tokens(content: bytes) -> MessageTokens:
    return tokens_of(content, summarise(content))


def words(content: bytes) -> set[str]:
    found = tokens(content)
    return {*found.header.values(), *found.body.values()}


def test_a_word_in_the_subject_is_another_token_than_in_the_body() -> None:
    found = tokens(PLAIN)
    assert "sl:watches" in found.header.values()
    assert "w:watches" in found.body.values()
    assert not set(found.header) & set(found.body)
    assert all(number & BODY_BIT for number in found.body)
    assert not any(number & BODY_BIT for number in found.header)


def test_links_tell_host_port_and_path() -> None:
    assert {"u:203.0.113.9", "uip", "uport:8080"} <= words(PLAIN)


def test_fields_that_are_added_later_change_nothing() -> None:
    later = (
        b"X-Spam-Status: Yes, score=99\r\nX-Junkmail-Status: score=99/50, host=mx\r\n"
        b"Authentication-Results: mx; spf=pass\r\nX-Spam-Report: long\r\n words\r\n"
    )
    assert tokens(later + PLAIN).numbers == tokens(PLAIN).numbers


def test_line_ends_do_not_matter() -> None:
    assert tokens(PLAIN.replace(b"\r\n", b"\n")).numbers == tokens(PLAIN).numbers


def test_base64_and_quoted_printable_say_what_plain_text_says() -> None:
    head = b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: "
    coded = words(head + b"base64\r\n\r\nQnV5IHdhdGNoZXM=\r\n")
    quoted = words(head + b"quoted-printable\r\n\r\nBuy w=61tches\r\n")
    assert "w:watches" in coded & quoted


def test_html_counts_as_it_is_shown() -> None:
    found = words(b"Content-Type: text/html\r\n\r\n<p>via<b>gra</b><!-- hidden --> <style>x{y}</style>\r\n")
    assert "w:viagra" in found
    assert "w:hidden" not in found


def test_scripts_without_spaces_give_pairs_of_letters() -> None:
    found = words("Content-Type: text/plain; charset=utf-8\r\n\r\n发票代开\r\n".encode())
    assert {"w2:发票", "w2:票代", "w2:代开"} <= found


def test_tokens_are_bounded() -> None:
    many = b"\r\n".join(b"X-F%d: %d %d" % (n, n, n + 1) for n in range(3_000))
    body = b" ".join(b"w%d" % n for n in range(60_000))
    found = tokens(many + b"\r\n\r\n" + body)
    assert len(found.header) <= MAX_TOKENS
    assert len(found.body) <= MAX_TOKENS
