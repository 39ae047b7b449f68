"""Whatever comes in, the SMTP cores answer with SMTP or a typed error, and hold no more than they may."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from posthouse.model.address import Address
from posthouse.model.envelope import Recipient, Sender
from posthouse.model.verdict import Reply
from posthouse.protocols.smtp import events as ev
from posthouse.protocols.smtp.client import ClientCore, Ready
from posthouse.protocols.smtp.config import ServerConfig
from posthouse.protocols.smtp.replies import BadReply, ReplyParser
from posthouse.protocols.smtp.server import ServerCore
from posthouse.protocols.smtp.transaction import Transaction
from support.smtp_dialogue import SmtpDriver

LIMIT = 2000
CONFIGS = [
    ServerConfig("mx.example", max_message_bytes=LIMIT, auth=("PLAIN",), starttls=True, max_errors=10_000),
    ServerConfig("mx.example", max_message_bytes=LIMIT, service="lmtp", bare_newline="normalise", max_errors=10_000),
]
WORDS = [
    b"EHLO c.example\r\n",
    b"LHLO c\r\n",
    b"HELO c\r\n",
    b"MAIL FROM:<a@b.example>",
    b"MAIL FROM:<>",
    b" BODY=BINARYMIME",
    b" SMTPUTF8",
    b" SIZE=10",
    b"RCPT TO:<c@d.example>",
    b" NOTIFY=NEVER",
    b" ORCPT=rfc822;a+2Bb",
    b"\r\n",
    b"\n",
    b"\r",
    b".",
    b"\r\n.\r\n",
    b"DATA\r\n",
    b"BDAT 5 LAST\r\n",
    b"BDAT 3\r\n",
    b"BDAT 0 LAST\r\n",
    b"BDAT 5000\r\n",
    b"BDAT 99999\r\n",
    b"abc",
    b"x" * 700,
    b"RSET\r\n",
    b"NOOP\r\n",
    b"AUTH PLAIN\r\n",
    b"AUTH PLAIN AGEAYg==\r\n",
    b"*\r\n",
    b"AGEAYg==\r\n",
    b"STARTTLS\r\n",
    b"VRFY x\r\n",
    b"\0",
    b"\xff",
    b"\xc3\xbc",
    b'<"a\\">',
    b"@[IPv6:::1]>",
    b"y" * 3000,
]
STREAM = st.lists(st.one_of(st.sampled_from(WORDS), st.binary(max_size=8)), max_size=60)


def policy(core: ServerCore, event: ev.Event) -> bytes | None:
    return core.challenge(b"x") if isinstance(event, ev.Auth) and event.initial is None else None


@settings(max_examples=300, deadline=None)
@given(config=st.sampled_from(CONFIGS), stream=STREAM, refuse=st.booleans())
def test_the_server_core_never_raises_and_holds_little(*, config: ServerConfig, stream: list[bytes], refuse: bool) -> None:
    driver = SmtpDriver(config, policy)
    for piece in stream:
        driver.feed(piece)
        assert driver.core.held_bytes <= 2 * LIMIT + config.max_auth_line + 4000
        if refuse and driver.core.receiving:
            driver.core.refuse_data(Reply(452, "4.3.1", "No room"))
    parser = ReplyParser()
    parser.receive(driver.out)
    count = 0
    while parser.next_reply() is not None:
        count += 1
    assert parser.empty
    assert count >= len([event for event in driver.events if not isinstance(event, ev.DataStart)])
    assert all(len(content) <= LIMIT for content in driver.messages)


@settings(max_examples=200, deadline=None)
@given(STREAM, st.integers(1, 40))
def test_the_server_core_does_not_care_how_the_octets_are_cut(stream: list[bytes], size: int) -> None:
    """But for STARTTLS, which throws away what came with it, and for messages so large that the connection is closed early."""
    wire = b"".join(piece for piece in stream if len(piece) < 100 and not piece.startswith((b"STARTTLS", b"BDAT 9")))
    whole, pieces = SmtpDriver(CONFIGS[0], policy), SmtpDriver(CONFIGS[0], policy)
    whole.feed(wire)
    for at in range(0, len(wire), size):
        pieces.feed(wire[at : at + size])
    assert pieces.out == whole.out
    assert pieces.events == whole.events


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.sampled_from(
                [
                    b"220 x\r\n",
                    b"250-x\r\n",
                    b"250 PIPELINING\r\n",
                    b"250 OK\r\n",
                    b"354 go\r\n",
                    b"550 5.1.1 no\r\n",
                    b"421 bye\r\n",
                    b"334 \r\n",
                ]
            ),
            st.binary(max_size=10),
        ),
        max_size=20,
    )
)
def test_the_client_core_raises_nothing_but_bad_reply(answers: list[bytes]) -> None:
    client = ClientCore("c.example")
    transaction = Transaction(Sender(None), [Recipient(Address.parse("c@d.example"))] * 3, b"x\r\n")
    for answer in answers:
        client.receive(answer)
        try:
            while (event := client.next_event()) is not None:
                if isinstance(event, Ready):
                    client.send(transaction)
        except BadReply:
            return
        while client.to_send():
            pass
