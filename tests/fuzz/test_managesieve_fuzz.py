"""Octets of strangers on the ManageSieve port: events or refusals, bounded, and the connection's state stays sound."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from posthouse.protocols.managesieve.commands import AuthData
from posthouse.protocols.managesieve.core import ManageSieveCore, Refusal

PIECES = st.sampled_from(
    [b"NOOP", b"PUTSCRIPT", b"AUTHENTICATE", b"LISTSCRIPTS", b" ", b"\r\n", b'"a"', b'"', b"{3+}\r\nabc", b"{5}\r\n",
     b"{99999999999+}", b"{9000+}\r\n", b"*", b"\\", b"\0", b"\xff", b"12", b'"PLAIN"', b"STARTTLS", b"\n", b'"dGVzdA=="',
     b"x" * 9000]
)  # fmt: skip


@given(st.lists(PIECES | st.binary(max_size=30), max_size=40), st.booleans(), st.booleans())
@settings(max_examples=300, deadline=None)
def test_any_octets_give_events_or_refusals(pieces: list[bytes], logged_in: bool, exchanging: bool) -> None:  # noqa: FBT001
    core = ManageSieveCore(10_000)
    if logged_in:
        core.logged_in()
    elif exchanging:
        core.expect_auth_data()
    for piece in pieces:
        core.receive(piece)
        for _ in range(1000):
            event = core.next_event()
            if event is None:
                break
            if isinstance(event, Refusal):
                assert event.octets.endswith(b"\r\n")
                if event.closes:
                    return
            assert not isinstance(event, AuthData) or not logged_in


@given(st.binary(max_size=200), st.integers(1, 50))
@settings(max_examples=100, deadline=None)
def test_it_makes_no_difference_how_octets_are_cut(octets: bytes, size: int) -> None:
    stream = b"NOOP " + octets + b'\r\nNOOP "x"\r\nCAPABILITY\r\n'

    def events(pieces: list[bytes]) -> list[str]:
        core, found = ManageSieveCore(100), []
        for piece in pieces:
            core.receive(piece)
            while (event := core.next_event()) is not None:
                found.append(repr(event))
                if isinstance(event, Refusal) and event.closes:
                    return found
        return found

    assert events([stream]) == events([stream[at : at + size] for at in range(0, len(stream), size)])
