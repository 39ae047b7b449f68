"""Replies: rendering that lets nothing through, parsing that is bounded."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posthouse.model.verdict import Reply
from posthouse.protocols.smtp.parameters import from_xtext, to_xtext
from posthouse.protocols.smtp.replies import BadReply, ReplyParser, ServerReply, render, render_lines


def test_a_text_cannot_smuggle_a_second_reply() -> None:
    assert render(Reply(550, "5.1.1", "no\r\n250 2.0.0 yes")) == b"550-5.1.1 no\r\n550 5.1.1 250 2.0.0 yes\r\n"
    assert render(Reply(550, "5.1.1", "tab\there\0, \xe4")) == b"550 5.1.1 tab?here?, ?\r\n"
    assert render(Reply(220, "", "")) == b"220 \r\n"
    assert render_lines(250, ["a", "b\r\nc"]) == b"250-a\r\n250 b??c\r\n"


def test_long_texts_are_cut_into_lines() -> None:
    octets = render(Reply(550, "5.7.1", "x" * 1000))
    assert all(len(line) + 2 <= 512 for line in octets.split(b"\r\n"))
    assert octets.count(b"x") == 1000


@settings(max_examples=200, deadline=None)
@given(st.integers(200, 599), st.sampled_from(["", "2.1.0"]), st.text(max_size=1200))
def test_whatever_is_rendered_parses_as_one_reply(code: int, enhanced: str, text: str) -> None:
    parser = ReplyParser()
    parser.receive(render(Reply(code, enhanced, text)))
    reply = parser.next_reply()
    assert reply is not None and reply.code == code
    assert parser.next_reply() is None and parser.empty


def test_replies_are_parsed_however_they_are_cut() -> None:
    wire = b"250-mx.example\r\n250-SIZE 1\n250\r\n550 5.1.1 no\r\n"
    expected = [ServerReply(250, "", ("mx.example", "SIZE 1", "")), ServerReply(550, "5.1.1", ("no",))]
    for size in range(1, len(wire) + 1):
        parser, got = ReplyParser(), []
        for at in range(0, len(wire), size):
            parser.receive(wire[at : at + size])
            while (reply := parser.next_reply()) is not None:
                got.append(reply)
        assert got == expected


def test_facts_of_a_reply() -> None:
    parser = ReplyParser()
    parser.receive(b"451-4.7.1 come\r\n451 4.7.1 later\x07\r\n550 5.1 short\r\n550 2.0.0 wrong class\r\n")
    replies = [parser.next_reply() for _ in range(3)]
    first, second, third = (reply for reply in replies if reply is not None)
    assert str(first) == "451 4.7.1 come later?"
    assert first.temporary and not first.permanent and not first.positive
    assert second.enhanced == third.enhanced == ""
    assert second.permanent


@pytest.mark.parametrize(
    "wire",
    [
        b"hello\r\n",
        b"25\r\n",
        b"150 x\r\n",
        b"650 x\r\n",
        b"250x\r\n",
        b"250-a\r\n251 b\r\n",
        b"SSH-2.0-x\r\n",
        b"x" * 5000,
        b"250 " + b"x" * 5000 + b"\r\n",
        b"250-x\r\n" * 201,
        b"\r\n",
    ],
)
def test_what_is_no_reply_is_refused(wire: bytes) -> None:
    parser = ReplyParser()
    parser.receive(wire)
    with pytest.raises(BadReply) as caught:
        parser.next_reply()
    assert caught.value.code == 451


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60))
def test_xtext_round_trip(text: str) -> None:
    assert from_xtext(to_xtext(text)) == text


def test_xtext_beyond_ascii_is_written_as_rfc_6533_says() -> None:
    assert to_xtext("\xfc@b") == "\\x{FC}@b"


@pytest.mark.parametrize("text", ["+0A", "+zz", "a b", "a=b", "+7F", "+", "+4"])
def test_malformed_xtext(text: str) -> None:
    with pytest.raises(ValueError):
        from_xtext(text)
