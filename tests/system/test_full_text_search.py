"""Full-text search on a real node: what arrives is found within two seconds, whatever it is in, whatever happens (STO-9)."""

from __future__ import annotations

import imaplib
import os
import random
import signal
import smtplib
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support import documents as make
from support.node import Node, running, until

JANE, OMAR = "jane@example.test", "omar@example.org"
LIMIT_S = 2.0
SCRIPTS = {
    "greek": ("ΣΊΣΥΦΟΣ εδώ", "σίσυφος"),
    "cyrillic": ("Съешь ещё этих булок", "ЕЩЁ ЭТИХ"),
    "arabic": ("السلام عليكم ورحمة الله", "ورحمة"),
    "hebrew": ("שלום עולם", "עולם"),
    "thai": ("สวัสดีชาวโลก", "ชาวโลก"),
    "hindi": ("नमस्ते दुनिया", "दुनिया"),
    "chinese": ("下午的会议纪要", "会议"),
    "japanese": ("東京都庁舎へ", "都庁"),
    "korean": ("안녕하세요 여러분", "하세요"),
    "emoji": ("see you 🎉🎊 soon", "🎉🎊"),
}  # fmt: skip


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    with running(tmp_path) as started:
        yield started


def search(client: imaplib.IMAP4, *keys: str) -> list[int]:
    """The last word goes as a literal, in UTF-8."""
    client.literal = keys[-1].encode()  # type: ignore[assignment]
    status, found = client.search("UTF-8", *keys[:-1])
    assert status == "OK"
    return [int(number) for number in (found[0] or b"").split()]


def deliver(node: Node, *contents: bytes, recipient: str = JANE) -> float:
    """By SMTP; gives the moment of the last 250."""
    with smtplib.SMTP("127.0.0.1", node.ports["smtp"], timeout=30) as client:
        for content in contents:
            client.sendmail("ann@a.example", [recipient], content)
    return time.monotonic()


def found_now(client: imaplib.IMAP4, words: str) -> list[int]:
    """In the bodies, new messages included."""
    client.noop()
    return search(client, "BODY", words)


def within(since: float, condition: Callable[[], bool]) -> None:
    """Waits until it holds, and holds it against the limit."""
    until(condition, step_s=0.02)
    took_s = time.monotonic() - since
    assert took_s < LIMIT_S, f"it took {took_s:.1f} s"


def letter(subject: str, body: str) -> bytes:
    head = f"From: Ann <ann@a.example>\r\nSubject: {subject}\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
    return f"{head}{body}\r\n".encode()


def caught_up(node: Node) -> bool:
    return bool(node.json("search", "status")["complete"])


@pytest.mark.spec("STO-9")
def test_words_in_every_kind_of_document_and_every_script_are_found_within_two_seconds(node: Node) -> None:
    papers = {
        "docx": (make.DOCX, make.docx("the Wombat protocol", header="confidential")),
        "xlsx": (make.XLSX, make.xlsx("aardvark costs", 4711)),
        "pptx": (make.PPTX, make.pptx("quokka slide", notes="numbat note")),
        "odt": (make.ODT, make.odt("бобры и выдры")),
        "ods": (make.ODS, make.ods("echidna cell")),
        "pdf": (make.PDF, make.pdf("bilby page", title="dingo title")),
        "rtf": ("application/rtf", make.rtf("Größe der Koalas")),
    }
    with node.imap(JANE) as client:
        sent = deliver(node, *(make.letter((kind, f"file.{end}", octets)) for end, (kind, octets) in papers.items()))
        wanted = {
            "WOMBAT proto": 1, "Confidential": 1, "aardvark": 2, "4711": 2, "quokka": 3, "numbat": 3, "Бобры": 4,
            "chidna cel": 5, "bilby PAGE": 6, "dingo": 6, "GRÖSSE DER KOALAS": 7, "file.odt": 4,
        }  # fmt: skip
        client.select()
        for words, number in wanted.items():

            def is_found(words: str = words, number: int = number) -> bool:
                return search(client, "BODY", words) == [number]

            within(sent, is_found)
            assert search(client, "TEXT", words) == [number]
            assert search(client, "SUBJECT", words) == []
        first = len(papers) + 1
        sent = deliver(node, *(letter("script", text) for text, _ in SCRIPTS.values()))
        within(sent, lambda: caught_up(node))
        client.noop()
        for number, (_, words) in enumerate(SCRIPTS.values(), first):
            assert search(client, "TEXT", words) == [number], words
        assert search(client, "FUZZY", "BODY", "wombatt") == [1]
        assert search(client, "NOT", "BODY", "papers") == list(range(1, first + len(SCRIPTS)))
        assert search(client, "SUBJECT", "papers") == list(range(1, first))


def test_a_hostile_document_delays_no_other_mail_and_the_next_document_is_read(node: Node) -> None:
    node.run("search", "set", "document_timeout_s", "3")
    node.run("setting", "set", "antivirus.bombs", "pass")
    with node.imap(JANE) as client:
        client.select()
        bombs = [(make.DOCX, "bomb.docx", make.zip_bomb(300 << 20)), (make.PDF, "loop.pdf", make.looping_pdf())]
        deliver(node, make.letter(*bombs, subject="hostile"))
        sent = deliver(node, letter("plain", "ordinary words"))
        within(sent, lambda: node.json("search", "status")["waiting"] == 0)
        client.noop()
        assert search(client, "BODY", "ordinary words") == [2]
        deliver(node, make.letter((make.DOCX, "fine.docx", make.docx("wombat"))))
        until(lambda: found_now(client, "wombat") == [3], timeout_s=20)
        until(lambda: found_now(client, "bomb.docx") == [1], timeout_s=20)


def test_an_indexer_that_is_killed_again_and_again_leaves_nothing_out(node: Node) -> None:
    rng = random.Random(7)
    words = [f"word{rng.randrange(10**9)}" for _ in range(400)]
    with node.imap(JANE) as client:
        client.select()
        for start in range(0, len(words), 50):
            deliver(node, *(letter(f"s{word}", word) for word in words[start : start + 50]))
            os.kill(process(node, "indexer"), signal.SIGKILL)
            client.noop()
            number = rng.randrange(start + 50)
            assert search(client, "BODY", words[number]) == [number + 1], "found while the indexer is down"
        until(lambda: caught_up(node), timeout_s=60)
        client.noop()
        for number in rng.sample(range(len(words)), 40):
            assert search(client, "BODY", words[number]) == [number + 1]
            assert search(client, "SUBJECT", "S" + words[number]) == [number + 1]
    status = node.json("search", "status")
    assert (status["indexed"], status["unread"]) == (len(words), 0)


def test_a_node_that_is_killed_while_it_indexes_goes_on_where_it_was(node: Node) -> None:
    words = [f"needle{number}x" for number in range(300)]
    for start in range(0, len(words), 100):
        deliver(node, *(letter("s", word) for word in words[start : start + 100]))
        node.kill()
        node.start()
    until(lambda: caught_up(node), timeout_s=60)
    with node.imap(JANE) as client:
        client.select()
        for number in (0, 99, 100, 199, 200, 299):
            assert search(client, "TEXT", words[number]) == [number + 1]
    assert node.json("search", "status")["indexed"] == len(words)
    assert node.json("store", "check")["sound"]


def test_a_lost_index_and_reindex_cost_nothing_but_time(node: Node) -> None:
    deliver(node, *(letter(f"number {number}", "x") for number in range(20)), make.letter((make.DOCX, "", make.docx("wombat"))))
    until(lambda: caught_up(node))
    for begin_anew in (lambda: node.run("search", "reindex"), lambda: lose(node), lambda: offline(node)):
        begin_anew()
        if node.process is None:
            node.start()
        with node.imap(JANE) as client:
            client.select()
            assert search(client, "SUBJECT", "number 7") == [8]
            until(lambda: caught_up(node) and node.json("search", "status")["indexed"] == 21, timeout_s=30)
            assert search(client, "SUBJECT", "number 7") == [8]
            assert search(client, "BODY", "wombat") == [21]


def lose(node: Node) -> None:
    node.stop()
    for path in (node.folder / "data").glob("search.db*"):
        path.write_bytes(b"damaged")


def offline(node: Node) -> None:
    node.stop()
    assert node.json("search", "status")["complete"]
    node.run("search", "reindex")
    assert not list((node.folder / "data").glob("search.db*"))


def test_one_user_never_finds_in_anothers_mail(node: Node) -> None:
    deliver(node, letter("secret", "only for jane"))
    until(lambda: caught_up(node))
    with node.imap(OMAR) as client:
        client.select()
        assert search(client, "TEXT", "only for jane") == []


def process(node: Node, name: str) -> int:
    """Waits until there is one of this name that is ready."""

    def pid() -> int:
        found = [one["pid"] for one in node.json("node", "status")["processes"] if one["name"] == name]
        return int(found[0]) if found else 0

    return int(until(pid))
