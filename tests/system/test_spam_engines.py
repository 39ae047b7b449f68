"""SpamAssassin and Rspamd for real: their points on our scale, in series, and what happens when one is killed (CON-8)."""

from __future__ import annotations

import asyncio
import email
from collections.abc import Iterator
from pathlib import Path

import pytest

from posthouse.backends.scanners.rspamd import RspamdScorer
from posthouse.backends.scanners.spamd import SpamdScorer
from posthouse.base.errors import Temporary
from posthouse.formats.mime import summarise
from posthouse.model.scanners import ScannerPlace
from posthouse.model.spam import ScoredMail
from support.node import Node, running, until
from support.spam_engines import GTUBE, Rspamd, Spamd

pytestmark = [pytest.mark.xdist_group("spam-engines"), pytest.mark.timeout(180)]

HAM = (
    b"Received: from mail.good.test ([192.0.2.9]) by mx.example.test; Tue, 24 Nov 2026 08:00:00 +0000\r\n"
    b"From: Lena <lena@good.test>\r\nTo: jane@example.test\r\nSubject: Minutes of Tuesday\r\n"
    b"Date: Tue, 24 Nov 2026 08:00:00 +0000\r\nMessage-ID: <20261124.1@good.test>\r\n\r\n"
    b"Dear Jane,\r\n\r\nhere are the minutes of our meeting. See you on Friday.\r\n\r\nLena\r\n"
)
SPAM = HAM.replace(b"Dear Jane", GTUBE + b"\r\nDear Jane")


def mail_of(content: bytes) -> ScoredMail:
    return ScoredMail(
        content, summarise(content), "lena@good.test", ("jane@example.test",), "192.0.2.9", "mail.good.test", "mail.good.test"
    )


@pytest.fixture(scope="module")
def spamd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Spamd]:
    with Spamd(tmp_path_factory.mktemp("spamd")) as engine:
        assert isinstance(engine, Spamd)
        yield engine


@pytest.fixture(scope="module")
def rspamd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rspamd]:
    with Rspamd(tmp_path_factory.mktemp("rspamd")) as engine:
        assert isinstance(engine, Rspamd)
        yield engine


def spamd_client(engine: Spamd, timeout_s: float = 20.0) -> SpamdScorer:
    return SpamdScorer(ScannerPlace.parse(engine.url), timeout_s=timeout_s, max_bytes=512 << 10)


def rspamd_client(engine: Rspamd, timeout_s: float = 20.0) -> RspamdScorer:
    return RspamdScorer(ScannerPlace.parse(engine.url), timeout_s=timeout_s, max_bytes=512 << 10)


@pytest.mark.spec_part("CON-8")
async def test_spamassassins_points_count_tenfold_rule_by_rule(spamd: Spamd) -> None:
    spam, ham = [await spamd_client(spamd).score(mail_of(content)) for content in (SPAM, HAM)]
    shares = {hit.rule: hit.points for hit in spam.hits}
    assert shares["GTUBE"] == 10_000
    assert spam.points >= 9_900
    assert ham.points < 50
    assert all(hit.why for hit in spam.hits)


async def test_spamd_on_a_unix_socket(tmp_path: Path) -> None:
    with Spamd(tmp_path, unix=True) as engine:
        assert isinstance(engine, Spamd)
        assert (await spamd_client(engine).score(mail_of(SPAM))).points > 9_000


async def test_octets_of_any_kind_are_no_error(spamd: Spamd, rspamd: Rspamd) -> None:
    for content in (b"", b"\0" * 100, b"\r\n\r\n", bytes(range(256)) * 50, b"From: a@b.test\r\n\r\n" + b"x" * 200_000):
        await spamd_client(spamd).score(mail_of(content))
        await rspamd_client(rspamd).score(mail_of(content or b" "))


@pytest.mark.spec_part("CON-8")
async def test_rspamds_symbols_count_on_our_scale(rspamd: Rspamd) -> None:
    spam, ham = [await rspamd_client(rspamd).score(mail_of(content)) for content in (SPAM, HAM)]
    assert spam.points == 125
    assert ham.points < 50
    poor = HAM.replace(b"Date: Tue, 24 Nov 2026 08:00:00 +0000\r\n", b"").replace(b"Minutes", b"$$$ viagra")
    report = await rspamd_client(rspamd).score(mail_of(poor))
    shares = {hit.rule: hit.points for hit in report.hits}
    assert shares["MISSING_DATE"] == pytest.approx(1.0 * 125 / 15, abs=0.01)


async def test_a_strangers_words_cannot_change_the_request(rspamd: Rspamd) -> None:
    evil = ScoredMail(SPAM, summarise(SPAM), "a@b.test\r\nSettings-ID: x", ("c@d.test\r\n\r\nGET / HTTP/1.1",), "192.0.2.9")
    assert (await rspamd_client(rspamd).score(evil)).points == 125


async def test_an_engine_that_dies_over_a_message_is_down_not_wrong(tmp_path: Path) -> None:
    with Spamd(tmp_path) as engine:
        assert isinstance(engine, Spamd)
        await spamd_client(engine).score(mail_of(HAM))
        engine.freeze()
        waiting = asyncio.create_task(spamd_client(engine).score(mail_of(HAM)))
        done, _ = await asyncio.wait([waiting], timeout=0.5)
        assert not done
        engine.kill()
        with pytest.raises(Temporary):
            await waiting
        with pytest.raises(Temporary):
            await spamd_client(engine).score(mail_of(HAM))


async def test_an_engine_that_never_answers_costs_its_time(rspamd: Rspamd) -> None:
    rspamd.freeze()
    try:
        with pytest.raises(Temporary):
            await rspamd_client(rspamd, timeout_s=0.5).score(mail_of(HAM))
    finally:
        rspamd.thaw()


def received(node: Node, mailbox: str) -> list[bytes]:
    client = node.imap("jane@example.test")
    client.select(f'"{mailbox}"')
    _, found = client.search(None, "ALL")
    out = []
    for number in found[0].split():
        _, data = client.fetch(number, "(BODY.PEEK[])")
        assert isinstance(data[0], tuple)
        out.append(data[0][1])
    client.logout()
    return out


@pytest.mark.spec_part("CON-8", "CON-11")
def test_both_in_series_on_a_node_and_one_killed_mid_scan(tmp_path: Path, spamd: Spamd, rspamd: Rspamd) -> None:
    with Spamd(tmp_path / "doomed") as doomed, running(tmp_path / "node", workers=1) as node:
        assert isinstance(doomed, Spamd)
        node.run("setting", "set", "antispam.engines", spamd.url, rspamd.url)
        node.send("jane@example.test", SPAM.decode())
        [content] = until(lambda: received(node, "Junk Mail"))
        status = " ".join(str(email.message_from_bytes(content)["X-Spam-Status"]).split())
        assert status.startswith("Yes, score=101")
        assert "GTUBE=10000" in status
        assert "RSPAMD=125" in status

        node.run("setting", "set", "antispam.engines", doomed.url)
        doomed.freeze()
        with node.smtp() as client:
            client.ehlo()
            for line in ("MAIL FROM:<a@b.test>", "RCPT TO:<jane@example.test>", "DATA"):
                client.docmd(line)
            client.send(HAM + b".\r\n")
            doomed.kill()
            assert client.getreply()[0] == 250
        [content] = until(lambda: received(node, "INBOX"))
        status = " ".join(str(email.message_from_bytes(content)["X-Spam-Status"]).split())
        assert status == "No, score=0 required=50 tests=none failed=spamassassin"

        node.run("setting", "set", "antispam.failure", "defer")
        with node.smtp() as client:
            client.ehlo()
            for line in ("MAIL FROM:<a@b.test>", "RCPT TO:<jane@example.test>", "DATA"):
                client.docmd(line)
            client.send(HAM + b".\r\n")
            code, text = client.getreply()
            assert (code, text.startswith(b"4.7.1")) == (451, True)
