"""Between a literal and the rest of its line the core says so: many clients write the two apart."""

from __future__ import annotations

from posthouse.protocols.imap.core import ImapCore, Limits
from posthouse.protocols.imap.events import NeedContinuation


def test_between_a_literal_and_the_rest_of_its_line() -> None:
    core = ImapCore(Limits())
    core.authenticated = True
    seen = []
    for octets in (b"a APPEND INBOX {5}\r\n", b"ab", b"cde", b"\r", b"\n"):
        core.receive(octets)
        event = core.next_command()
        seen.append((isinstance(event, NeedContinuation), core.between))
    assert seen == [(True, False), (False, False), (False, True), (False, False), (False, False)]
