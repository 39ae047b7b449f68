"""The SMTP client core: against our own server core in memory, and against scripted servers with all their moods."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from posthouse.model.address import Address
from posthouse.model.envelope import Recipient, Sender
from posthouse.model.verdict import Reply
from posthouse.protocols.sasl.client import LoginClient, PlainClient, SaslClient, ScramClient
from posthouse.protocols.smtp import events as ev
from posthouse.protocols.smtp.client import (
    Authenticated,
    ClientCore,
    Closed,
    Event,
    Ready,
    Refused,
    TlsReady,
    TransactionDone,
)
from posthouse.protocols.smtp.config import ServerConfig
from posthouse.protocols.smtp.replies import BadReply, LocalProtocolError
from posthouse.protocols.smtp.server import ServerCore
from posthouse.protocols.smtp.transaction import CannotSend, SendPolicy, Transaction, TransactionResult
from support.smtp_dialogue import SmtpDriver, refusing

CONTENT = b"Subject: x\r\n\r\n.Hello\r\n"


def to(*recipients: str, sender: str = "a@b.example", content: bytes = CONTENT) -> Transaction:
    address = Address.parse(sender) if sender else None
    return Transaction(Sender(address), [Recipient(Address.parse(text)) for text in recipients], content)


class Pair:
    """Our client and our server, back to back."""

    def __init__(self, server: SmtpDriver, client: ClientCore | None = None) -> None:
        self.server = server
        self.client = client or ClientCore("c.example", lmtp=server.core.config.service == "lmtp")
        self.client.receive(server.core.greeting())
        self.flights: list[bytes] = []

    def next(self) -> Event:
        while True:
            event = self.client.next_event()
            if event is not None:
                return event
            flight = b""
            while octets := self.client.to_send():
                flight += octets
            assert flight, "both sides wait"
            self.flights.append(flight)
            self.client.receive(self.server.feed(flight))

    def send(self, transaction: Transaction) -> TransactionResult:
        self.client.send(transaction)
        done = self.next()
        assert isinstance(done, TransactionDone)
        return done.result


class Script:
    """A server that answers each line (or the message) with what stands next in its script."""

    def __init__(self, client: ClientCore, *answers: bytes) -> None:
        self.client = client
        self.answers = list(answers)
        self.sent = b""

    def next(self) -> Event:
        while True:
            event = self.client.next_event()
            if event is not None:
                return event
            while octets := self.client.to_send():
                self.sent += octets
            assert self.answers, "the script is over"
            self.client.receive(self.answers.pop(0))


PLAIN_SERVER = (b"220 old\r\n", b"250-old\r\n250 8BITMIME\r\n")
PIPELINING = (b"220 new\r\n", b"250-new\r\n250-PIPELINING\r\n250 SIZE 1000\r\n")


def ready(*answers: bytes, hello: tuple[bytes, ...] = PLAIN_SERVER, policy: SendPolicy | None = None) -> Script:
    script = Script(ClientCore("c.example", policy=policy), *hello, *answers)
    assert isinstance(script.next(), Ready)
    return script


def done(script: Script, transaction: Transaction) -> TransactionResult:
    script.client.send(transaction)
    event = script.next()
    assert isinstance(event, TransactionDone)
    return event.result


def test_a_pipelined_transaction_is_two_flights_and_the_connection_is_used_again() -> None:
    pair = Pair(SmtpDriver())
    hello = pair.next()
    assert isinstance(hello, Ready)
    assert hello.extensions["SIZE"] == "31457280"
    for count in (1, 2):
        result = pair.send(to("c@d.example", "e@d.example"))
        assert result.delivered(0) and result.delivered(1)
        assert len(pair.flights) == 1 + 2 * count
    assert pair.server.messages == [CONTENT, CONTENT]
    pair.client.quit()
    assert isinstance(pair.next(), Closed)
    assert pair.client.closed and pair.server.core.closed


def test_refused_recipients_are_told_apart() -> None:
    pair = Pair(SmtpDriver(policy=refusing("no@d.example")))
    pair.next()
    result = pair.send(to("c@d.example", "no@d.example"))
    assert result.delivered(0) and not result.delivered(1)
    refusal = result.reply_for(1)
    assert refusal is not None and str(refusal) == "550 5.1.1 No such user"


def test_when_all_recipients_are_refused_the_next_transaction_begins_with_rset() -> None:
    pair = Pair(SmtpDriver(policy=refusing("no@d.example")))
    pair.next()
    result = pair.send(to("no@d.example"))
    assert not result.data_replies
    assert pair.server.messages == []
    assert pair.send(to("c@d.example")).delivered(0)
    assert any(isinstance(event, ev.Rset) for event in pair.server.events)


def test_more_recipients_than_fit_in_one_flight() -> None:
    pair = Pair(SmtpDriver())
    pair.next()
    result = pair.send(to(*(f"u{number}@d.example" for number in range(250))))
    assert all(result.delivered(number) for number in range(250))
    assert max(flight.count(b"\r\n") for flight in pair.flights[:-1]) <= 100


def test_lmtp_has_a_verdict_for_each_recipient() -> None:
    def policy(core: ServerCore, event: ev.Event) -> bytes | None:
        if isinstance(event, ev.RcptTo) and event.recipient.address.local == "no":
            return core.reply(Reply(550, "5.1.1", "No"))
        if isinstance(event, ev.MessageComplete):
            return core.reply_each([Reply(250, "2.0.0", "OK"), Reply(452, "4.2.2", "Full")])
        return None

    pair = Pair(SmtpDriver(ServerConfig("store.example", service="lmtp"), policy))
    pair.next()
    result = pair.send(to("1@d.example", "no@d.example", "2@d.example"))
    codes = [reply.code for reply in map(result.reply_for, range(3)) if reply is not None]
    assert codes == [250, 550, 452]


def test_binary_content_goes_by_bdat() -> None:
    pair = Pair(SmtpDriver())
    pair.next()
    content = b"Subject: x\r\n\r\na\nb\0\r\n.\r\n"
    transaction = Transaction(Sender(None, body="BINARYMIME"), [Recipient(Address.parse("c@d.example"))], content)
    assert pair.send(transaction).delivered(0)
    assert pair.server.messages == [content]
    assert b"BODY=BINARYMIME" in pair.flights[1]


def test_chunking_for_every_message_when_set_so() -> None:
    pair = Pair(SmtpDriver(), ClientCore("c.example", policy=SendPolicy(chunking_always=True)))
    pair.next()
    content = b"x" * 100 + b"\r\n" + b"y" * 600_000
    pair = Pair(SmtpDriver(ServerConfig("mx", max_text_line=1 << 20)), ClientCore("c", policy=SendPolicy(chunking_always=True)))
    pair.next()
    assert pair.send(to("c@d.example", content=content)).delivered(0)
    assert pair.server.messages == [content]


def test_chunking_with_no_recipient_left_sends_no_content() -> None:
    driver = SmtpDriver(policy=refusing("no@d.example"))
    pair = Pair(driver, ClientCore("c.example", policy=SendPolicy(chunking_always=True)))
    pair.next()
    assert not pair.send(to("no@d.example")).data_replies
    assert not any(b"BDAT" in flight for flight in pair.flights)


def test_bare_newlines_never_go_out_by_data() -> None:
    pair = Pair(SmtpDriver(ServerConfig("mx.example", chunking=False)))
    pair.next()
    assert pair.send(to("c@d.example", content=b"a\n.\nb\rc")).delivered(0)
    assert pair.server.messages == [b"a\r\n.\r\nb\r\nc\r\n"]


def test_large_content_comes_out_in_pieces() -> None:
    script = ready(b"250 OK\r\n", b"250 OK\r\n", b"354 go\r\n", b"250 OK\r\n")
    script.client.send(to("c@d.example", content=b"x" * 76 + b"\r\n" + b"y" * 1_000_000 + b"\r\n"))
    sizes = []
    while (event := script.client.next_event()) is None:
        while octets := script.client.to_send():
            sizes.append(len(octets))
        script.client.receive(script.answers.pop(0))
    assert isinstance(event, TransactionDone)
    assert max(sizes) <= 1 << 18
    assert sum(sizes) > 1_000_000


def test_everything_that_the_server_offers_is_said() -> None:
    pair = Pair(SmtpDriver(ServerConfig("mx.example", requiretls=True)))
    pair.next()
    sender = Sender(Address.parse("\xfc@b.example"), smtputf8=True, require_tls=True, ret="FULL", envid="a b", body="8BITMIME")
    recipient = Recipient(Address.parse("c@d.example"), frozenset({"FAILURE", "DELAY"}), "rfc822;c+x@d.example")
    assert pair.send(Transaction(sender, [recipient], "Subject: \xfc\r\n\r\n".encode())).delivered(0)
    mail, rcpt = pair.server.events[1:3]
    assert isinstance(mail, ev.MailFrom) and isinstance(rcpt, ev.RcptTo)
    assert mail.sender.smtputf8 and mail.sender.require_tls and mail.sender.size_bytes == 15
    assert (mail.sender.ret, mail.sender.envid, mail.sender.body) == ("FULL", "a b", "8BITMIME")
    assert rcpt.recipient == recipient


def test_nothing_is_said_that_was_not_offered() -> None:
    script = ready(b"250 OK\r\n", b"250 OK\r\n", b"354 go\r\n", b"250 OK\r\n", hello=(b"220 old\r\n", b"250 old\r\n"))
    sender = Sender(Address.parse("a@b.example"), smtputf8=True, ret="FULL", envid="x", body="8BITMIME")
    recipient = Recipient(Address.parse("c@d.example"), frozenset({"FAILURE"}), "rfc822;c@d.example")
    assert done(script, Transaction(sender, [recipient], b"Subject: x\r\n\r\n\xfc\r\n")).delivered(0)
    assert b"MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n" in script.sent


@pytest.mark.parametrize(
    ("transaction", "enhanced"),
    [
        (to("c@d.example", sender="\xfc@b.example"), "5.6.7"),
        (to("\xfc@d.example"), "5.6.7"),
        (Transaction(Sender(None, require_tls=True), [Recipient(Address.parse("c@d.example"))], b""), "5.7.30"),
        (Transaction(Sender(None, smtputf8=True), [Recipient(Address.parse("c@d.example"))], b"S: \xc3\xbc\r\n\r\n"), "5.6.7"),
        (Transaction(Sender(None, body="BINARYMIME"), [Recipient(Address.parse("c@d.example"))], b"a\nb"), "5.6.3"),
        (to("c@d.example", content=b"\r\n\r\n\xfc\r\n"), "5.6.3"),
        (to("c@d.example", content=b"x" * 1001), "5.3.4"),
    ],
)
def test_what_this_server_cannot_be_given_is_told_before_anything_is_sent(transaction: Transaction, enhanced: str) -> None:
    script = ready(hello=PIPELINING, policy=SendPolicy(eight_bit_anyway=False))
    sent = script.sent
    with pytest.raises(CannotSend) as caught:
        script.client.send(transaction)
    assert caught.value.enhanced == enhanced
    assert caught.value.reply().permanent
    assert script.client.to_send() == b"" and script.sent == sent
    assert script.client.idle


def test_only_the_recipient_that_needs_smtputf8_is_left_out() -> None:
    script = ready(b"250 OK\r\n", b"250 OK\r\n", b"354 go\r\n", b"250 OK\r\n")
    result = done(script, to("c@d.example", "\xfc@d.example"))
    assert result.delivered(0) and not result.delivered(1)
    reply = result.reply_for(1)
    assert reply is not None and reply.enhanced == "5.6.7"


def test_helo_when_ehlo_is_refused() -> None:
    script = Script(ClientCore("c.example"), b"220 old\r\n", b"502 what?\r\n", b"250 old\r\n")
    event = script.next()
    assert isinstance(event, Ready) and event.extensions == {}
    assert script.sent == b"EHLO c.example\r\nHELO c.example\r\n"


@pytest.mark.parametrize(
    ("answers", "stage"),
    [
        ((b"554 go away\r\n",), "greeting"),
        ((b"421 busy\r\n",), "greeting"),
        ((b"220 x\r\n", b"451 not now\r\n"), "hello"),
        ((b"220 x\r\n", b"500 no\r\n", b"550 no\r\n"), "hello"),
        ((b"220 x\r\n", b"421 busy\r\n"), "hello"),
    ],
)
def test_a_server_that_does_not_want_us(answers: tuple[bytes, ...], stage: str) -> None:
    script = Script(ClientCore("c.example"), *answers)
    event = script.next()
    assert isinstance(event, Refused) and event.stage == stage
    assert script.client.closed and not script.client.idle


def test_lmtp_has_no_helo_to_fall_back_on() -> None:
    script = Script(ClientCore("c.example", lmtp=True), b"220 x\r\n", b"500 no\r\n")
    assert isinstance(script.next(), Refused)
    assert script.sent == b"LHLO c.example\r\n"


def test_without_pipelining_one_command_is_under_way_at_a_time() -> None:
    script = ready(b"250 OK\r\n", b"550 no\r\n", b"451 later\r\n")
    result = done(script, to("c@d.example", "e@d.example"))
    assert b"DATA" not in script.sent
    assert [reply.code for reply in map(result.reply_for, range(2)) if reply] == [550, 451]


def test_a_refused_sender_ends_the_transaction_at_once() -> None:
    script = ready(b"550 5.7.1 no\r\n")
    result = done(script, to("c@d.example"))
    reply = result.reply_for(0)
    assert reply is not None and reply.enhanced == "5.7.1"
    assert b"RCPT" not in script.sent
    assert script.client.idle


def test_a_refused_data_is_every_recipients_reply() -> None:
    script = ready(b"250 OK\r\n", b"250 OK\r\n", b"452 4.3.1 full\r\n", b"250 OK\r\n", b"550 no\r\n")
    reply = done(script, to("c@d.example")).reply_for(0)
    assert reply is not None and reply.enhanced == "4.3.1"
    done(script, to("c@d.example"))
    assert b"RSET\r\nMAIL" in script.sent


def test_a_server_that_wants_data_for_nobody_gets_an_empty_message() -> None:
    script = ready(b"250 OK\r\n550 no\r\n354 go\r\n", b"554 no recipients\r\n", hello=PIPELINING)
    result = done(script, to("c@d.example"))
    assert script.sent.endswith(b"DATA\r\n.\r\n")
    assert not result.data_replies
    reply = result.reply_for(0)
    assert reply is not None and reply.code == 550


def test_421_in_the_middle_ends_the_transaction_with_what_is_known() -> None:
    script = ready(b"250 OK\r\n250 OK\r\n421 4.3.2 bye\r\n", hello=PIPELINING)
    result = done(script, to("c@d.example", "e@d.example"))
    assert script.client.closed
    replies = [result.reply_for(index) for index in range(2)]
    assert replies[0] is None
    assert replies[1] is not None and replies[1].code == 421


def test_421_while_idle_closes() -> None:
    script = ready(b"421 timeout\r\n")
    event = script.next()
    assert isinstance(event, Closed) and event.reply.code == 421
    assert script.client.next_event() is None


def test_when_the_connection_is_lost_the_partial_result_tells_what_is_known() -> None:
    script = ready(b"250 OK\r\n", b"250 OK\r\n", b"354 go\r\n")
    script.client.send(to("c@d.example"))
    with pytest.raises(AssertionError):
        script.next()
    assert script.client.awaiting_verdict
    partial = script.client.partial_result()
    assert partial.recipients[0].positive and partial.reply_for(0) is None


@pytest.mark.parametrize("answer", [b"250 too early\r\n", b"hello\r\n", b"250 OK\r\n" * 9, b"354 go\r\n354 again\r\n"])
def test_nonsense_from_the_server_is_a_typed_error(answer: bytes) -> None:
    script = ready(b"250 OK\r\n", b"250 OK\r\n", answer)
    script.client.send(to("c@d.example"))
    with pytest.raises(BadReply):
        script.next()


def test_a_reply_that_nothing_asked_for_is_an_error() -> None:
    script = ready(b"250 surprise\r\n")
    with pytest.raises(BadReply):
        script.next()


def test_starttls_forgets_the_first_hello() -> None:
    driver = SmtpDriver(ServerConfig("mx.example", starttls=True))
    pair = Pair(driver)
    first = pair.next()
    assert isinstance(first, Ready) and "STARTTLS" in first.extensions
    pair.client.start_tls()
    assert isinstance(pair.next(), TlsReady)
    assert pair.client.next_event() is None
    pair.client.tls_started()
    second = pair.next()
    assert isinstance(second, Ready) and "STARTTLS" not in second.extensions


def test_replies_injected_before_the_handshake_are_an_error() -> None:
    for look in (True, False):
        script = ready(b"220 go\r\n250 injected\r\n", hello=(b"220 x\r\n", b"250-x\r\n250 STARTTLS\r\n"))
        script.client.start_tls()
        assert isinstance(script.next(), TlsReady)
        with pytest.raises(BadReply):
            if look:
                script.client.next_event()
            else:
                script.client.tls_started()


def test_a_refused_starttls_leaves_the_connection_usable() -> None:
    script = ready(b"454 4.7.0 not now\r\n", hello=(b"220 x\r\n", b"250-x\r\n250 STARTTLS\r\n"))
    script.client.start_tls()
    event = script.next()
    assert isinstance(event, Refused) and event.stage == "starttls"
    assert script.client.idle


MACHINES: list[Callable[[], SaslClient]] = [lambda: PlainClient("jane", "secret"), lambda: LoginClient("jane", "secret")]


@pytest.mark.parametrize("make", MACHINES)
def test_auth(make: Callable[[], SaslClient]) -> None:
    machine = make()
    answers = (b"334 VXNlcm5hbWU6\r\n", b"334 UGFzc3dvcmQ6\r\n") if machine.name == "LOGIN" else ()
    script = ready(*answers, b"235 2.7.0 welcome\r\n", hello=(b"220 x\r\n", b"250-x\r\n250 AUTH=LOGIN PLAIN\r\n"))
    assert script.client.mechanisms == ("LOGIN", "PLAIN")
    script.client.authenticate(machine)
    assert isinstance(script.next(), Authenticated)
    assert b"AUTH " + machine.name.encode() in script.sent


def test_a_server_that_cannot_prove_itself_is_not_believed() -> None:
    script = ready(b"235 sure\r\n")
    script.client.authenticate(ScramClient("jane", "secret"))
    with pytest.raises(BadReply):
        script.next()


def test_an_exchange_that_goes_wrong_is_cancelled() -> None:
    script = ready(b"334 cj1ub3RtaW5l\r\n", b"501 cancelled\r\n")
    script.client.authenticate(ScramClient("jane", "secret"))
    event = script.next()
    assert isinstance(event, Refused) and event.stage == "auth"
    assert script.sent.endswith(b"\r\n*\r\n")
    assert script.client.idle


def test_one_thing_at_a_time() -> None:
    script = ready()
    script.client.quit()
    for start in (script.client.quit, script.client.start_tls, lambda: script.client.send(to("c@d.example"))):
        with pytest.raises(LocalProtocolError):
            start()
    with pytest.raises(LocalProtocolError):
        script.client.tls_started()
