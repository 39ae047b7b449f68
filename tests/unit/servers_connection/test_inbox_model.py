"""The buffer of unread octets against the simplest model of it."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from posthouse.servers.inbox import Inbox

STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["put", "put_back"]), st.binary(max_size=20)),
        st.tuples(st.just("take"), st.integers(1, 12)),
        st.tuples(st.just("take_all"), st.none()),
    ),
    max_size=40,
)


@given(STEPS)
@settings(max_examples=300, deadline=None)
def test_octets_come_out_in_order_and_none_is_lost(steps: list[tuple[str, object]]) -> None:
    inbox, model = Inbox(), b""
    for what, argument in steps:
        if what == "put" and isinstance(argument, bytes):
            inbox.put(argument)
            model += argument
        elif what == "put_back" and isinstance(argument, bytes):
            inbox.put_back(argument)
            model = argument + model
        elif what == "take" and isinstance(argument, int):
            chunk = inbox.take(argument)
            assert len(chunk) <= argument
            assert bool(chunk) == bool(model)
            assert model.startswith(chunk)
            model = model[len(chunk) :]
        else:
            assert inbox.take_all() == model
            model = b""
        assert inbox.size_bytes == len(model)
    assert inbox.take_all() == model
