"""SpamAssassin and Rspamd for real: their points on our scale, in series, and what happens when one is killed (CON-8)."""

from __future__ import annotations

import asyncio
import email
from collections.abc import Iterator
from email.message import Message
from pathlib import Path

import pytest

from posthouse.backends.scanners.rspamd import RspamdScorer
from posthouse.backends.scanners.spamd import SpamdScorer
from posthouse.base.errors import Temporary
from posthouse.formats.mime import summarise
from posthouse.model.scanners import ScannerPlace
from posthouse.model.spam import ScoredMail
from support.clients import ImapWire, Wire, proxy_v1
from support.node import Node, running, until
from support.spam_engines import GTUBE, Rspamd, Spamd
from support.zone import Zone

pytestmark = [pytest.mark.timeout(180)]

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


def change(node: Node, key: str, value: str, host: str) -> None:
    """A setting is changed and in force: the host name in the greeting, which is changed after it, tells."""
    node.run("setting", "set", key, value)
    node.run("setting", "set", "smtp.hostname", host)

    def greeted() -> bool:
        with node.smtp() as client:
            client.ehlo()
            return (client.ehlo_resp or b"").startswith(host.encode())

    until(greeted, 60, 0.1)


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

        for count, (name, engine) in enumerate((("spamassassin", doomed), ("rspamd", rspamd)), 1):
            change(node, "antispam.engines", engine.url, f"{name}.example.test")
            engine.freeze()
            with node.smtp() as client:
                client.ehlo()
                for line in ("MAIL FROM:<a@b.test>", "RCPT TO:<jane@example.test>", "DATA"):
                    client.docmd(line)
                client.send(HAM + b".\r\n")
                engine.kill()
                assert client.getreply()[0] == 250
            contents = until(lambda wanted=count: len(found := received(node, "INBOX")) == wanted and found)
            status = " ".join(str(email.message_from_bytes(contents[-1])["X-Spam-Status"]).split())
            assert status == f"No, score=0 required=50 tests=none failed={name}"

        change(node, "antispam.failure", "defer", "defer.example.test")
        with node.smtp() as client:
            client.ehlo()
            for line in ("MAIL FROM:<a@b.test>", "RCPT TO:<jane@example.test>", "DATA"):
                client.docmd(line)
            client.send(HAM + b".\r\n")
            code, text = client.getreply()
            assert (code, text.startswith(b"4.7.1")) == (451, True)
    rspamd.start()


LINKS = b"See http://pills.cheap.test/x for casino jackpot lottery bonus discount replica watches and more of it.\r\n"


def lesson(number: int, words: bytes) -> bytes:
    return HAM.replace(b"20261124.1@", b"%d@" % number).replace(b"here are the minutes of our meeting", words)


def teach(node: Node, folder: Path) -> None:
    """The site knows spam from ham, and jane has words of her own."""
    spam = [lesson(number, b"casino jackpot lottery bonus discount replica watches") for number in range(12)]
    ham = [lesson(100 + number, b"meeting minutes budget review garden school") for number in range(12)]
    own = [lesson(200 + number, b"casino lottery watches, but for a friend of mine") for number in range(12)]
    for name, contents in (("spam", spam), ("ham", ham), ("own", own)):
        body = b"".join(b"From x Tue Nov 24 08:00:00 2026\n" + each.replace(b"\r\n", b"\n") + b"\n" for each in contents)
        (folder / name).write_bytes(body)
    for words in (("spam", "spam"), ("ham", "ham"), ("ham", "own", "--user", "jane@example.test", "--only-user")):
        node.run("antispam", "train", words[0], "--file", str(folder / words[1]), *words[2:])
    node.run("lesson", "fit")
    node.run("lesson", "fit", "--user", "jane@example.test")


@pytest.mark.spec("CON-8")
def test_every_engine_and_every_source_on_one_scale(tmp_path: Path, spamd: Spamd, rspamd: Rspamd) -> None:
    with Zone() as zone:
        zone.add("bank.test", "TXT", '"v=spf1 ip4:192.0.2.0/24 -all"')
        zone.add("_dmarc.bank.test", "TXT", '"v=DMARC1; p=none"')
        zone.add("bank.test", "MX", "10 mail.bank.test.")
        zone.add_host("mail.bad.test", "203.0.113.66")
        zone.add("66.113.0.203.bl.test", "A", "127.0.0.2")
        zone.add("cheap.test.dbl.test", "A", "127.0.0.2")
        with running(tmp_path / "node", workers=1, extra=zone.toml) as node:
            commands = (
                "scorer set enough_spam 10", "scorer set enough_ham 10", "antispam set bulk_recipients 2",
                f"antispam set engines embedded bulk {spamd.url} {rspamd.url}", "smtp set proxy_networks 127.0.0.1/32",
                "dnsbl add bl.test --action tag --points 20", "dnsbl add dbl.test --about domain --action tag --points 40",
            )  # fmt: skip
            node.run("shell", stdin="\n".join(commands) + "\n")
            teach(node, tmp_path)
            content = SPAM.replace(b"lena@good.test", b"ceo@bank.test").replace(b"here are", LINKS * 5 + b"here are")
            for _ in range(3):
                strange(node, content)
            [*_, last] = junk(node)
            status = " ".join(str(last["X-Spam-Status"]).split())
            told = [word.partition("=") for word in status.partition("tests=")[2].replace(",", "").split()]
            shares = [(rule, float(points)) for rule, _, points in told]
            assert {("GTUBE", 1_000), ("GTUBE", 10_000), ("RSPAMD", 125), ("LINK_DBL_TEST", 40)} <= set(shares), status
            assert {"LEARNT_SITE", "LEARNT_USER", "BULK_TEXT", "DMARC_FAIL", "BLOCK_LISTS_BL_TEST"} <= {
                rule for rule, _ in shares
            }
            total = float(status.partition("score=")[2].split()[0])
            assert total == pytest.approx(sum(points for _, points in shares), abs=1)
            assert last["X-Junkmail-Status"] == f"score={int(total)}/50, host=mx.example.test"
            assert "casino" in " ".join(str(last["X-Spam-Report"]).split())


def strange(node: Node, content: bytes) -> None:
    """As a stranger whose address is on a list, forging a bank."""
    with Wire(node.ports["smtp"], first=proxy_v1("203.0.113.66")) as wire:
        wire.line()
        for line in ("HELO mail.bad.test", "MAIL FROM:<ceo@bank.test>", "RCPT TO:<jane@example.test>", "DATA"):
            wire.send(line)
            assert wire.line()[:1] in b"23", line
        wire.send(content + b".\r\n")
        assert wire.line().startswith(b"250")


def junk(node: Node) -> list[Message]:
    with ImapWire(node.ports["imap"], first=proxy_v1("127.0.0.1")) as reader:
        reader.login("jane@example.test")
        reader.good('EXAMINE "Junk Mail"')
        found = reader.good("UID FETCH 1:* (BODY.PEEK[])").of("FETCH")
    return [email.message_from_bytes(each.partition(b"\r\n")[2].removesuffix(b")")) for each in found]
