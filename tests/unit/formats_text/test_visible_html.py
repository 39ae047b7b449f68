"""HTML as it reads on the screen."""

from __future__ import annotations

import pytest

from posthouse.formats.text.html import visible_text


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("<p>Hello <b>world</b></p>", "Hello world"),
        ("inter<b>nation</b>al", "international"),
        ("<td>one</td><td>two</td>", "one two"),
        ("a<br>b", "a b"),
        ("caf&eacute; &#8364;5 &lt;b&gt;", "café €5 <b>"),
        ("soft&shy;ware zero\u200bwidth", "software zerowidth"),
        ("<style>p { color: red }</style>seen<script>var hidden = 1</script>", "seen"),
        ("<!-- hidden <b> -->seen", "seen"),
        ("seen<!-- never closed", "seen"),
        ("1 < 2 and 3 > 2", "1 < 2 and 3 > 2"),
        ("<STYLE>x</STYLE>Upper", "Upper"),
        ("<blockquote>deep</blockquote>er", "deep er"),
        ("a \r\n\t b", "a b"),
        ("", ""),
    ],
)
def test_what_is_seen_is_found(source: str, text: str) -> None:
    assert visible_text(source) == text
