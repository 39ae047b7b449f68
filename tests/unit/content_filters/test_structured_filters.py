"""Filters in structured form: every condition and action of CON-1 and CON-2 to Sieve and back, and what it then does."""

from __future__ import annotations

from typing import get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posthouse.base.errors import BadValue
from posthouse.content.filters import Condition, Document, Filter, Group, filter_schema, read, write
from posthouse.content.filters import model as form
from posthouse.content.filters.document import Foreign
from posthouse.content.filters.model import OtherField, TextField
from posthouse.content.sieve import ScriptError, compile_script
from support.sieve import outcome

DISCARD = (form.Discard(),)

HOLDING = [
    Condition("sender", "is", ("lena@elsewhere.test",)),
    Condition("recipient", "starts", ("jane+",)),
    Condition("from", "ends", ("@elsewhere.test",)),
    Condition("to", "is", ("omar@example.org",)),
    Condition("cc", "contains", ("list",)),
    Condition("to_or_cc", "matches", ("l?st@*",)),
    Condition("header", "is", ("3",), header="X-Priority"),
    Condition("header", "exists", header="X-Twice"),
    Condition("header", "exists", header="X-None", negate=True),
    Condition("subject", "contains", ("nothing", "weekly")),
    Condition("subject", "regex", ("^gr.+news$",)),
    Condition("body", "contains", ("café opens",)),
    Condition("body", "contains", ("no such",), negate=True),
    Condition("attachment_name", "ends", (".zip", ".exe")),
    Condition("attachment_type", "is", ("application/zip",)),
    Condition("attachment_content", "is", ("image/png",)),
    Condition("archive_member", "ends", (".exe",)),
    Condition("attachment_count", "is", number=2),
    Condition("attachment_count", "greater", number=1),
    Condition("attachment_count", "less", number=3),
    Condition("attachment_size", "greater", number=2),
    Condition("size", "greater", number=100),
    Condition("size", "less", number=100_000),
    Condition("client_address", "starts", ("192.0.2.",)),
    Condition("client_host", "ends", (".elsewhere.test",)),
    Condition("client_network", values=("192.0.2.0/24", "10.0.0.0/8")),
    Condition("helo", "contains", ("mx",)),
    Condition("account", "contains", ("jane",), negate=True),
    Condition("authenticated", negate=True),
    Condition("direction", values=("in",)),
    Condition("spf", "is", ("none",)),
    Condition("dkim", "is", ("none", "pass")),
    Condition("dmarc", "is", ("fail",), negate=True),
    Condition("virus", values=("untested",)),
    Condition("score", "at_least", number=50, negate=True),
    Condition("date", "is", ("2026-09-21",)),
    Condition("date", "greater", ("2026-09-01",)),
    Condition("time", "less", ("18:00:00",)),
    Condition("weekday", "is", ("1",)),
    Condition("sender_domain", values=("elsewhere.test",)),
    Condition("recipient_domain", values=("example.test",)),
]


def only(condition: Condition) -> Filter:
    return Filter("f", Group("all", (condition,)), DISCARD)


@pytest.mark.parametrize("condition", HOLDING, ids=lambda condition: f"{condition.field} {condition.operator}")
def test_a_condition_is_written_read_back_and_holds(condition: Condition) -> None:
    one = only(condition)
    script = write(Document((one,)))
    assert read(script).pieces == (one,)
    assert outcome(script, scope="system") == ["discard"]
    negated = msgspec.structs.replace(condition, negate=not condition.negate)
    script = write(Document((only(negated),)))
    assert read(script).filters == [only(negated)]
    assert outcome(script, scope="system") == ["implicit keep"]


ASKING = [
    Condition("word_list", "at_least", ("corporate",), number=20),
    Condition("dnsbl", values=("zen.example.org",)),
    Condition("sender_group", values=("staff@example.test",)),
    Condition("recipient_group", values=("staff@example.test",)),
    Condition("sender_address_book", values=("",)),
    Condition("recipient_address_book", values=("directory",)),
]


@pytest.mark.parametrize("condition", ASKING, ids=lambda condition: condition.field)
def test_conditions_that_ask_others_round_trip(condition: Condition) -> None:
    script = write(Document((only(condition),)))
    assert read(script).pieces == (only(condition),)
    compile_script(script, "system")


def test_every_field_is_covered() -> None:
    known = {condition.field for condition in (*HOLDING, *ASKING)}
    assert known == {*get_args(TextField), *get_args(OtherField)}


ACTIONS: list[tuple[form.Action, list[str]]] = [
    (form.Keep(), ["keep"]),
    (form.MoveTo("News/\"x\""), ['fileinto News/"x"']),
    (form.MoveTo("News", copy=True, create=True), ["fileinto News create", "implicit keep"]),
    (form.Redirect("a@b.test"), ["redirect a@b.test"]),
    (form.Redirect("a@b.test", copy=True), ["redirect a@b.test", "implicit keep"]),
    (form.Wiretap("a@b.test"), ["wiretap a@b.test", "implicit keep"]),
    (form.Excerpt("a@b.test", 100), ["excerpt 100 a@b.test", "implicit keep"]),
    (form.Reject("No\nthanks \\ \"you\""), ["reject No\r\nthanks \\ \"you\""]),
    (form.Discard(), ["discard"]),
    (form.Quarantine("bad"), ["quarantine bad"]),
    (form.DeliverNow(), ["delivernow", "implicit keep"]),
    (form.TagSubject("[x] "), ["implicit keep"]),
    (form.AddHeader("X-A", "b"), ["implicit keep"]),
    (form.RemoveHeader("X-Priority"), ["implicit keep"]),
    (form.AddFooter("Bye\nnow"), ["implicit keep"]),
    (form.StripAttachments(("*.exe", "*.scr")), ["implicit keep"]),
    (form.StripAttachments(("*.exe",), "member", "gone"), ["implicit keep"]),
    (form.ReplaceParts("text/html", "No HTML"), ["implicit keep"]),
    (form.ChangeScore(10), ["score 10", "implicit keep"]),
    (form.ChangeScore(-10), ["score -10", "implicit keep"]),
    (form.SetFlags(("\\Seen", "$Important")), ["implicit keep \\Seen $Important"]),
    (form.Reply("Away", days=0), ["vacation to lena@elsewhere.test: : Away", "implicit keep"]),
    (form.Reply("Away", "Out", 0), ["vacation to lena@elsewhere.test: Out: Away", "implicit keep"]),
    (form.Notify("a+b@c.test", "mail"), ["notify 2 mailto:a+b@c.test mail", "implicit keep"]),
    (form.Notify("a@c.test"), ["notify 2 mailto:a@c.test ", "implicit keep"]),
    (form.Delay(60), ["delay 60", "implicit keep"]),
    (form.Route("h.example.org:25"), ["route h.example.org:25", "implicit keep"]),
    (form.RequireTls(), ["requiretls", "implicit keep"]),
]  # fmt: skip


@pytest.mark.parametrize(("action", "expected"), ACTIONS, ids=[str(action)[:40] for action, _ in ACTIONS])
def test_an_action_is_written_read_back_and_done(action: form.Action, expected: list[str]) -> None:
    one = Filter("f", Group(), (action,))
    script = write(Document((one,)))
    assert read(script).pieces == (one,)
    assert outcome(script, scope="system") == expected


def test_every_action_is_covered() -> None:
    assert {type(action) for action, _ in ACTIONS} == set(get_args(form.Action))


def test_groups_nest_and_filters_stop_or_go_on() -> None:
    yes, no = Condition("subject", "contains", ("weekly",)), Condition("subject", "contains", ("never",))
    cases = [
        (Group("all", (yes, no)), False),
        (Group("any", (yes, no)), True),
        (Group("none", (no,)), True),
        (Group("none", (no, yes)), False),
        (Group("all", (Group("any", (no, yes)), Group("none", (no, Group("all", (yes, no)))))), True),
        (Group("all", (Group("all", (yes,)),)), True),
        (Group("any", ()), False),
    ]
    for group, holds in cases:
        one = Filter("f", group, DISCARD)
        script = write(Document((one,)))
        assert read(script).pieces == (one,), script
        assert outcome(script) == (["discard"] if holds else ["implicit keep"]), script
    first = Filter("1", Group(), (form.MoveTo("A"),), stop=False)
    second = Filter("2", Group(), (form.MoveTo("B"),))
    third = Filter("3", Group(), (form.MoveTo("C"),))
    script = write(Document((first, second, third)))
    assert outcome(script) == ["fileinto A", "fileinto B"]
    assert read(script).pieces == (first, second, third)


def test_a_filter_that_is_off_stays_readable_and_does_nothing() -> None:
    one = Filter("Old", Group("any", (Condition("subject", "contains", ("weekly",)),)), DISCARD, on=False)
    script = write(Document((one,)))
    assert '# filter "Old" off\n' in script
    assert outcome(script) == ["implicit keep"]
    assert read(script).pieces == (one,)


def test_the_sieve_is_for_people() -> None:
    one = Filter(
        "Newsletters",
        Group(
            "any", (Condition("subject", "contains", ("news", "offer")), Condition("from", "is", ("a@b.test",), negate=True))
        ),
        (form.MoveTo("News"), form.SetFlags(("\\Seen",))),
    )
    assert (
        write(Document((one,)))
        == """\
require ["fileinto", "imap4flags"];

# filter "Newsletters"
if anyof (
    header :contains "Subject" ["news", "offer"],
    not address :is "From" "a@b.test"
) {
    fileinto "News";
    addflag "\\\\Seen";
    stop;
}
"""
    )


HAND = """\
# my own rules
require ["fileinto", "variables"];

set "x" "y"; # a remark

# filter "Mine"
if header :contains "Subject" "news" {
    fileinto "News";
    stop;
}

# filter "Changed by hand"
if header :contains "Subject" "news" { fileinto "News"; stop; }

if true { keep; } else { discard; }
# the end
"""


def test_what_is_not_written_as_ours_stays_as_it_is() -> None:
    document = read(HAND)
    kinds = [type(piece) for piece in document.pieces]
    assert kinds == [Foreign, Filter, Foreign]
    assert document.filters[0].name == "Mine"
    assert document.requires == ("fileinto", "variables")
    written = write(document)
    for words in ("# my own rules", 'set "x" "y"; # a remark', '# filter "Changed by hand"', "# the end"):
        assert words in written
    assert read(written) == Document(document.pieces, ("fileinto", "variables"))
    compile_script(written)


def test_elsif_after_a_filter_makes_it_foreign() -> None:
    script = write(Document((only(Condition("subject", "contains", ("a",))),))) + "else { keep; }\n"
    assert read(script).filters == []


def test_a_script_that_does_not_parse_is_an_error() -> None:
    with pytest.raises(ScriptError):
        read("if {")


WRONG = [
    Condition("subject"),
    Condition("subject", "at_least", ("x",)),
    Condition("header", "is", ("x",)),
    Condition("subject", "exists"),
    Condition("size", "greater"),
    Condition("size", "is", number=5),
    Condition("score", "greater", number=5),
    Condition("direction", values=("up",)),
    Condition("virus", values=("maybe",)),
    Condition("dnsbl"),
    Condition("word_list", "at_least", number=5),
]


@pytest.mark.parametrize("condition", WRONG, ids=str)
def test_a_condition_that_does_not_fit_is_refused(condition: Condition) -> None:
    with pytest.raises(BadValue):
        write(Document((only(condition),)))


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "x" * 201])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(BadValue):
        write(Document((Filter(name, Group(), DISCARD),)))
    with pytest.raises(BadValue):
        write(Document((Filter("f", Group(), (), stop=False),)))


def test_json_and_its_schema() -> None:
    one = Filter("f", Group("any", (HOLDING[0], Group("none", (HOLDING[1],)))), (form.Reply("x"), form.Keep()), stop=False)
    assert msgspec.json.decode(msgspec.json.encode(one), type=Filter) == one
    schema = filter_schema()
    assert {"Filter", "Group", "Condition", "MoveTo"} <= set(schema["$defs"])
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'{"name": "x", "conditions": {"kind": "group", "mode": "some"}}', type=Filter)
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'{"name": "x", "nonsense": 1}', type=Filter)


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\0"), min_size=1, max_size=20)
VALUES = st.lists(TEXT, min_size=1, max_size=3).map(tuple)
PLAIN = st.builds(
    Condition,
    field=st.sampled_from(["subject", "from", "sender", "body", "attachment_name", "client_host"]),
    operator=st.sampled_from(["is", "contains", "starts", "ends"]),
    values=VALUES,
    negate=st.booleans(),
)
NUMBERS = st.builds(
    Condition,
    field=st.just("size"),
    operator=st.sampled_from(["greater", "less"]),
    number=st.integers(0, (1 << 31) - 1),
    negate=st.booleans(),
)
NODES = st.recursive(
    PLAIN | NUMBERS,
    lambda inner: st.builds(
        Group, mode=st.sampled_from(["all", "any", "none"]), conditions=st.lists(inner, min_size=1, max_size=3).map(tuple)
    ),
    max_leaves=8,
)
DEEDS = st.one_of(
    st.builds(form.Reject, TEXT), st.builds(form.AddFooter, TEXT), st.builds(form.MoveTo, TEXT, st.booleans(), st.booleans()),
    st.builds(form.Reply, TEXT, st.just("") | TEXT, st.integers(0, 30)), st.builds(form.ChangeScore, st.integers(-99, 99)),
)  # fmt: skip
NAMES = st.text(min_size=1, max_size=30).filter(lambda name: name.isprintable() and name.strip() == name)
FILTERS = st.builds(
    Filter,
    name=NAMES,
    conditions=st.builds(
        Group, mode=st.sampled_from(["all", "any", "none"]), conditions=st.lists(NODES, max_size=3).map(tuple)
    ),
    actions=st.lists(DEEDS, min_size=1, max_size=3).map(tuple),
    stop=st.booleans(),
    on=st.booleans(),
)


@given(st.lists(FILTERS, max_size=3))
@settings(max_examples=200, deadline=None)
def test_any_filters_are_read_back_and_mean_the_same(filters: list[Filter]) -> None:
    script = write(Document(tuple(filters)))
    found = read(script)
    assert write(found) == script
    assert [(one.name, one.actions, one.stop, one.on) for one in found.filters] == [
        (one.name, one.actions, one.stop, one.on) for one in filters
    ]
    for before, after in zip(filters, found.filters, strict=True):
        assert after.conditions == before.conditions or not before.conditions.conditions
