"""Conditions and actions as people type them."""

from __future__ import annotations

import pytest

from posthouse.base.errors import BadValue
from posthouse.content.filters import Condition, Filter, Group
from posthouse.content.filters import model as form
from posthouse.content.filters.phrases import actions_of, conditions_of, told_actions, told_conditions

CONDITIONS = [
    ("subject contains news", Condition("subject", "contains", ("news",))),
    ("subject contains news 'big offer'", Condition("subject", "contains", ("news", "big offer"))),
    ("NOT From IS boss@example.com", Condition("from", "is", ("boss@example.com",), negate=True)),
    ("size greater 100K", Condition("size", "greater", number=102_400)),
    ("header X-Loop exists", Condition("header", "exists", header="X-Loop")),
    ("header X-Loop contains a;", Condition("header", "contains", ("a",), header="X-Loop")),
    ("attachment-name ends .exe .scr", Condition("attachment_name", "ends", (".exe", ".scr"))),
    ("word_list at-least 20 corporate", Condition("word_list", "at_least", ("corporate",), number=20)),
    ("dnsbl zen.example.org", Condition("dnsbl", values=("zen.example.org",))),
    ("authenticated", Condition("authenticated")),
    ("direction out", Condition("direction", values=("out",))),
    ("virus infected", Condition("virus", values=("infected",))),
    ("score at_least 50", Condition("score", "at_least", number=50)),
    ("sender ''", Condition("sender", "is", ("",))),
]
ACTIONS: list[tuple[str, form.Action]] = [
    ("move_to News", form.MoveTo("News")),
    ("Move-To 'Big News' create copy", form.MoveTo("Big News", copy=True, create=True)),
    ("set_flags '\\Seen' $x", form.SetFlags(("\\Seen", "$x"))),
    ("add_header X-A 'b c'", form.AddHeader("X-A", "b c")),
    ("reply 'I am away' days=3 subject='Away now'", form.Reply("I am away", "Away now", 3)),
    ("strip_attachments *.exe *.scr by=declared", form.StripAttachments(("*.exe", "*.scr"), "declared")),
    ("change_score -5", form.ChangeScore(-5)),
    ("delay 600", form.Delay(600)),
    ("discard", form.Discard()),
]


@pytest.mark.parametrize(("text", "expected"), CONDITIONS, ids=[text for text, _ in CONDITIONS])
def test_a_condition_is_understood(text: str, expected: Condition) -> None:
    assert conditions_of(text) == (expected,)


@pytest.mark.parametrize(("text", "expected"), ACTIONS, ids=[text for text, _ in ACTIONS])
def test_an_action_is_understood(text: str, expected: form.Action) -> None:
    assert actions_of(text) == (expected,)


@pytest.mark.parametrize(
    "text",
    ["", ";", "colour is red", "subject", "subject is", "size greater", "size greater many", "not", "header", "header X",
     "direction up", "subject contains 'open"],
)  # fmt: skip
def test_what_is_no_condition_is_refused(text: str) -> None:
    if not text.strip(";"):
        assert conditions_of(text) == ()
        return
    with pytest.raises(BadValue):
        conditions_of(text)


@pytest.mark.parametrize(
    "text", ["fly", "move_to", "move_to A B", "delay soon", "set_flags", "discard now", "reply x days=soon"]
)
def test_what_is_no_action_is_refused(text: str) -> None:
    with pytest.raises(BadValue):
        actions_of(text)


def test_what_is_shown_can_be_typed_again() -> None:
    group = Group("all", tuple(condition for _, condition in CONDITIONS))
    shown = told_conditions(group).removeprefix("all: ")
    assert conditions_of(shown) == group.conditions
    actions = tuple(action for _, action in ACTIONS)
    assert actions_of(told_actions(Filter("f", Group(), actions, stop=False))) == actions
    assert told_conditions(Group()) == "always"
    assert told_conditions(Group("any", (Group("none", (CONDITIONS[0][1],)),))) == "any: (none: subject contains news)"
    assert told_actions(Filter("f", Group(), (form.Keep(),))) == "keep; stop"
