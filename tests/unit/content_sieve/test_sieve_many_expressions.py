"""Many expressions held against one body are looked for together; what is found is what each alone would find."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from posthouse.content.sieve import Facts, MessageView, compile_script, run
from posthouse.content.sieve.actions import FileInto
from posthouse.formats.mime import index

REQUIRE = 'require ["body", "regex", "fileinto", "variables"];\n'


def filed(script: str, text: str) -> list[str]:
    content = b"Subject: x\r\n\r\n" + text.encode() + b"\r\n"
    result = run(compile_script(REQUIRE + script, "user"), Facts(message=MessageView(content, index(content)), now=0.0))
    assert not result.error, result.error
    return [action.mailbox for action in result.actions if isinstance(action, FileInto)]


def many(expressions: list[str]) -> str:
    return "\n".join(f'if body :text :regex "{each}" {{ fileinto "{place}"; }}' for place, each in enumerate(expressions))


def test_each_filter_of_many_decides_as_if_it_were_alone() -> None:
    expressions = [f"word{number}x+" for number in range(30)]
    assert filed(many(expressions), "nothing of it") == []
    assert filed(many(expressions), "WORD7x and word21xxx, word3") == ["7", "21"]


def test_what_one_of_many_captures_is_still_there() -> None:
    others = many([f"other{number}" for number in range(20)])
    assert filed(others + '\nif body :text :regex "order ([0-9]+)" { fileinto "O${1}"; }', "Your order 4711 is here") == [
        "O4711"
    ]


def test_a_negated_test_of_many_is_true_where_nothing_matches() -> None:
    script = many([f"other{number}" for number in range(20)]) + '\nif not body :text :regex "absent" { fileinto "yes"; }'
    assert filed(script, "hello") == ["yes"]


def test_a_case_sensitive_one_among_many_stays_so() -> None:
    script = many([f"other{number}" for number in range(20)])
    script += '\nif body :text :comparator "i;octet" :regex "Hello" { fileinto "exact"; }'
    assert filed(script, "Hello") == ["exact"]
    assert filed(script, "hello") == []


@given(
    st.lists(
        st.sampled_from(["a+b", "(ab|ba)c", "^x", "y$", "a.c", "[bc]{2}", "zz", "b", "c$", "^a"]), min_size=9, max_size=14
    ),
    st.text(alphabet="abcxyz ", max_size=40),
)
def test_together_is_the_same_as_one_by_one(expressions: list[str], text: str) -> None:
    body = text + "\r\n"
    alone = [str(place) for place, each in enumerate(expressions) if re.search(each.replace("$", r"\Z"), body)]
    assert filed(many(expressions), text) == alone
