"""Operations on the real program, in all administration faces, running and not (ADM-1, ADM-3, ADM-5)."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from support.api_face import ApiFace, ClientFace
from support.html_pages import PagesFace
from support.node import PASSWORD, Node, running, until

JANE = "jane@example.test"
SERVICES = ("smtp", "imap", "admin", "http", "https")


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    with running(tmp_path_factory.mktemp("operations"), services=SERVICES, workers=1) as started:
        started.run("user", "set", "jane@example.test", "--role", "administrator")
        yield started


class AdminClient:
    """Speaks the administration protocol as its old clients do."""

    def __init__(self, port: int) -> None:
        self._peer = socket.create_connection(("127.0.0.1", port), timeout=30)
        self._lines = self._peer.makefile("rb")
        self.greeting = self._lines.readline()
        self._tag = 0

    def ask(self, *words: str) -> list[str]:
        self._tag += 1
        packed = ['"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"' for word in words[2:]]
        self._peer.sendall(" ".join([str(self._tag), *words[:2], *packed]).encode() + b"\r\n")
        lines: list[str] = []
        while True:
            line = self._lines.readline().decode().removesuffix("\r\n")
            assert line, "connection lost"
            if line.startswith(f"{self._tag} "):
                return [*lines, line.removeprefix(f"{self._tag} ")]
            lines.append(line.removeprefix(f"* {self._tag} "))

    def login(self, user: str, password: str) -> list[str]:
        return self.ask("LOGIN", user, password)

    def close(self) -> None:
        self._lines.close()
        self._peer.close()


@pytest.mark.spec_part("ADM-1")
def test_an_operation_gives_the_same_in_every_face(node: Node) -> None:
    by_command = [user["address"] for user in node.json("user", "list")]
    shell = node.run("shell", "--json", stdin="user list\nexit\n")
    by_shell = [user["address"] for user in json.loads(shell.stdout)]
    client = AdminClient(node.ports["admin"])
    client.login("jane@example.test", PASSWORD)
    *lines, end = client.ask("USER", "LIST")
    client.close()
    assert end == "OK"
    api = ApiFace(node, JANE)
    by_api = [user["address"] for user in api.ask("user", "list")]
    by_client = [user["address"] for user in ClientFace(node, api).ask("user", "list")]
    pages = PagesFace(node, JANE, PASSWORD)
    by_pages = [row[0] for row in pages.ask("user", "list").rows[1:]]
    pages.close()
    assert by_command == by_shell == by_api == by_client == by_pages == [line.split('"')[1] for line in lines]
    assert by_api == ["jane@example.test", "omar@example.org"]


@pytest.mark.spec_part("ADM-3")
def test_the_administration_protocol_keeps_the_old_forms(node: Node) -> None:
    client = AdminClient(node.ports["admin"])
    assert re.fullmatch(rb"\* OK \S+ admind \d+\.\d+\.\d+\r\n", client.greeting)
    assert client.ask("LOGIN", "jane@example.test", "wrong")[-1].startswith("NO")
    session_id, end = client.login("jane@example.test", PASSWORD)
    assert re.fullmatch(r"\S+", session_id)
    assert end.startswith("OK")
    assert client.ask("DOMAIN", "SETCURRENT", "example.test") == ["OK"]
    assert client.ask("USER", "ADD", "bob", "pass word", "Bob Smith") == ["OK"]
    assert client.ask("USER", "LIST", "b*", "", "") == ['"bob" "Bob Smith"', "OK"]
    (refused,) = client.ask("USER", "ADD", "bob", "x", "")
    assert refused.startswith("NO")
    assert "Already exists" in refused
    assert '"user.bob"' in client.ask("MAILBOX", "LIST", "%", "", "")
    assert node.imap("bob@example.test", "pass word").logout()[0] == "BYE"
    assert client.ask("USER", "DELETE", "bob") == ["OK"]
    assert client.ask("LOGOUT") == ["OK"]
    client.close()


def size_offered(node: Node) -> int:
    with node.smtp() as client:
        client.ehlo()
        return int(client.esmtp_features["size"])


@pytest.mark.spec("ADM-5")
def test_settings_are_checked_versioned_undone_exported_and_take_effect_without_restart(node: Node) -> None:
    before = size_offered(node)
    pids = node.pids()
    refused = node.run("smtp", "set", "max_message_bytes", "none", check=False)
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
    assert node.run("smtp", "set", "max_message_bytes", "1", check=False).returncode == 1
    exported = node.run("setting", "export").stdout

    node.run("smtp", "set", "max_message_bytes", "20M")
    until(lambda: size_offered(node) == 20 << 20)
    change = node.json("setting", "history", "smtp.max_message_bytes")[0]
    assert (change["before"], change["after"]) == (str(before), str(20 << 20))
    assert change["who"]
    assert change["at"].endswith("Z")

    node.run("setting", "undo")
    until(lambda: size_offered(node) == before)
    node.run("setting", "import", stdin="smtp.max_message_bytes = 10M\n")
    until(lambda: size_offered(node) == 10 << 20)
    node.run("setting", "import", stdin=exported)
    until(lambda: size_offered(node) == before)
    assert node.pids() == pids


@pytest.mark.spec_part("MON-1")
def test_mail_trace_tells_a_messages_story(node: Node) -> None:
    node.send("jane@example.test", "Subject: traced\r\nMessage-ID: <traced@elsewhere.test>\r\n\r\nhello\r\n")
    (found,) = until(lambda: node.json("mail", "trace", "<traced@elsewhere.test>"))
    assert (found["outcome"], found["recipients"]) == ("accepted", ["jane@example.test"])
    for word in (found["trace_id"], "stranger@elsewhere.test", "jane@example.test"):
        assert "traced" in node.run("mail", "trace", word).stdout
    assert node.json("mail", "trace", "--recipient", "nobody@example.test") == []


@pytest.mark.spec_part("GRP-1")
def test_domains_have_administrators_limits_and_keys_of_their_own(node: Node) -> None:
    node.run("user", "add", "olga@example.org", "--password", PASSWORD, "--role", "domain-administrator")
    client = AdminClient(node.ports["admin"])
    try:
        assert client.login("olga@example.org", PASSWORD)[-1].startswith("OK")
        # sees the own domain alone
        *lines, end = client.ask("DOMAIN", "LIST")
        assert end == "OK" and len(lines) == 1 and "example.org" in lines[0]
        *lines, end = client.ask("USER", "LIST")
        assert end == "OK" and len(lines) == 2 and not any("example.test" in line for line in lines)
        node.run("alias", "add", "sales@example.org", "omar@example.org")
        node.run("alias", "add", "press@example.test", "jane@example.test")
        *lines, end = client.ask("ALIAS", "LIST")
        assert end == "OK" and any("sales" in line for line in lines) and not any("press" in line for line in lines)
        node.send("jane@example.test", "Subject: others\r\n\r\nx\r\n", sender="other@elsewhere.test")
        node.send("omar@example.org", "Subject: own\r\n\r\nx\r\n", sender="own@elsewhere.test")
        until(lambda: len(client.ask("MAIL", "TRACE", "own@elsewhere.test")) > 1)
        assert client.ask("MAIL", "TRACE", "other@elsewhere.test") == ["OK"]
        # works there alone
        assert client.ask("USER", "ADD", "nina@example.org", PASSWORD, "Nina") == ["OK"]
        node.imap("nina@example.org").logout()
        for words in (
            ("USER", "ADD", "eve@example.test", PASSWORD, "Eve"),
            ("USER", "DELETE", "jane@example.test"),
            ("USER", "PASSWORD", "jane@example.test", "taken over"),
            ("ALIAS", "ADD", "sales@example.test", "olga@example.org"),
            ("DKIM", "ADD", "example.test"),
            ("DOMAIN", "ADD", "third.test"),
            ("SETTING", "LIST"),
            ("QUEUE", "LIST"),
        ):
            assert client.ask(*words)[-1].startswith("NO"), words
    finally:
        client.close()
    # limits of one domain say nothing about the other
    node.run("domain", "set", "example.org", "--user-quota-messages", "3")
    for address, limited in (("omar@example.org", True), ("jane@example.test", False)):
        with node.imap(address) as reader:
            assert ("(MESSAGE" in str(reader.getquotaroot("INBOX")[1])) is limited
    node.run("domain", "set", "example.org", "--user-quota-messages", "inherit")
    # nor does switching it off
    node.run("domain", "set", "example.org", "--enabled", "off")
    with node.smtp() as sender:
        sender.ehlo("client.test")
        sender.mail("x@elsewhere.test")
        assert until(lambda: sender.rcpt("omar@example.org")[0] == 550)
        assert sender.rcpt("jane@example.test")[0] == 250
    node.run("domain", "set", "example.org", "--enabled", "on")
    node.run("user", "delete", "nina@example.org")
    node.run("user", "delete", "olga@example.org")


def test_changes_are_audited(node: Node) -> None:
    node.run("alias", "add", "info@example.test", "jane@example.test")
    entry = node.json("audit", "list")[0]
    assert (entry["operation"], entry["outcome"], entry["via"]) == ("alias add", "ok", "shell")


def test_deleting_a_user_ends_logins(node: Node) -> None:
    node.add_user("gone@example.test")
    node.imap("gone@example.test").logout()
    node.run("user", "delete", "gone@example.test")
    client = node.imap()
    with pytest.raises(client.error):
        client.login('"gone@example.test"', PASSWORD)
    client.logout()


def test_an_operation_on_a_running_node_is_quick(node: Node) -> None:
    times = []
    for _ in range(5):
        start = time.monotonic()
        node.run("domain", "list")
        times.append(time.monotonic() - start)
    assert min(times) < 1.0, times  # a quarter of that on an idle machine


def test_node_status_shows_processes_and_listeners(node: Node) -> None:
    status = node.json("node", "status")
    assert status["state"] == "running"
    assert {listener["service"] for listener in status["listeners"]} == set(SERVICES)
    assert {process["pid"] for process in status["processes"]} == set(node.pids())
    assert node.json("certificate", "list")[0]["source"] == "self-made"


def test_operations_work_before_the_first_start_and_node_stop_stops(tmp_path: Path) -> None:
    node = Node(tmp_path, services=("smtp",), workers=1)
    node.run("domain", "add", "example.test")
    node.add_user("jane@example.test")
    assert node.json("node", "status")["state"] == "offline"
    assert node.run("node", "reload", check=False).returncode == 1
    with node:
        assert [user["address"] for user in node.json("user", "list")] == ["jane@example.test"]
        node.run("node", "stop")
        assert node.process is not None
        assert node.process.wait(30) == 0
    assert [user["address"] for user in node.json("user", "list")] == ["jane@example.test"]


def test_operations_at_the_same_time_without_a_running_node_wait_for_each_other(tmp_path: Path) -> None:
    node = Node(tmp_path, services=(), workers=1)

    def add(number: int) -> subprocess.CompletedProcess[str]:
        return node.run("domain", "add", f"d{number}.test")

    with ThreadPoolExecutor(3) as pool:
        assert all(done.returncode == 0 for done in pool.map(add, range(6)))
    assert len(node.json("domain", "list")) == 6
