"""Signatures of alike and of different messages, and what bulk comes to (CON-9)."""

from __future__ import annotations

import base64
import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.backends.memory.bulk import MemoryBulk
from posthouse.base.clock import ManualClock
from posthouse.content.bulk.fingerprint import SKETCH, signatures_of
from posthouse.content.bulk.scorer import ALIKE, BulkScorer, client_bit
from posthouse.formats.mime import summarise
from posthouse.model.bulk import CLIENT_BITS, Seen, Signatures
from posthouse.model.mail_authentication import AuthReport, DkimResult, DmarcResult
from posthouse.model.settings import AntispamSettings
from posthouse.model.spam import ScoredMail, SpamReport

WORDS = [f"{first}{second}" for first in ("ab", "cor", "den", "fil", "gam", "hul", "ip") for second in
         ("al", "bert", "cas", "dol", "em", "fer", "gun", "hor", "in", "jol", "kem", "lun")]  # fmt: skip
LIST = "List-Id: Devs <dev.lists.test>\r\n"


def text_of(seed: int, words: int = 120) -> str:
    chosen = random.Random(seed)
    return " ".join(chosen.choice(WORDS) for _ in range(words))


def message(body: str, *, subtype: str = "plain", header: str = "From: a@b.test\r\n", more: str = "") -> bytes:
    return f"{header}MIME-Version: 1.0\r\nContent-Type: text/{subtype}; charset=utf-8\r\n{more}\r\n{body}\r\n".encode()


def signatures(content: bytes) -> Signatures:
    return signatures_of(content, summarise(content))


def common(one: str, other: str) -> int:
    return len(set(signatures(message(one)).text) & set(signatures(message(other)).text))


# --- fingerprints


def test_what_senders_vary_makes_no_difference() -> None:
    base = text_of(1)
    varied = base.replace(" ", "  ", 20).upper() + " Order 4711 for jane@example.test see https://shop.test/x?u=123"
    other = base + " Order 99 for omar@example.test see https://shop.test/y?u=77"
    assert common(varied, other) == SKETCH


def test_a_tenth_of_the_words_changed_is_the_same_text() -> None:
    chosen = random.Random(3)
    alike = []
    for seed in range(20):
        words = text_of(seed, 200).split()
        changed = [
            f"new{chosen.choice('abcdefgh')}{chosen.choice('klmnop')}" if chosen.random() < 0.04 else word for word in words
        ]
        alike.append(common(" ".join(words), " ".join(changed)))
    assert sum(count >= ALIKE for count in alike) >= 18


def test_different_texts_have_nothing_in_common() -> None:
    assert max(common(text_of(2 * seed, 300), text_of(2 * seed + 1, 300)) for seed in range(50)) < ALIKE // 2


def test_html_and_plain_text_are_the_same_text() -> None:
    body = text_of(5)
    html = "<html><body><p>" + body.replace(" ", " <b>", 3).replace("<b>", "<b></b>") + "</p></body></html>"
    one, other = signatures(message(body)), signatures(message(html, subtype="html"))
    assert len(set(one.text) & set(other.text)) == SKETCH


def test_short_texts_have_no_signature() -> None:
    assert signatures(message("Hi, see you tomorrow. Lena")).keys == ()
    assert signatures(message("same words " * 500)).text == ()


def test_the_same_file_is_known_whatever_is_around_it() -> None:
    octets = base64.encodebytes(random.Random(1).randbytes(3000)).decode().replace("\n", "\r\n")

    def with_file(boundary: str, name: str) -> bytes:
        return (
            f"From: a@b.test\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary={boundary}\r\n\r\n"
            f"--{boundary}\r\n\r\nHi\r\n--{boundary}\r\nContent-Type: application/pdf; name={name}\r\n"
            f"Content-Transfer-Encoding: base64\r\n\r\n{octets}\r\n--{boundary}--\r\n"
        ).encode()

    one, other = signatures(with_file("x", "a.pdf")), signatures(with_file("yy", "b.pdf"))
    assert one.files == other.files
    assert len(one.files) == 1


def test_the_structure_of_markup_is_a_signature() -> None:
    def page(words: str) -> bytes:
        rows = "".join(f"<tr><td class=x>{word}</td><th>{word}</th></tr><br><img src=a>" for word in words.split())
        return message(f"<html><body><table>{rows}</table></body></html>", subtype="html")

    assert signatures(page("a b c d")).markup == signatures(page("q r s t")).markup != 0
    assert signatures(message("<html><b>Hi</b></html>", subtype="html")).markup == 0


@given(st.binary(max_size=2000))
def test_octets_of_any_kind(content: bytes) -> None:
    found = signatures(b"Content-Type: text/html\r\n\r\n" + content)
    assert all(0 < key < 1 << 63 for key in found.keys)


def test_a_large_message_takes_little_time() -> None:
    content = message(text_of(1, 200_000))
    summary = summarise(content)
    begun = time.process_time()
    signatures_of(content, summary)
    assert time.process_time() - begun < 0.5


# --- points


def mail(content: bytes, client: str, *, auth: AuthReport | None = None, recipients: int = 1) -> ScoredMail:
    names = tuple(f"u{number}@example.test" for number in range(recipients))
    return ScoredMail(content, summarise(content), "a@b.test", names, client, auth=auth)


class Site:
    """Two nodes that share a table."""

    def __init__(self, **settings: object) -> None:
        self.clock = ManualClock()
        self.table = MemoryBulk()
        chosen = AntispamSettings(**settings)  # type: ignore[arg-type]
        self.nodes = [BulkScorer(self.table, self.clock, lambda: chosen) for _ in range(2)]
        self.sent = 0

    async def send(self, content: bytes, client: str, *, auth: AuthReport | None = None, recipients: int = 1) -> SpamReport:
        self.sent += 1
        return await self.nodes[self.sent % 2].score(mail(content, client, auth=auth, recipients=recipients))

    async def flood(self, count: int, networks: int, *, auth: AuthReport | None = None, seed: int = 7) -> SpamReport:
        report = SpamReport("bulk", ())
        for number in range(count):
            body = text_of(seed, 150) + f" Dear user{number} code {number}"
            report = await self.send(message(body), f"198.51.{number % networks}.7", auth=auth)
        return report


def rules(report: SpamReport) -> dict[str, float]:
    return {hit.rule: hit.points for hit in report.hits}


async def test_the_same_text_from_many_places_to_many_people_is_bulk() -> None:
    site = Site()
    report = await site.flood(40, 30)
    assert rules(report)["BULK_TEXT"] == 40.0
    assert "for 39 from about" in report.hits[0].why


async def test_the_first_ones_of_a_wave_are_not() -> None:
    site = Site()
    assert rules(await site.flood(20, 20)) == {}


async def test_many_recipients_from_one_place_are_nearly_nothing() -> None:
    site = Site()
    report = await site.flood(60, 1)
    assert 0 < rules(report)["BULK_TEXT"] < 10


async def test_a_signed_newsletter_is_nearly_nothing_even_from_many_places() -> None:
    site = Site()
    signed = AuthReport(dmarc=DmarcResult("pass", "news.test", policy_domain="news.test"))
    report = await site.flood(60, 30, auth=signed)
    assert 0 < rules(report)["BULK_TEXT"] <= 8


@pytest.mark.parametrize(
    ("known", "header", "auth", "is_known"),
    [
        ("news.test", "", AuthReport(dmarc=DmarcResult("pass", "mail.news.test")), True),
        ("news.test", "", AuthReport(dmarc=DmarcResult("fail", "news.test")), False),
        ("news.test", "", AuthReport(dkim=(DkimResult("pass", "news.test", "s"),)), True),
        ("news.test", "", AuthReport(dkim=(DkimResult("fail", "news.test", "s"),)), False),
        ("news.test", "", AuthReport(dkim=(DkimResult("pass", "badnews.test", "s"),)), False),
        (
            "dev.lists.test",
            "List-Id: Devs <dev.lists.test>\r\n",
            AuthReport(dkim=(DkimResult("pass", "lists.test", "s"),)),
            True,
        ),
        (
            "dev.lists.test",
            "List-Id: Devs <dev.lists.test>\r\n",
            AuthReport(dkim=(DkimResult("pass", "evil.test", "s"),)),
            False,
        ),
        ("dev.lists.test", "List-Id: <dev.lists.test>\r\n", None, False),
    ],
)
async def test_known_lists_and_newsletters_are_not_counted(
    known: str,
    header: str,
    auth: AuthReport | None,
    is_known: bool,  # noqa: FBT001 - a table
) -> None:
    site = Site(bulk_known=(known,))
    content = message(text_of(9, 150), header="From: a@news.test\r\n" + header)
    for number in range(40):
        report = await site.send(content, f"198.51.{number}.7", auth=auth)
    assert ("BULK_KNOWN" in rules(report)) is is_known
    assert (await site.table.seen(signatures(content).keys, 0) == {}) is is_known


async def test_what_users_call_spam_and_what_they_call_wanted() -> None:
    site = Site()
    content = message(text_of(11, 150))
    summary = summarise(content)
    expected = {1: 15.0, 2: 35.0, 3: 60.0, 4: 60.0}
    for account_id, points in expected.items():
        await site.nodes[0].reported(content, summary, account_id, True)
        assert rules(await site.send(content, "192.0.2.1"))["BULK_REPORTED"] == points
    for account_id in range(10, 14):
        await site.nodes[1].reported(content, summary, account_id, False)
    assert rules(await site.send(content, "192.0.2.1")) == {"BULK_WANTED": 0.0}


async def test_bulk_is_forgotten_when_the_window_is_over() -> None:
    site = Site()
    assert rules(await site.flood(40, 30)) != {}
    site.clock.advance(2 * 86_400)
    assert rules(await site.flood(1, 1)) == {}


async def test_an_attackers_noise_does_not_make_other_mail_bulk() -> None:
    site = Site()
    await site.flood(60, 30)
    innocent = message(text_of(1234, 150))
    assert rules(await site.send(innocent, "192.0.2.1")) == {}


def test_clients_are_told_apart_by_network() -> None:
    assert client_bit("192.0.2.1") == client_bit("192.0.2.250")
    assert client_bit("2001:db8::1") == client_bit("2001:db8::ffff:1")
    assert {client_bit(text) for text in ("", "x", "192.0.2.")} == {0}
    bits = {client_bit(f"10.{one}.{two}.1") for one in range(20) for two in range(20)}
    assert bits == set(range(CLIENT_BITS))


@pytest.mark.parametrize(("count", "low", "high"), [(1, 0.9, 1.5), (3, 2.5, 4), (10, 8, 13)])
def test_clients_are_counted_about_right(count: int, low: float, high: float) -> None:
    bits = 0
    for number in range(count):
        bits |= 1 << (number * 7 % CLIENT_BITS)
    assert low < Seen(clients=bits).client_count < high
