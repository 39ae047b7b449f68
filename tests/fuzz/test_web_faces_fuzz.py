"""Whatever is sent to the web faces: arguments in JSON, filled-in forms, tokens, scopes, what a server answers to the client.
Whatever is sent to the web faces: arguments in JSON, filled-in forms, tokens, scopes, what a server answers to the client."""

from __future__ import annotations

import contextlib
from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from posthouse.admin import registry
from posthouse.admin.arguments import missing, parse_named
from posthouse.base.errors import BadValue
from posthouse.client.errors import of_problem
from posthouse.model.api_token import checked_scopes, covers, parsed_token, role_limits, token_text
from posthouse.servers.http.api import _arguments
from posthouse.servers.http.pages.forms import BadField, arguments_of, fields_of, shown
from posthouse.servers.http.pages.results import result_of

EACH = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
OPERATIONS = sorted(registry.operations().values(), key=lambda each: each.name)
PLAIN = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30) | st.lists(st.text(max_size=9), max_size=3)
)
JSON = st.recursive(PLAIN, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4))


@EACH
@given(st.sampled_from(OPERATIONS), st.data())
def test_arguments_are_values_of_their_kinds_or_refused(operation: Any, data: st.DataObject) -> None:
    names = [argument.name for argument in operation.arguments] or ["x"]
    named = data.draw(st.dictionaries(st.sampled_from(names) | st.text(max_size=5), PLAIN, max_size=6))
    with contextlib.suppress(BadValue):
        values = parse_named(operation.arguments, named, now=1.8e9, domain="example.test")
        assert set(values) <= set(names)
        missing(operation.arguments, values)


@EACH
@given(st.binary(max_size=200) | JSON.map(msgspec.json.encode))
def test_a_body_is_an_object_of_plain_values_or_refused(octets: bytes) -> None:
    with contextlib.suppress(msgspec.MsgspecError, UnicodeDecodeError):
        found = _arguments.decode(octets)
        assert isinstance(found, dict)
        msgspec.msgpack.encode(found)  # it can be passed on


@EACH
@given(st.sampled_from(OPERATIONS), st.data())
def test_a_form_gives_arguments_or_says_which_field_is_wrong(operation: Any, data: st.DataObject) -> None:
    names = [argument.name for argument in operation.arguments] or ["x"]
    filled = data.draw(st.dictionaries(st.sampled_from(names), st.text(max_size=30), max_size=6))
    fields = fields_of(operation, filled)
    assert all(field.value == "" for field in fields if field.kind == "password")
    passwords = {argument.name for argument in operation.arguments if argument.kind == "secret"}
    told = dict(shown(operation, filled))
    assert all(told.get(name.replace("_", " "), "***") == "***" for name in passwords)
    with contextlib.suppress(BadField):
        given_ = arguments_of(operation, filled)
        with contextlib.suppress(BadValue):
            parse_named(operation.arguments, given_, now=1.8e9)


@EACH
@given(JSON)
def test_whatever_an_operation_gives_can_be_shown(value: Any) -> None:
    result_of(value, OPERATIONS)


@EACH
@given(st.text(max_size=150) | st.from_regex(r"ph_[a-z2-7]{16}_[A-Za-z0-9_-]{43}", fullmatch=True))
def test_a_token_is_taken_apart_into_what_it_was_made_of_or_is_none(text: str) -> None:
    parts = parsed_token(text)
    assert parts is None or token_text(*parts) == text


@EACH
@given(st.lists(st.text(max_size=20) | st.sampled_from(["queue", "user:list", "role:reader", "role:emperor", "*"]), max_size=4))
def test_scopes_are_understood_or_refused_and_never_cover_more_than_they_name(scopes: list[str]) -> None:
    with contextlib.suppress(BadValue):
        known = checked_scopes(scopes)
        named = [scope for scope in known if not scope.startswith("role:")]
        assert len(named) + len(role_limits(known)) == len(known)
        if named:
            assert not covers(known, "otherwise", "list")


@EACH
@given(
    st.integers(100, 599), st.dictionaries(st.sampled_from(["type", "title", "detail", "status"]), PLAIN), st.text(max_size=9)
)
def test_whatever_a_server_answers_is_an_error_for_the_program(status: int, problem: dict[str, Any], retry: str) -> None:
    error = of_problem(status, problem, retry)
    assert error.status == status
    assert str(error)
