"""HOLDFOR, HOLDUNTIL, BY and MT-PRIORITY: read strictly, only where they are on offer, and told to hosts that know them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posthouse.model.address import Address
from posthouse.model.envelope import DeliverBy, Recipient, Sender
from posthouse.protocols.smtp import events as ev
from posthouse.protocols.smtp.config import ServerConfig
from posthouse.protocols.smtp.transaction import CannotSend, SendPolicy, Transaction, prepare
from posthouse.protocols.smtp.wishes import FutureRelease
from support.smtp_dialogue import SmtpDriver, run_script

UNTIL = datetime(2026, 12, 24, 12, 0, tzinfo=UTC).timestamp()
LIMITS = FutureRelease(86_400, UNTIL)
CONFIG = ServerConfig("mx.example", service="submission", limits=False, max_errors=1000)


def driver(**offers: object) -> SmtpDriver:
    driver = SmtpDriver(CONFIG)
    driver.core.offer(**{"wishes": True, "future_release": LIMITS, **offers})  # type: ignore[arg-type]
    driver.feed(b"EHLO c.example\r\n")
    return driver


def mail(parameters: str, **offers: object) -> tuple[bytes, Sender | None]:
    """The answer to MAIL with these parameters, and the sender that was read."""
    client = driver(**offers)
    answer = client.feed(f"MAIL FROM:<a@b.example> {parameters}\r\n".encode())
    found = client.events[-1]
    return answer[:9], found.sender if isinstance(found, ev.MailFrom) else None


def test_each_is_announced_where_it_is_on_offer_and_only_there() -> None:
    client = SmtpDriver(CONFIG)
    assert not {b"DELIVERBY", b"MT-PRIORITY", b"FUTURERELEASE"} & set(client.feed(b"EHLO c\r\n").split())
    client.core.offer(wishes=True, future_release=LIMITS)
    lines = client.feed(b"EHLO c\r\n").decode().split("\r\n")
    assert "250-DELIVERBY" in lines
    assert "250-MT-PRIORITY" in lines
    assert "250 FUTURERELEASE 86400 2026-12-24T12:00:00Z" in lines


@pytest.mark.parametrize("word", ["HOLDFOR=60", "HOLDUNTIL=2026-12-01T00:00:00Z", "BY=60;R", "MT-PRIORITY=1"])
def test_what_is_not_on_offer_is_refused(word: str) -> None:
    assert mail(word, wishes=False, future_release=None) == (b"555 5.5.4", None)


@pytest.mark.parametrize(
    ("word", "wanted"),
    [
        ("HOLDFOR=60", {"hold_for_s": 60}),
        ("holdfor=86400", {"hold_for_s": 86_400}),
        ("HOLDUNTIL=2026-12-01T01:00:00+01:00", {"hold_until": datetime(2026, 12, 1, tzinfo=UTC).timestamp()}),
        ("HOLDUNTIL=2026-12-01t00:00:00.123456789z", {"hold_until": datetime(2026, 12, 1, 0, 0, 0, 123456, UTC).timestamp()}),
        ("HOLDUNTIL=1969-12-01T00:00:00Z", {"hold_until": 1.0}),
        ("BY=120;R", {"by": DeliverBy(120, returns=True)}),
        ("BY=-120;nt", {"by": DeliverBy(-120, returns=False, trace=True)}),
        ("BY=0;N", {"by": DeliverBy(0, returns=False)}),
        ("MT-PRIORITY=9", {"priority": 9}),
        ("MT-PRIORITY=-9", {"priority": -9}),
        ("MT-PRIORITY=0", {}),
        ("HOLDFOR=5 BY=9;NT MT-PRIORITY=3", {"hold_for_s": 5, "by": DeliverBy(9, returns=False, trace=True), "priority": 3}),
    ],
)
def test_what_is_well_formed_is_understood(word: str, wanted: dict[str, object]) -> None:
    assert mail(word) == (b"250 2.1.0", Sender(Address.parse("a@b.example"), **wanted))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "word",
    [
        "HOLDFOR", "HOLDFOR=0", "HOLDFOR=-1", "HOLDFOR=1.5", "HOLDFOR=86401", "HOLDFOR=9999999999", "HOLDFOR=٣",
        "HOLDUNTIL", "HOLDUNTIL=2026-12-24T12:00:01Z", "HOLDUNTIL=2026-12-01", "HOLDUNTIL=2026-13-01T00:00:00Z",
        "HOLDUNTIL=2026-12-01T00:00:00", "HOLDUNTIL=20261201T000000Z", "HOLDUNTIL=tomorrow",
        "HOLDFOR=5 HOLDUNTIL=2026-12-01T00:00:00Z", "HOLDUNTIL=2026-12-01T00:00:00Z HOLDFOR=5", "HOLDFOR=5 HOLDFOR=5",
        "BY", "BY=60", "BY=60;", "BY=60;X", "BY=0;R", "BY=-5;R", "BY=5;NX", "BY=1234567890;N", "BY=;N", "BY=+5;N", "BY=5;TN",
        "MT-PRIORITY", "MT-PRIORITY=10", "MT-PRIORITY=-10", "MT-PRIORITY=+1", "MT-PRIORITY=x", "MT-PRIORITY=-0",
    ],
)  # fmt: skip
def test_what_is_malformed_or_too_much_is_refused(word: str) -> None:
    answer, sender = mail(word + " SMTPUTF8" if not word.isascii() else word)
    assert (answer, sender) == (b"501 5.5.4", None)


@settings(deadline=None)
@given(
    st.text(st.sampled_from("0123456789-+:;.TZNRtznr=x"), max_size=40)
    | st.datetimes().map(lambda at: at.isoformat() + "+23:59"),
    st.sampled_from(["HOLDFOR", "HOLDUNTIL", "BY", "MT-PRIORITY"]),
)
def test_fuzz_any_value_is_taken_within_bounds_or_refused(value: str, name: str) -> None:
    answer, sender = mail(f"{name}={value}")
    assert answer[:3] in (b"250", b"501")
    if sender is not None:
        assert sender.hold_for_s <= LIMITS.max_s
        assert sender.hold_until <= LIMITS.until
        assert -9 <= sender.priority <= 9
        assert sender.by is None or not (sender.by.returns and sender.by.by_s < 1)


def said(sender: Sender, extensions: dict[str, str], *notify: str) -> tuple[str, str]:
    """MAIL and RCPT as a host with these extensions hears them."""
    recipient = Recipient(Address.parse("x@far.test"), frozenset(notify))  # type: ignore[arg-type]
    prepared = prepare(Transaction(sender, [recipient], b"Subject: x\r\n\r\nx\r\n"), extensions, SendPolicy())
    assert prepared.rcpt[0] is not None
    return prepared.mail.decode().rstrip(), prepared.rcpt[0].decode().rstrip()


def by(by_s: int, *, returns: bool = False) -> Sender:
    return Sender(Address.parse("a@b.test"), by=DeliverBy(by_s, returns), priority=4, hold_until=5.0)


def test_the_next_host_hears_what_it_knows_and_never_of_the_hold() -> None:
    everything = {"DELIVERBY": "", "MT-PRIORITY": "", "FUTURERELEASE": "86400 2026-12-24T12:00:00Z"}
    assert said(by(60), everything)[0] == "MAIL FROM:<a@b.test> BY=60;N MT-PRIORITY=4"
    assert said(by(-60), everything)[0] == "MAIL FROM:<a@b.test> BY=-60;N MT-PRIORITY=4"
    assert said(by(60), {})[0] == "MAIL FROM:<a@b.test>"


@pytest.mark.parametrize(("extensions", "enough"), [({}, False), ({"DELIVERBY": "240"}, False), ({"DELIVERBY": "60"}, True)])
def test_mail_that_must_come_back_in_time_goes_only_to_who_undertakes_to_deliver_in_it(
    extensions: dict[str, str], *, enough: bool
) -> None:
    if enough:
        assert "BY=60;R" in said(by(60, returns=True), extensions)[0]
        return
    with pytest.raises(CannotSend) as refused:
        said(by(60, returns=True), extensions)
    assert (refused.value.code, refused.value.enhanced) == (554, "5.4.7")


@pytest.mark.parametrize(
    ("asked", "told"),
    [((), " NOTIFY=DELAY,FAILURE"), (("SUCCESS",), " NOTIFY=DELAY,SUCCESS"), (("NEVER",), " NOTIFY=NEVER")],
)
def test_a_host_that_knows_no_deadlines_is_asked_for_notices_of_delay(asked: tuple[str, ...], told: str) -> None:
    assert said(by(60), {"DSN": ""}, *asked)[1] == "RCPT TO:<x@far.test>" + told
    assert "DELAY" not in said(by(60), {"DSN": "", "DELIVERBY": ""}, *asked)[1]


def burl(core_offers: tuple[str, ...] = ("imap",)) -> SmtpDriver:
    return driver(burl=core_offers)


def test_burl_pieces_and_chunks_make_one_message() -> None:
    client = burl()
    assert b"250 BURL imap" in client.feed(b"EHLO c\r\n")
    client.feed(b"MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\n")
    client.policy = lambda core, event: _resolve(core, event, b"Subject: x\r\n\r\n")
    assert client.feed(b"BURL imap://mx.example/INBOX;UID=1\r\n")[:9] == b"250 2.0.0"
    assert client.feed(b"BDAT 7\r\nhello\r\n")[:9] == b"250 2.0.0"
    client.policy = lambda core, event: _resolve(core, event, b"bye\r\n")
    assert client.feed(b"BURL imap://mx.example/INBOX;UID=2 LAST\r\nNOOP\r\n").startswith(b"250 2.6.0")
    assert client.messages == [b"Subject: x\r\n\r\nhello\r\nbye\r\n"]


def _resolve(core: object, event: ev.Event, octets: bytes) -> bytes | None:
    from posthouse.protocols.smtp.server import ServerCore

    assert isinstance(core, ServerCore)
    if not isinstance(event, ev.Burl):
        return None
    core.resolved(octets)
    return b""


def test_burl_has_its_place_and_its_syntax() -> None:
    run_script(
        burl().feed,
        """
        C: BURL imap://mx.example/INBOX;UID=1 LAST
        S: 503 5.5.1
        C: MAIL FROM:<a@b.example>
        S: 250
        C: BURL imap://mx.example/INBOX;UID=1 LAST
        S: 503 5.5.1
        C: RCPT TO:<c@d.example>
        S: 250
        C: BURL
        S: 501 5.5.4
        C: BURL imap://mx.example/INBOX;UID=1 FIRST
        S: 501 5.5.4
        C: BURL http://mx.example/ LAST
        S: 554 5.5.4
        C: RSET
        S: 250
        """,
    )
    run_script(driver().feed, "C: BURL imap://mx.example/INBOX;UID=1 LAST\nS: 502 5.5.1")


def test_a_url_that_leads_nowhere_or_to_too_much_ends_the_transaction() -> None:
    from posthouse.model.verdict import Reply

    client = burl()
    client.feed(b"MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\n")
    client.policy = lambda core, event: core.reply(Reply(554, "5.6.6", "no")) if isinstance(event, ev.Burl) else None
    assert client.feed(b"BURL imap://mx.example/INBOX;UID=1\r\n").startswith(b"554 5.6.6")
    assert client.feed(b"BDAT 1 LAST\r\nx").startswith(b"503")
    client.feed(b"RSET\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\n")
    client.policy = lambda core, event: _resolve(core, event, b"x" * (CONFIG.max_message_bytes + 1))
    assert client.feed(b"BURL imap://mx.example/INBOX;UID=1 LAST\r\n").startswith(b"552 5.3.4")
    assert client.messages == []
