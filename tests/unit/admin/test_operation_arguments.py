"""From signatures to syntax, parsing, schema and help."""

from __future__ import annotations

from typing import Literal

import pytest

from posthouse.admin.arguments import (
    DomainName,
    Moment,
    Secret,
    UsageError,
    arguments_of,
    json_schema,
    parse_moment,
    parse_words,
)
from posthouse.admin.context import Context
from posthouse.admin.operation import audit_text, operation
from posthouse.base.errors import BadValue
from posthouse.model.address import Address

NOW = 1_790_000_000.0


async def sample(
    context: Context,
    address: Address,
    words: tuple[str, ...] = (),
    *,
    password: Secret | None = None,
    count: int = 3,
    ratio: float = 0.5,
    kind: Literal["red", "Green"] = "red",
    since: Moment | None = None,
    domain: DomainName | None = None,
    all: bool = False,
    enabled: bool | None = None,
) -> None:
    """Does nothing, in two
    lines.

    Args:
        address: who.
        words: more words, described in
            two lines.
        count: how many.
    """


ARGUMENTS = arguments_of(sample)


def parse(*words: str, protocol: bool = False, domain: str = "") -> dict[str, object]:
    return parse_words(ARGUMENTS, words, now=NOW, protocol=protocol, domain=domain)


def test_words_and_options_become_typed_values() -> None:
    values = parse(
        "jane@Example.COM", "a", "b", "--count", "7", "--ratio=0.25", "--kind", "GREEN", "--domain", "EXAMPLE.org", "--all"
    )
    assert values == {
        "address": Address("jane", "example.com"),
        "words": ("a", "b"),
        "count": 7,
        "ratio": 0.25,
        "kind": "Green",
        "domain": "example.org",
        "all": True,
    }


def test_options_may_stand_before_words_and_two_dashes_end_them() -> None:
    assert parse("--count", "7", "jane@example.com", "--", "--all")["words"] == ("--all",)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["jane@example.com", "--nonsense"], "--nonsense"),
        (["jane@example.com", "--count"], "needs a value"),
        (["jane@example.com", "--all=1"], "no value"),
    ],
)
def test_wrong_syntax_is_a_usage_error_that_names_the_word(words: list[str], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        parse(*words)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["nobody"], "address: 'nobody'"),
        (["a@b", "--count", "many"], "count: 'many' does not fit: a whole number is needed"),
        (["a@b", "--kind", "blue"], "red, Green"),
        (["a@b", "--count", "9" * 40], "a whole number is needed"),
        (["a@b", "--since", "soon"], "2h, 3d"),
        (["a@b", "--since", "999999999w"], "that long ago"),
        (["a@b", "--enabled", "perhaps"], "on or off"),
        (["a@b", "--domain", "-x-"], "host name"),
    ],
)
def test_values_that_do_not_fit_say_what_is_allowed(words: list[str], says: str) -> None:
    with pytest.raises(BadValue) as caught:
        parse(*words)
    assert says in caught.value.public


def test_optional_flag_takes_on_and_off() -> None:
    assert parse("a@b", "--enabled", "off")["enabled"] is False
    assert parse("a@b", "--enabled", "ON")["enabled"] is True


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("90s", NOW - 90),
        ("2h", NOW - 7200),
        ("1w", NOW - 604_800),
        ("2026-01-02", 1_767_312_000.0),
        ("2026-01-02T03:04", 1_767_323_040.0),
        ("2026-01-02T03:04+01:00", 1_767_319_440.0),
    ],
)
def test_moments(text: str, at: float) -> None:
    assert parse_moment(text, NOW) == at


def test_protocol_words_fill_the_options_in_order_and_empty_ones_mean_the_default() -> None:
    async def add(context: Context, address: Address, *, password: Secret, name: str = "", count: int = 1) -> None:
        """Adds."""

    values = parse_words(arguments_of(add), ["bob", "pass word", "Bob Smith", ""], now=NOW, domain="example.com", protocol=True)
    password = values.pop("password")
    assert isinstance(password, Secret)
    assert password.text == "pass word"
    assert values == {"address": Address("bob", "example.com"), "name": "Bob Smith"}


def test_protocol_takes_a_password_that_begins_with_dashes() -> None:
    async def add(context: Context, address: Address, *, password: Secret) -> None:
        """Adds."""

    values = parse_words(arguments_of(add), ["bob@example.com", "--x"], now=NOW, protocol=True)
    password = values["password"]
    assert isinstance(password, Secret)
    assert password.text == "--x"


def test_bare_names_need_a_domain() -> None:
    assert parse("jane", domain="example.com")["address"] == Address("jane", "example.com")


def test_help_and_usage_come_from_signature_and_docstring() -> None:
    made = operation("thing do", role="reader")(sample)
    assert made.summary == "Does nothing, in two lines."
    assert made.usage.startswith("thing do ADDRESS [WORDS...] [--password SECRET] [--count INTEGER]")
    assert "[--kind red|Green]" in made.usage
    assert "[--enabled on|off]" in made.usage
    assert "more words, described in two lines." in made.help
    assert "Args:" not in made.help


def test_schema_describes_types_and_hides_secrets() -> None:
    schema = json_schema(ARGUMENTS)
    properties = schema["properties"]
    assert isinstance(properties, dict)
    assert schema["required"] == ["address"]
    assert properties["count"] == {"type": "integer", "description": "how many."}
    assert properties["words"]["type"] == "array"
    assert properties["kind"]["enum"] == ["red", "Green"]
    assert properties["enabled"]["type"] == "boolean"
    assert properties["password"]["writeOnly"] is True


def test_secrets_never_show_themselves() -> None:
    secret = Secret("hunter2")
    assert "hunter2" not in f"{secret} {secret!r} {audit_text({'password': secret, 'name': 'x'})}"


def test_unknown_argument_types_are_refused_when_the_operation_is_made() -> None:
    async def bad(context: Context, thing: bytes) -> None:
        """Bad."""

    with pytest.raises(TypeError):
        arguments_of(bad)
