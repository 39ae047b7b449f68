"""Virus scanning by a real node with a real clamd and a real c-icap: every action, every failure, and what the trace says."""

from __future__ import annotations

import base64
import gzip
import itertools
import random
import smtplib
import threading
import time
from collections.abc import Iterator
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import Any

import pytest

from support import archives
from support.asking import Asking
from support.clamav import EICAR, MARKER, CIcap, Clamd
from support.node import PASSWORD, Node, running, until
from support.virus_servers import cleaning_icap, old_clamd

JANE = "jane@example.test"
CHANGED = (
    "engines",
    "action",
    "down",
    "timeout_s",
    "encrypted",
    "alerts",
    "notify_senders",
    "notify_recipients",
    "update_schedule",
)
ACTIONS = [("reject", 554, "refuse"), ("discard", 250, "discard"), ("quarantine", 250, "hold"), ("strip", 250, "tag")]
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def clamd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clamd]:
    with Clamd(tmp_path_factory.mktemp("clamd") / "clamd", extra="AlertEncryptedArchive yes") as engine:
        yield engine


@pytest.fixture(scope="module")
def icap(clamd: Clamd, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CIcap]:
    with CIcap(tmp_path_factory.mktemp("icap") / "icap", clamd) as engine:
        yield engine


@pytest.fixture(scope="module")
def running_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    folder = tmp_path_factory.mktemp("antivirus")
    command = f'[commands]\nvirus_patterns = ["sh", "-c", "date +%s >> {folder}/updates; echo patterns are up to date"]\n'
    with running(folder, services=("smtp", "imap", "submission"), extra=command) as node:
        node.run("setting", "set", "antivirus.remember_s", "0")
        node.run("setting", "set", "outbreak.enabled", "off")
        yield node


@pytest.fixture
def node(running_node: Node) -> Node:
    """With no engine and the defaults."""
    for key in CHANGED:
        Asking(running_node).ask("setting", "reset", f"antivirus.{key}")
    return running_node


def set_(node: Node, **values: str) -> None:
    """In force when this returns, as far as the bus is quick."""
    for key, value in values.items():
        Asking(node).ask("setting", "set", f"antivirus.{key}", *(value.split() if key == "engines" else [value]))
    time.sleep(0.25)


def mail(*attachments: tuple[str, bytes], subject: str = "Papers") -> bytes:
    made = EmailMessage(policy=SMTP)
    made["From"], made["To"], made["Subject"] = "lena@elsewhere.test", JANE, subject
    made.set_content(f"Number {next(_numbers)}\r\n")
    for name, octets in attachments:
        made.add_attachment(octets, maintype="application", subtype="octet-stream", filename=name)
    return made.as_bytes()


def send(node: Node, content: bytes, sender: str = "lena@elsewhere.test") -> tuple[int, str]:
    with node.smtp() as client:
        try:
            client.sendmail(sender, [JANE], content)
        except smtplib.SMTPDataError as error:
            return error.smtp_code, str(error.smtp_error, "utf-8")  # type: ignore[arg-type]
    return 250, ""


def told(node: Node, content: bytes) -> tuple[int, str, list[str]]:
    """The reply to a message, and what the stage said about it in the trace."""
    sender = f"lena{next(_numbers)}@elsewhere.test"
    code, text = send(node, content, sender)
    (row,) = until(lambda: Asking(node).ask("mail", "trace", "--sender", sender))
    steps = [step for event in row["events"] for step in event["steps"] if step["stage"] == "antivirus"]
    return code, text, [f"{step['verdict']} {step['rule']}: {step['detail']}" for step in steps]


def last(node: Node) -> Any:
    client = node.imap(JANE)
    _, data = client.select("INBOX", readonly=True)
    _, fetched = client.fetch(data[0].decode(), "(BODY.PEEK[])")  # type: ignore[union-attr]
    client.logout()
    return message_from_bytes(fetched[0][1])  # type: ignore[index,arg-type]


def count(node: Node) -> int:
    """Messages in jane's inbox."""
    client = node.imap(JANE)
    _, data = client.select("INBOX", readonly=True)
    client.logout()
    return int(data[0] or b"0")


@pytest.mark.spec_part("CON-5")
@pytest.mark.parametrize("engine", ["clamd-tcp", "clamd-unix", "icap"])
def test_infected_mail_is_refused_and_clean_mail_passes(node: Node, clamd: Clamd, icap: CIcap, engine: str) -> None:
    set_(node, engines={"clamd-tcp": clamd.tcp, "clamd-unix": clamd.unix, "icap": icap.url}[engine])
    name = engine.partition("-")[0]
    code, text, steps = told(node, mail(("eicar.com", EICAR)))
    assert code == 554
    assert "infected with Eicar-Test-Signature" in text
    assert steps == [f"refuse {name}: {name} found Eicar-Test-Signature.UNOFFICIAL in part 2"]
    before = count(node)
    assert told(node, mail(("letter.txt", b"Dear Jane"))) == (250, "", [f"pass {name}: clean"])
    assert count(node) == before + 1


@pytest.mark.spec_part("CON-5", "CON-14")
@pytest.mark.parametrize("wrapping", ["zip", "nested", "tgz", "quoted", "embedded"])
def test_a_virus_is_found_however_it_is_wrapped(node: Node, clamd: Clamd, wrapping: str) -> None:
    set_(node, engines=clamd.tcp)
    zipped = archives.zipped({"run.com": EICAR})
    content = {
        "zip": lambda: mail(("a.zip", zipped)),
        "nested": lambda: mail(("a.zip", archives.zipped({"b.zip": zipped, "c.txt": b"c"}))),
        "tgz": lambda: mail(("a.tgz", gzip.compress(archives.tarred({"run.com": EICAR})))),
        "quoted": lambda: (
            b"From: lena@elsewhere.test\r\nTo: jane@example.test\r\nMIME-Version: 1.0\r\n"
            b"Content-Type: application/x-com\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
            + b"".join(b"=%02X" % octet if octet in b"X5P" else bytes([octet]) for octet in EICAR)
            + b"=\r\n"
        ),
        "embedded": lambda: (
            b"From: lena@elsewhere.test\r\nTo: jane@example.test\r\nMIME-Version: 1.0\r\n"
            b"Content-Type: message/rfc822\r\n\r\n" + mail(("eicar.com", EICAR))
        ),
    }[wrapping]()
    assert send(node, content)[0] == 554


@pytest.mark.spec_part("CON-5")
@pytest.mark.parametrize("engine", ["clamd", "icap"])
def test_the_infected_part_alone_is_taken_out(node: Node, clamd: Clamd, icap: CIcap, engine: str) -> None:
    set_(node, engines=clamd.tcp if engine == "clamd" else icap.url, action="strip")
    assert send(node, mail(("notes.txt", b"harmless"), ("eicar.com", EICAR)))[0] == 250
    kept = last(node)
    names = [part.get_filename() for part in kept.walk()]
    assert "notes.txt" in names
    assert "eicar.com" not in names
    assert base64.b64encode(EICAR)[:40] not in kept.as_bytes()
    assert any("The attachment eicar.com was taken out" in str(part.get_payload()) for part in kept.walk())
    assert kept["X-Virus-Status"].startswith("taken out: Eicar-Test-Signature")


@pytest.mark.spec_part("CON-5")
def test_an_engine_killed_in_the_middle_defers_and_the_retry_is_taken(node: Node, tmp_path: Path) -> None:
    with Clamd(tmp_path / "clamd") as engine:
        set_(node, engines=engine.tcp)
        engine.freeze()
        answers: list[tuple[int, str, list[str]]] = []
        content = mail(("letter.txt", b"Dear Jane"))
        before = count(node)
        sending = threading.Thread(target=lambda: answers.append(told(node, content)))
        sending.start()
        time.sleep(0.3)  # the message is with the engine by now; if not, it meets it dead, with the same result
        engine.kill()
        sending.join(20)
        ((code, text, steps),) = answers
        assert code == 451
        assert "scanner not available" in text
        assert steps[0].startswith("defer clamd: clamd at 127.0.0.1")
        assert count(node) == before
        engine.start()
        assert send(node, content)[0] == 250
        assert count(node) == before + 1


@pytest.mark.spec_part("CON-5")
def test_c_icap_killed_in_the_middle_lets_pass_marked_if_so_set(node: Node, tmp_path: Path) -> None:
    with Clamd(tmp_path / "clamd") as behind, CIcap(tmp_path / "icap", behind) as engine:
        set_(node, engines=engine.url, down="pass")
        behind.freeze()
        answers: list[tuple[int, str, list[str]]] = []
        content = mail(("letter.txt", b"Dear Jane"))
        sending = threading.Thread(target=lambda: answers.append(told(node, content)))
        sending.start()
        time.sleep(0.3)
        engine.kill()
        sending.join(20)
        ((code, _, steps),) = answers
        assert code == 250
        assert last(node)["X-Virus-Status"] == "not scanned: icap is not available"
        assert steps[0].startswith("tag icap: icap at 127.0.0.1")


@pytest.mark.spec_part("CON-5")
def test_an_engine_that_is_too_slow_defers_in_time(node: Node, tmp_path: Path) -> None:
    with Clamd(tmp_path / "clamd") as engine:
        set_(node, engines=engine.unix, timeout_s="0.5")
        engine.freeze()
        started = time.monotonic()
        code, _, steps = told(node, mail())
        assert code == 451
        assert time.monotonic() - started < 20
        assert steps[0].endswith("no answer within 0.5 s")


@pytest.mark.spec_part("CON-5")
def test_status_update_and_scan_by_hand(node: Node, clamd: Clamd, icap: CIcap) -> None:
    set_(node, engines=f"{clamd.tcp} {icap.url} clamd://127.0.0.1:1?name=gone")
    rows = node.json("antivirus", "status")
    assert [(row["name"], row["state"]) for row in rows] == [("clamd", "up"), ("icap", "up"), ("gone", "down")]
    assert rows[0]["engine"].startswith("ClamAV")
    assert rows[1]["patterns"]
    assert "patterns are up to date" in node.run("antivirus", "update").stdout
    set_(node, engines=clamd.tcp)
    found = node.run("antivirus", "scan", stdin=mail(("m.bin", MARKER)).decode()).stdout
    assert "Posthouse.Test" in found


def subjects(node: Node, login: str) -> list[str]:
    client = node.imap(login)
    client.select("INBOX", readonly=True)
    _, data = client.fetch("1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
    client.logout()
    return [item[1].decode().partition(":")[2].strip() for item in data if isinstance(item, tuple)]


@pytest.mark.spec("CON-6")
def test_the_list_is_told_and_senders_and_recipients_only_if_so_set(node: Node, clamd: Clamd) -> None:
    omar = "omar@example.org"
    node.add_user("virus-alerts@example.test")
    set_(node, engines=clamd.tcp, action="discard", alert_interval_s="0")
    infected = mail(("eicar.com", EICAR))

    def submit() -> None:
        with node.smtp("submission") as client:
            client.login(omar, PASSWORD)
            client.sendmail(omar, [JANE], infected)

    submit()
    until(lambda: len(subjects(node, "virus-alerts@example.test")) == 1, 20)
    assert subjects(node, "virus-alerts@example.test")[0].startswith("Virus alert: Eicar-Test-Signature")
    assert not any("infected" in subject for subject in [*subjects(node, JANE), *subjects(node, omar)])

    set_(node, notify_senders="on", notify_recipients="on")
    assert send(node, infected, omar)[0] == 250  # from a stranger, in omar's name
    until(lambda: any("infected message for you" in subject for subject in subjects(node, JANE)), 20)
    until(lambda: len(subjects(node, "virus-alerts@example.test")) == 2, 20)
    assert not subjects(node, omar)
    submit()
    until(lambda: any(subject.startswith("A message of yours was infected") for subject in subjects(node, omar)), 20)
    node.run("setting", "reset", "antivirus.alert_interval_s")


@pytest.mark.spec("CON-5")
def test_engines_in_series_actions_failures_updates_and_age(node: Node, clamd: Clamd, icap: CIcap) -> None:
    infected, mendable, clean = mail(("eicar.com", EICAR)), mail(("a.doc", b"a virus in a document")), mail()
    with cleaning_icap() as cleaning, old_clamd() as old:
        cleaner = f"icap://127.0.0.1:{cleaning.port}/av?name=cleaner&action=clean"
        set_(node, engines=f"{clamd.unix} {icap.url}?name=second {cleaner}")
        code, _, steps = told(node, clean)
        assert (code, steps) == (250, ["pass clamd: clean", "pass second: clean", "pass cleaner: clean"])
        code, _, steps = told(node, mendable)
        assert code == 250
        assert steps[2].startswith("tag cleaner: cleaner found Mendable in part 2; cleaned: a.doc")
        kept = last(node)
        assert [part.get_payload(decode=True) for part in kept.walk() if part.get_filename()] == [b"a  in a document"]
        for action, code, verdict in ACTIONS:
            set_(node, action=action)
            answered, _, steps = told(node, infected)
            assert (answered, steps[0].partition(":")[0]) == (code, f"{verdict} clamd")

        set_(node, engines=f"{clamd.tcp} clamd://127.0.0.1:1?name=gone")
        assert told(node, clean)[0] == 451
        set_(node, down="pass")
        assert told(node, clean)[0] == 250
        assert last(node)["X-Virus-Status"] == "not scanned: gone is not available"

        assert "patterns are up to date" in node.run("antivirus", "update").stdout
        log = node.folder / "updates"
        by_hand = log.read_text().count("\n")
        set_(node, update_schedule="*/2 * * * * *")
        until(lambda: log.read_text().count("\n") > by_hand, 20)
        set_(node, update_schedule="")

        node.add_user("security@example.test")
        set_(node, engines=f"clamd://127.0.0.1:{old.port}", alerts="security@example.test")
        (row,) = node.json("antivirus", "status")
        assert (row["state"], row["patterns"], row["patterns_from"][:10]) == ("old patterns", "26000", "2025-10-27")
        assert row["age_hours"] > 48
        node.stop()
        node.start()
        until(lambda: "Virus patterns are old" in subjects(node, "security@example.test"), 20)


def honest(node: Node, count: int) -> list[float]:
    """How long each of some honest messages took."""
    times = []
    for _ in range(count):
        started = time.monotonic()
        assert send(node, mail(("letter.txt", b"Dear Jane")))[0] == 250
        times.append(time.monotonic() - started)
    return times


BOMBS = {
    "ratio": gzip.compress(bytes(64 << 20)),
    "too deep": archives.gzip_quine(),
    "overlapping": archives.overlapping(2_000),
}


@pytest.mark.spec("CON-14")
def test_archives_of_all_kinds_are_opened_within_bounds(node: Node) -> None:
    """Filters see what is in them; bombs are refused; no process died of it."""
    node.run("filter", "add", "Scripts", "--system", "--when", "archive_member matches *.js", "--do", "reject 'no scripts'")
    pids = node.pids()
    evil = {"deep/evil.js": b"alert(1)"}
    packed = {
        "zip": archives.zipped(evil),
        "tar": archives.tarred(evil),
        "tar.gz": gzip.compress(archives.tarred(evil)),
        "7z": archives.seven("evil.js", b"alert(1)"),
        "rar 4": archives.rar4(evil),
        "rar 5": archives.rar5(evil, encrypted=True),
        "docx": archives.zipped({"word/document.xml": b"<x/>", "word/embeddings/evil.js": b"alert(1)"}),
        "nested": archives.zipped({"a.tar": archives.tarred({"b.7z": archives.seven("evil.js", b"alert(1)")})}),
        "behind a picture": b"\xff\xd8\xff" + bytes(5_000) + archives.zipped(evil),
        "hidden": archives.with_hidden_member({"a.txt": b"a"}, evil),
        "without a directory": archives.without_directory(archives.zipped(evil)),
    }
    for kind, octets in packed.items():
        assert send(node, mail((f"papers.{kind}", octets))) == (550, "5.7.1 no scripts"), kind
    assert send(node, mail(("papers.zip", archives.zipped({"a.txt": b"a"}))))[0] == 250
    set_(node, encrypted="reject")
    encrypted = {
        "zip": archives.encrypted_zip("a.txt", b"a"),
        "rar 4": archives.rar4({"a.txt": b"a"}, hidden_names=True),
        "rar 5": archives.rar5({"a.txt": b"a"}, hidden_names=True),
        "docx": archives.compound({"EncryptionInfo": b"x", "EncryptedPackage": b"x"}),
        "doc": archives.old_word(encrypted=True),
        "nested": archives.zipped({"b.zip": archives.encrypted_zip("a.txt", b"a")}),
    }
    for kind, octets in encrypted.items():
        assert told(node, mail((f"papers.{kind}", octets)))[2] == [f"refuse encrypted: papers.{kind} is encrypted"]
    node.run("setting", "set", "archives.max_unpacked_bytes", "1M")
    for word, octets in {**BOMBS, "too big": archives.zipped({"a.bin": random.Random(1).randbytes(2 << 20)})}.items():
        verdicts = told(node, mail(("bomb.zip", octets)))[2]
        assert verdicts in ([f"refuse bomb: bomb.zip: {word}"], ["refuse bomb: bomb.zip: too big"]), word
    node.run("setting", "reset", "archives.max_unpacked_bytes")
    broken = (
        b"PK\x03\x04" + bytes(500),
        b"Rar!\x1a\x07\x01\x00\xff\xff",
        b"7z\xbc\xaf\x27\x1c" + b"\xff" * 40,
        b"\x1f\x8b\x08",
    )
    for octets in broken:
        assert send(node, mail(("broken.zip", octets)))[0] == 250
    assert node.pids() == pids
    node.run("filter", "delete", "Scripts", "--system")


@pytest.mark.spec_part("CON-14")
def test_a_virus_is_found_at_the_bottom_of_messages_in_messages(node: Node, clamd: Clamd) -> None:
    set_(node, engines=clamd.tcp)

    def buried(depth: int) -> bytes:
        made = mail(("eicar.com", EICAR))
        for _ in range(depth):
            made = b"From: lena@elsewhere.test\r\nMIME-Version: 1.0\r\nContent-Type: message/rfc822\r\n\r\n" + made
        return made

    assert told(node, buried(20))[2][0].startswith("refuse clamd: clamd found Eicar-Test-Signature")
    assert send(node, buried(400))[0] == 554


@pytest.mark.spec_part("CON-14")
def test_honest_mail_stays_fast_while_bombs_come_in(node: Node, clamd: Clamd) -> None:
    set_(node, engines=clamd.tcp)
    heavy = archives.zipped({f"{number}.txt": bytes(15 << 20) for number in range(30)})
    stop = threading.Event()
    ends: list[int] = []

    def attack() -> None:
        kinds = itertools.cycle([heavy, *BOMBS.values()])
        while not stop.is_set():
            ends.append(send(node, mail(("bomb.zip", next(kinds))), "mallory@elsewhere.test")[0])

    quiet = honest(node, 20)
    attackers = [threading.Thread(target=attack) for _ in range(6)]
    memory_before = node.pss_kib()
    for each in attackers:
        each.start()
    try:
        times = honest(node, 40)
    finally:
        stop.set()
        for each in attackers:
            each.join(60)
    assert set(ends) == {554}
    assert len(ends) > 6
    assert max(times) < max(0.5, 6 * max(quiet)), "half a second, or what a machine busy with other things makes of it"
    assert node.pss_kib() - memory_before < 200 << 10
