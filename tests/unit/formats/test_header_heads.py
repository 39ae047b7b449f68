"""Header fields out of a message's beginning are the same as out of its index (RFC 9051 §6.4.5.1)."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from posthouse.formats.mime import heads, index, sections

LINES = st.sampled_from(
    [b"From: a@b\r\n", b"from : x\r\n", b"Subject: one\r\n two\r\n", b"To: a\n\tb\n", b"X:\r\n", b"garbage\r\n", b" folded\r\n",
     b"\r\n", b"\n", b"Subject: again\r\n", b"body text\r\n", b"From me Mon\r\n", b": x\r\n", b"Sub", b"\xffX: y\r\n", b"A:b"]
)  # fmt: skip
NAMES = st.frozensets(st.sampled_from([b"from", b"subject", b"to", b"x", b"a"]))


@given(content=st.lists(LINES, max_size=12).map(b"".join), names=NAMES, exclude=st.booleans(), cut=st.integers(0, 400))
@settings(max_examples=300, deadline=None)
def test_what_is_told_of_a_beginning_is_true_of_the_whole(
    *, content: bytes, names: frozenset[bytes], exclude: bool, cut: int
) -> None:
    root = index(content)
    told = heads.chosen_fields(content[:cut], names, exclude=exclude)
    if told is not None:
        assert told == sections.header_fields(content, root, "", [name.decode() for name in names], exclude=exclude)
    header = heads.whole_header(content[:cut])
    if header is not None:
        assert header == sections.section(content, root, "", "HEADER")


def test_an_ordinary_message_is_told_from_its_beginning() -> None:
    content = b"From: a\r\nSubject: x\r\n y\r\nTo: b\r\n\r\n" + b"text\r\n" * 9999
    assert heads.chosen_fields(content[:60], {b"subject"}) == b"Subject: x\r\n y\r\n\r\n"
    assert heads.chosen_fields(content[:60], {b"subject"}, exclude=True) == b"From: a\r\nTo: b\r\n\r\n"
    assert heads.whole_header(content[:60]) == content[: content.index(b"text")]
    assert heads.first_values(content[:60], {b"subject", b"cc"}) == {b"subject": b"x y"}


def test_what_does_not_end_is_not_told() -> None:
    for head in (b"", b"From: a", b"From: a\r\n", b"From: a\r\nSubj", b"From: a\r\n\r"):
        assert heads.chosen_fields(head, {b"from"}) is None
        assert heads.whole_header(head) is None
        assert heads.first_values(head, {b"from"}) is None
