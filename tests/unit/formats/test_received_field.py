"""The Received field that is put in front."""

from __future__ import annotations

import pytest

from posthouse.formats import received
from posthouse.formats.mime import index
from posthouse.model.address import Address
from posthouse.model.envelope import Recipient
from posthouse.model.session import Session, TlsFacts

AT = 1_795_492_740.0


def session(**changes: object) -> Session:
    values: dict[str, object] = {
        "service": "smtp",
        "client_address": "192.0.2.7",
        "client_port": 1,
        "server_address": "192.0.2.1",
        "server_port": 25,
        "connected_at": AT,
        "helo": "client.example.org",
        "esmtp": True,
    }
    return Session(**(values | changes))  # type: ignore[arg-type]


def rendered(of: Session, *recipients: str, smtputf8: bool = False) -> str:
    people = [Recipient(Address.parse(each)) for each in recipients]
    return received.render(of, by="mx.example.com", trace_id="01ABC", recipients=people, at=AT, smtputf8=smtputf8).decode()


def test_all_clauses_folded() -> None:
    of = session(host="mail.example.org", tls=TlsFacts("TLSv1.3", "TLS_AES_256_GCM_SHA384"))
    assert rendered(of, "jane@example.com") == (
        "Received: from client.example.org (mail.example.org [192.0.2.7])\r\n"
        "\tby mx.example.com with ESMTPS (TLSv1.3 TLS_AES_256_GCM_SHA384) id 01ABC\r\n"
        "\tfor <jane@example.com>; Tue, 24 Nov 2026 03:59:00 +0000\r\n"
    )


def test_several_recipients_are_not_named() -> None:
    text = rendered(session(), "jane@example.com", "joe@example.com")
    assert "jane" not in text
    assert "id 01ABC; Tue" in text.replace("\r\n\t", " ")


@pytest.mark.parametrize(
    ("changes", "smtputf8", "word"),
    [
        ({"esmtp": False}, False, "SMTP"),
        ({}, False, "ESMTP"),
        ({"account": "a@b.example", "tls": TlsFacts("TLSv1.3", "X")}, False, "ESMTPSA"),
        ({"service": "lmtp"}, False, "LMTP"),
        ({}, True, "UTF8SMTP"),
        ({"service": "lmtp"}, True, "UTF8LMTP"),
    ],
)
def test_protocol_words(changes: dict[str, object], word: str, *, smtputf8: bool) -> None:
    assert f"with {word} " in rendered(session(**changes), smtputf8=smtputf8).replace("\r\n\t", " ")


def test_a_hostile_helo_cannot_break_the_field() -> None:
    text = rendered(session(helo="x)\r\nSubject: y ;("), "jane@example.com")
    assert text.startswith("Received: from x???Subject:?y???")
    assert [field.name for field in index(text.encode()).headers] == ["received"]


def test_ipv6_and_no_helo() -> None:
    assert "from unknown ([IPv6:2001:db8::1])" in rendered(session(helo="", client_address="2001:db8::1"))


def test_lines_stay_within_78_characters() -> None:
    text = rendered(session(host="mail.example.org", tls=TlsFacts("TLSv1.2", "ECDHE-RSA-AES256-GCM-SHA384")), "j@example.com")
    assert max(map(len, text.split("\r\n"))) <= 78
