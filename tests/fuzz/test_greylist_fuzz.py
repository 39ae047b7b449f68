"""Whatever strangers write as an address: greylisting's keys are made, bounded, and the same when they are made again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from posthouse.backends.storable import storable, stored
from posthouse.formats.variable_senders import MAX_CHARS, stable_local
from posthouse.model.address import Address
from posthouse.model.envelope import Recipient, Sender
from posthouse.model.session import Session
from posthouse.model.settings import GreylistSettings
from posthouse.model.triplet import Triplet
from posthouse.pipeline.greylist_exempt import allow_list
from posthouse.pipeline.greylist_keys import client_network, triplet_of

LOCALS = st.one_of(
    st.text(max_size=400),
    st.text(alphabet="abcdef0123456789+-=._#@prvs", max_size=120),
    st.from_regex(r"(prvs=[0-9a-f]{10}=|SRS0=|srs1=|btv1==)?[a-z0-9+=.-]{0,80}", fullmatch=True),
)


@given(LOCALS)
def test_a_stable_form_is_bounded_and_stays_the_same(local: str) -> None:
    once = stable_local(local)
    assert len(once) <= MAX_CHARS + 2
    assert stable_local(once) == stable_local(stable_local(once))
    assert stable_local(local) == once


@given(st.text(max_size=300))
def test_kept_texts_are_utf8_without_controls_and_stay_apart(text: str) -> None:
    kept = storable(text)
    kept.encode()
    assert not any(ord(char) < 32 or ord(char) == 127 for char in kept)
    assert storable(kept) == kept


@given(LOCALS, st.text(max_size=100), st.text(max_size=60))
def test_any_attempt_has_a_triplet(local: str, domain: str, client: str) -> None:
    session = Session("smtp", client, 1, "192.0.2.1", 25, 0.0)
    for sender in (Sender(None), Sender(Address(local, domain))):
        triplet = triplet_of(GreylistSettings(), session, sender, Recipient(Address(local, domain)))
        assert len(triplet.network) <= 64
        assert isinstance(stored(triplet), Triplet)


@given(st.text(max_size=60), st.integers(8, 32), st.integers(16, 128))
def test_any_client_has_a_network(address: str, ipv4: int, ipv6: int) -> None:
    assert len(client_network(address, ipv4, ipv6)) <= 64


@given(st.lists(st.text(min_size=1, max_size=30), max_size=10), LOCALS, st.text(max_size=80))
def test_any_list_can_be_asked_about_any_address(entries: list[str], local: str, domain: str) -> None:
    listed = allow_list(tuple(entries))
    assert isinstance(listed.has_address(Address(local, domain)), str)
    assert ("192.0.2.1" in listed.networks) in (True, False)
