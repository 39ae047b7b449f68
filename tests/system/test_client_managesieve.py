"""Real ManageSieve clients against a real node: sieve-connect, Python's managesieve; and filters by the command line."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.clients import subjects
from support.node import PASSWORD, Node, running

managesieve = pytest.importorskip("managesieve")

SCRIPT = 'require ["fileinto", "regex"];\r\nif header :regex "subject" "^ne(w|xt)" {\r\n    fileinto "News";\r\n}\r\n'


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    with running(tmp_path_factory.mktemp("sieve"), services=("smtp", "imap", "managesieve")) as started:
        yield started


def connect(node: Node, login: str) -> Any:
    """Logged in; makes the user if need be."""
    node.run("user", "add", login, "--password", PASSWORD, check=False)
    client = managesieve.MANAGESIEVE("127.0.0.1", node.ports["managesieve"])
    assert client.login("", login, PASSWORD) == "OK"
    return client


@pytest.mark.spec_part("CON-3")
def test_pythons_managesieve_manages_scripts(node: Node) -> None:
    client = connect(node, "una@example.test")
    assert {"fileinto", "regex", "vacation", "foreverypart"} <= set(client.capabilities)
    assert client.havespace("main", 1000) == "OK"
    assert client.putscript("main", SCRIPT) == "OK"
    assert client.putscript("wrong", "fileinto;") == "NO"
    assert "line 1, column 1" in client.response_text
    assert client.setactive("main") == "OK"
    assert client.listscripts() == ("OK", [("main", True)])
    assert client.getscript("main") == ("OK", SCRIPT)
    assert client.deletescript("main") == "NO"
    assert client.setactive("") == "OK"
    assert client.deletescript("main") == "OK"
    client.logout()


@pytest.mark.spec_part("CON-3")
def test_what_one_worker_keeps_every_other_sees_at_once(node: Node) -> None:
    for number in range(12):
        client = connect(node, "omar@example.org")
        assert client.putscript(f"s{number}", f"# {number}\nkeep;") == "OK"
        other = connect(node, "omar@example.org")
        assert (f"s{number}", False) in other.listscripts()[1]
        assert client.deletescript(f"s{number}") == "OK"
        client.logout()
        other.logout()


def sieve_connect(node: Node, *words: str) -> str:
    """With STARTTLS, which it insists on; the certificate is the node's self-made one."""
    command = ["sieve-connect", "--notlsverify", "-s", "127.0.0.1", "-p", str(node.ports["managesieve"])]
    done = subprocess.run(
        [*command, "-u", "omar@example.org", *words], input=PASSWORD + "\n", capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(shutil.which("sieve-connect") is None, reason="sieve-connect is not installed")
@pytest.mark.spec_part("CON-3")
def test_sieve_connect_uploads_over_tls_activates_and_downloads(node: Node, tmp_path: Path) -> None:
    local, back = tmp_path / "mine.sieve", tmp_path / "back.sieve"
    local.write_text(SCRIPT.replace("\r\n", "\n"))
    sieve_connect(node, "--localsieve", str(local), "--remotesieve", "mine", "--upload")
    sieve_connect(node, "--remotesieve", "mine", "--activate")
    assert '"mine" ACTIVE' in sieve_connect(node, "--list")
    sieve_connect(node, "--remotesieve", "mine", "--localsieve", str(back), "--download")
    assert back.read_text().split() == SCRIPT.split()
    sieve_connect(node, "--deactivate")
    sieve_connect(node, "--remotesieve", "mine", "--delete")
    assert "mine" not in sieve_connect(node, "--list")


@pytest.mark.spec_part("CON-1", "CON-2", "CON-3")
def test_filters_made_by_the_command_line_are_sieve_for_clients_and_tried_on_a_message(node: Node) -> None:
    words = ("--user", "jane@example.test")
    node.run("filter", "add", "News", *words, "--when", "subject contains news; size less 1M", "--do", "move_to News create")
    node.run("filter", "add", "Boss", *words, "--when", "from is boss@example.test", "--do", "set_flags \\Flagged", "--go-on")
    node.run("filter", "move", "Boss", "1", *words)
    client = connect(node, "jane@example.test")
    assert client.listscripts() == ("OK", [("filters", True)])
    text = client.getscript("filters")[1]
    assert text.index('# filter "Boss"') < text.index('# filter "News"')
    assert 'fileinto :create "News";' in text
    assert client.putscript("filters", text.replace("news", "olds")) == "OK"
    rows = node.json("filter", "list", *words)
    assert [row["name"] for row in rows] == ["Boss", "News"]
    assert rows[1]["conditions"] == "all: subject contains olds; size less 1048576"
    mail = "From: boss@example.test\nTo: jane@example.test\nSubject: the olds\n\nHello\n"
    told = node.run("filter", "test", *words, stdin=mail).stdout
    assert "-> true  (boss@example.test)" in told
    assert "file into mailbox=News flags=\\Flagged create=True" in told
    client.logout()


@pytest.mark.spec_part("CON-4")
def test_word_lists_are_kept_by_the_command_line(node: Node) -> None:
    node.run("wordlist", "add", "corporate", "blue folder", "--weight", "33")
    rows = {row["words"]: row["weight"] for row in node.json("wordlist", "show", "corporate")}
    assert rows["blue folder"] == 33
    node.run(
        "filter", "add", "Leaks", "--system", "--when", "word_list at_least 60 corporate", "--do", "redirect leaks@example.test"
    )
    mail = "From: a@b.test\nSubject: Blue folder\n\nThis is strictly confidential.\n"
    told = node.run("filter", "test", "--system", stdin=mail).stdout
    assert "73 points: blue folder, strictly confidential" in told
    assert "redirect address=leaks@example.test" in told


@pytest.mark.spec("CON-4")
def test_lists_of_thousands_of_words_hold_and_rescue_mail_and_starters_can_be_edited(node: Node) -> None:
    """Ten thousand entries of a list, others that speak for a message, and the two lists that come with the program."""
    starters = {row["name"]: row for row in node.json("wordlist", "list")}
    assert {"corporate", "objectionable"} <= starters.keys()
    assert starters["objectionable"]["starter"] and starters["objectionable"]["entries"] > 5
    node.run("wordlist", "add", "objectionable", "zounds", "--weight", "50")
    first = node.json("wordlist", "show", "objectionable")[0]
    node.run("wordlist", "remove", "objectionable", first["words"])
    shown = {row["words"]: row["weight"] for row in node.json("wordlist", "show", "objectionable")}
    assert shown["zounds"] == 50
    assert first["words"] not in shown

    entries = [f"{number % 40 + 1} word{number:05} of note" for number in range(10_000)]
    row = node.run("wordlist", "load", "thousands", "--json", stdin="\n".join(entries)).stdout
    assert json.loads(row)["entries"] == 10_000
    node.run("wordlist", "add", "friends", "cooking club", "--weight", "5")
    when = "word_list at_least 40 thousands; not word_list at_least 1 friends"
    node.run("filter", "add", "Held", "--system", "--when", when, "--do", "quarantine words")
    node.run(
        "filter", "add", "Rude", "--system", "--when", "word_list at_least 50 objectionable", "--do", "reject 'Mind your words'"
    )

    def sent(subject: str, body: str) -> tuple[int, bytes]:
        with node.smtp() as client:
            client.ehlo()
            client.mail("a@elsewhere.test")
            client.rcpt("omar@example.org")
            return client.data(f"From: a@elsewhere.test\r\nSubject: {subject}\r\n\r\n{body}\r\n")

    assert sent("caught", "It is WORD00039 of  note, and word09999 OF NOTE too.")[0] == 250
    assert sent("light", "It is word00001 of note, and nothing more.")[0] == 250
    assert sent("part", "It is word000390 of notes, so another word.")[0] == 250
    assert sent("rescued", "It is word00039 of note, from the Cooking Club.")[0] == 250
    assert sent("rude", "Zounds, dear Sir.") == (550, b"5.7.1 Mind your words")
    assert [row["subject"] for row in node.json("quarantine", "list", "--name", "words")] == ["caught"]
    assert {"light", "part", "rescued"} <= set(subjects(node, "omar@example.org"))
    assert "caught" not in subjects(node, "omar@example.org")
    told = node.run("filter", "test", "--system", stdin="From: a@b.test\n\nword00039 of note, word00038 of note\n").stdout
    assert "79 points: word00039 of note, word00038 of note" in told


def test_idle_and_garbage_connections_do_no_harm(node: Node) -> None:
    for octets in (
        b"\xff" * 10_000,
        b"NOOP\r\n" * 500 + b'PUTSCRIPT "a" {99999999999+}\r\n',
        b'AUTHENTICATE "PLAIN" "x"\r\n' * 50,
    ):
        with socket.create_connection(("127.0.0.1", node.ports["managesieve"]), timeout=30) as sock:
            sock.sendall(octets)
            received = b""
            while chunk := sock.recv(65_536):
                received += chunk
            assert b"BYE " in received
    assert connect(node, "una@example.test").listscripts()[0] == "OK"
