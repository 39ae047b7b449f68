"""Pyzor and Rspamd's fuzzy storage for real, with servers of their own, and DCC's interface as its manual has it (CON-9)."""

from __future__ import annotations

import asyncio
import email
import json
import random
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from posthouse.backends.scanners.dcc import DccScorer, hits_of, request_head
from posthouse.backends.scanners.pyzor import PyzorScorer
from posthouse.backends.scanners.pyzor import hits_of as pyzor_hits
from posthouse.base.errors import Temporary
from posthouse.formats.mime import summarise
from posthouse.model.scanners import ScannerPlace
from posthouse.model.spam import RuleHit, ScoredMail
from support.clamav import free_port
from support.databases import valkey
from support.node import Node, running, until
from support.spam_engines import Rspamd

pytestmark = [pytest.mark.timeout(240)]

SPAM = (
    b"From: a@b.test\r\nSubject: x\r\n\r\n"
    b"Buy cheap stuff now, a lot of cheap stuff for everybody who reads this message today.\r\n"
    b"Another line of text that is long enough to be a part of it.\r\n"
)
METRICS = "X-DCC-Test-Metrics: mx.example.test 1234; Body={} Fuz1={}\r\n\tFuz2={}\r\n"


def mail_of(content: bytes) -> ScoredMail:
    return ScoredMail(
        content, summarise(content), "a@b.test", ("jane@example.test",), "192.0.2.9", "mail.b.test", "mail.b.test"
    )


@pytest.fixture(scope="module")
def pyzor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScannerPlace]:
    folder, port = tmp_path_factory.mktemp("pyzor"), free_port()
    for name in ("server", "client"):
        (folder / name).mkdir()
    (folder / "client" / "servers").write_text(f"127.0.0.1:{port}\n")
    words = ["-a", "127.0.0.1", "-p", str(port), "-e", "gdbm", f"--dsn={folder}/server/db"]
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(["pyzord", f"--homedir={folder}/server", *words], stdout=log, stderr=log)
    for _ in range(50):
        if run(folder, "ping", b"").returncode == 0:
            break
    else:
        raise AssertionError((folder / "log").read_text())
    yield ScannerPlace("pyzor", path=str(folder / "client"))
    process.kill()
    process.wait(60)


def run(folder: Path, verb: str, content: bytes) -> subprocess.CompletedProcess[bytes]:
    words = ["pyzor", f"--homedir={folder}/client", "--timeout=1", verb]
    return subprocess.run(words, input=content, capture_output=True, check=False)


@pytest.mark.spec_part("CON-9")
async def test_what_was_reported_to_pyzor_has_points(pyzor: ScannerPlace) -> None:
    scorer = PyzorScorer(pyzor, timeout_s=20, max_bytes=512 << 10)
    assert (await scorer.score(mail_of(SPAM))).hits == ()
    for _ in range(5):
        assert run(Path(pyzor.path).parent, "report", SPAM).returncode == 0
    assert (await scorer.score(mail_of(SPAM))).hits == (RuleHit("PYZOR", 15.0, "reported 5 times to Pyzor"),)


async def test_without_a_server_pyzor_is_down(tmp_path: Path) -> None:
    (tmp_path / "servers").write_text(f"127.0.0.1:{free_port()}\n")
    with pytest.raises(Temporary):
        await PyzorScorer(ScannerPlace("pyzor", path=str(tmp_path)), timeout_s=2, max_bytes=1000).score(mail_of(SPAM))


async def test_without_the_command_pyzor_is_down() -> None:
    with pytest.raises(Temporary):
        await PyzorScorer(ScannerPlace("pyzor"), timeout_s=5, max_bytes=1000, command="no-such-pyzor").score(mail_of(SPAM))


@pytest.mark.parametrize(
    ("output", "points"),
    [("a:1\t(200, 'OK')\t4\t0", 0), ("a:1\t(200, 'OK')\t500\t0", 35), ("a:1\t(200, 'OK')\t999999999\t0", 40),
     ("a:1\t(200, 'OK')\t500\t1", 0), ("a:1\t(504, 'x')\nb:1\t(200, 'OK')\t5\t0", 15)],
)  # fmt: skip
def test_numbers_of_reports_come_to_points(output: str, points: float) -> None:
    assert sum(hit.points for hit in pyzor_hits(output)) == points


@pytest.mark.parametrize("output", ["", "x", "a:1\t(504, 'timed out')", "a:1\t(200, 'OK')"])
def test_an_answer_of_no_server_is_an_error(output: str) -> None:
    with pytest.raises(ValueError, match="no server answered"):
        pyzor_hits(output)


class Dccifd:
    """Reads a request to its end, and answers as told."""

    def __init__(self, answer: str) -> None:
        self.answer = answer
        self.asked = b""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.asked = await reader.read(-1)
        writer.write(self.answer.encode())
        await writer.drain()
        writer.close()


@pytest.mark.parametrize(
    ("body", "fuz1", "fuz2", "points"),
    [
        ("many", "many", "many", 30),
        ("1", "2", "5000", 15),
        ("1", "2", "3", 0),
        ("many", "ok", "many", 0),
        ("many", "1", "1", 30),
    ],
)
async def test_what_dcc_has_seen_in_bulk_has_points(tmp_path: Path, body: str, fuz1: str, fuz2: str, points: float) -> None:
    daemon = Dccifd("A\nA\n" + METRICS.format(body, fuz1, fuz2))
    server = await asyncio.start_unix_server(daemon.serve, str(tmp_path / "dccifd"))
    async with server:
        scorer = DccScorer(ScannerPlace("dcc", path=str(tmp_path / "dccifd")), timeout_s=5, max_bytes=512 << 10)
        report = await scorer.score(mail_of(SPAM))
    assert report.points == points
    head = b"header grey-off\n192.0.2.9\rmail.b.test\nmail.b.test\na@b.test\njane@example.test\n\n"
    assert daemon.asked == head + SPAM


@pytest.mark.parametrize("answer", ["", "T\nT\n", "what\n", "A"])
def test_what_is_no_answer_of_dcc_is_an_error(answer: str) -> None:
    with pytest.raises(ValueError):
        hits_of(answer)


def test_a_strangers_words_cannot_add_lines() -> None:
    evil = ScoredMail(SPAM, summarise(SPAM), "a@b.test\nx", ("c@d.test\n\nFrom: x",), "192.0.2.9", "h\ni", "e\rhlo")
    assert request_head(evil) == b"header grey-off\n192.0.2.9\rh?i\ne?hlo\na@b.test?x\nc@d.test??From: x\n\n"


class DccifdThread:
    """A dccifd on a Unix socket that has seen everything many times."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(str(path))
        self.socket.listen()
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self) -> None:
        while True:
            try:
                peer, _ = self.socket.accept()
            except OSError:
                return
            with peer:
                while peer.recv(65_536):
                    pass
                peer.sendall(("A\nA\n" + METRICS.format("many", "many", "many")).encode())


@pytest.fixture(scope="module")
def rspamd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rspamd]:
    with Rspamd(tmp_path_factory.mktemp("rspamd"), fuzzy=True) as engine:
        assert isinstance(engine, Rspamd)
        yield engine


@pytest.mark.spec("CON-9")
def test_nodes_feed_and_query_one_table_beside_pyzor_dcc_and_rspamds_fuzzy_storage(
    pyzor: ScannerPlace, rspamd: Rspamd, tmp_path: Path
) -> None:
    words, greek = random.Random(5), ["alpha", "beta", "gamma", "delta", "omega", "kappa", "sigma", "theta"]
    body = " ".join(words.choice(greek) + words.choice("xyz") for _ in range(120))
    daemon = DccifdThread(tmp_path / "dccifd")
    with valkey() as (_, url), running(tmp_path / "a", workers=1) as one, running(tmp_path / "b", workers=1) as other:
        engines = f"antispam set engines bulk {pyzor} dcc://{tmp_path}/dccifd {rspamd.url}"
        for node in (one, other):
            node.run("shell", stdin=f"antispam set bulk_database {url}\nantispam set bulk_recipients 5\n{engines}\n")
        for number in range(8):
            one.send("jane@example.test", letter(f"{body} Dear number {number}", number))
        until(lambda: "BULK_TEXT" in told(other, letter(body + " And a new ending of a few words", 99)), 20)
        client = other.imap("jane@example.test")
        client.append('"Junk Mail"', "", "", letter(body, 500).encode())
        until(lambda: "BULK_REPORTED" in told(one, letter(body, 600)), 20)
        for _ in range(5):
            run(Path(pyzor.path).parent, "report", letter(body, 700).encode())
        until(lambda: learnt(rspamd, letter(body, 650)), 30, 0.5)
        until(lambda: "SITE_FUZZY_DENIED" in told(other, letter(body, 651)), 30, 0.5)
        one.send("jane@example.test", letter(body, 700))
        status = until(lambda: last_status(one, "number 700"))
        shown = {word.partition("=")[0] for word in status.split()}
        assert {"BULK_TEXT", "BULK_REPORTED", "PYZOR", "DCC", "SITE_FUZZY_DENIED"} <= shown, status
        client.logout()
    daemon.socket.close()


def letter(body: str, number: int) -> str:
    head = "From: a@elsewhere.test\r\nTo: jane@example.test\r\nDate: Tue, 24 Nov 2026 08:00:00 +0000\r\n"
    return f"{head}Subject: number {number}\r\nMessage-ID: <{number}@elsewhere.test>\r\n\r\n{body}\r\n"


def learnt(rspamd: Rspamd, text: str) -> bool:
    """Whether its controller has taken a report; it comes up a little after the rest."""
    try:
        rspamd.report(text.encode())
    except AssertionError:
        return False
    return True


def told(node: Node, text: str) -> set[str]:
    """The rules that hit a message, which is not delivered or counted."""
    done = node.run("antispam", "test", text, "--json")
    return {row["rule"] for row in json.loads(done.stdout)}


def last_status(node: Node, subject: str) -> str:
    client = node.imap("jane@example.test")
    for name in ("INBOX", "Junk Mail"):
        client.select(f'"{name}"', readonly=True)
        _, found = client.search(None, "SUBJECT", f'"{subject}"')
        if numbers := found[0].split():
            _, data = client.fetch(numbers[0], "(BODY.PEEK[HEADER])")
            assert isinstance(data[0], tuple)
            client.logout()
            return " ".join(str(email.message_from_bytes(data[0][1])["X-Spam-Status"]).replace("tests=", " ").split())
    client.logout()
    return ""
