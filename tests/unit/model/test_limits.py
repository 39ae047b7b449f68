"""Limits and expiry policies as values: what is said, what follows, what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posthouse.base.errors import BadValue
from posthouse.model.expiry import Expiry
from posthouse.model.limits import Allowance, Limits, packed
from posthouse.model.quota import Growth, Standing, Usage, Way, after_growth, refusal, used_percent
from posthouse.model.undelete import is_shadow, live_name, shadow_name


def test_saying_nothing_is_not_saying_none() -> None:
    limits = Limits(quota_bytes=0).over(Limits(quota_bytes=5, quota_messages=6))
    assert (limits.quota_bytes, limits.quota_messages) == (0, 6)
    assert limits.changed({"quota_bytes": -1}).quota_bytes is None
    with pytest.raises(BadValue):
        limits.changed({"quota_bytes": 1 << 60})


def test_what_travels_with_a_unit_is_the_allowance() -> None:
    allowed = Allowance(domain_id=3, quota_messages=7, warning_percent=90, permanent=True)
    fields = packed(allowed)
    assert fields is not None
    assert Allowance(*fields) == allowed  # type: ignore[arg-type]
    assert packed(Allowance(undelete_bytes=9)) is None


@given(
    st.builds(Allowance, quota_bytes=st.integers(0, 50), quota_messages=st.integers(0, 50), grace_percent=st.integers(0, 100),
              grace_s=st.sampled_from([0.0, 10.0]), warning_percent=st.integers(0, 100)),
    st.builds(Usage, st.integers(0, 80), st.integers(0, 80)),
    st.builds(Growth, st.integers(0, 20), st.integers(0, 3)),
    st.booleans(),
)  # fmt: skip
@settings(max_examples=300, deadline=None)
def test_nothing_grows_past_quota_and_grace(allowed: Allowance, used: Usage, growth: Growth, delivery: bool) -> None:  # noqa: FBT001
    problem = refusal(allowed, used, Usage(), Standing(), growth, 100.0, delivery=delivery)
    ceiling = 100 + (allowed.grace_percent if delivery and allowed.grace_s else 0)
    over = [
        limit and more and (present + more) * 100 > limit * ceiling
        for limit, present, more in (
            (allowed.quota_bytes, used.size_bytes, growth.size_bytes),
            (allowed.quota_messages, used.messages, growth.messages),
        )
    ]
    assert bool(problem) == any(over)
    if problem is None:
        after = after_growth(allowed, used, Usage(), Standing(), growth, 100.0, Way(delivery=delivery))
        grown = Usage(used.size_bytes + growth.size_bytes, used.messages + growth.messages)
        assert bool(after.warning) == bool(allowed.warning_percent and used_percent(allowed, grown) >= allowed.warning_percent)


@pytest.mark.parametrize("text", ["days=30", "keep=5 only=read", "days=1 keep=2 only=unread", ""])
def test_expiry_policies_come_back_as_written(text: str) -> None:
    assert str(Expiry.parse(text)) == text


@pytest.mark.parametrize("text", ["days", "days=-1", "days=x", "days=99999", "only=seen", "age=3", "keep=999999999", "days=²"])
def test_expiry_policies_that_make_no_sense(text: str) -> None:
    with pytest.raises(BadValue):
        Expiry.parse(text)


def test_names_of_the_shadow_tree() -> None:
    assert shadow_name("a/b") == "Deleted Messages/a/b"
    assert (live_name("Deleted Messages/a/b"), live_name("Deleted Messages"), live_name("a")) == ("a/b", "", "a")
    assert not is_shadow("Deleted Messages 2")
