"""The node's processes: ready line, restarts, drain, reload, lock, memory, health. Real processes on loopback."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from posthouse.roles import certificates
from support.node import POSTHOUSE, Node, until

pytestmark = pytest.mark.timeout(90)
WEB = ("http", "https", "admin")


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    one = Node(tmp_path / "node", services=("smtp", "imap", "imaps", "http", "https"))
    with one:
        yield one


def process(node: Node, name: str) -> int:
    """The pid of one process; 0 while it is not there."""
    for pid in node.pids():
        try:
            if Path(f"/proc/{pid}/comm").read_text().strip() == f"ph-{name}":
                return pid
        except OSError:
            continue
    return 0


def greeting(node: Node, service: str) -> bytes:
    with socket.create_connection(("127.0.0.1", node.ports[service]), timeout=30) as sock:
        return sock.recv(1000)


def refused(node: Node, service: str) -> bool:
    try:
        socket.create_connection(("127.0.0.1", node.ports[service]), timeout=30).close()
    except ConnectionRefusedError:
        return True
    return False


def common_name_over_tls(port: int) -> tuple[bytes, ssl.SSLSocket]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    sock = context.wrap_socket(socket.create_connection(("127.0.0.1", port), timeout=30))
    return sock.getpeercert(binary_form=True) or b"", sock


def http(node: Node, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{node.ports['http']}{path}", timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_the_ready_line_names_every_service_and_each_one_accepts(tmp_path: Path) -> None:
    node = Node(tmp_path, services=("smtp", "lmtp", "submission", "imap", "pop3", "managesieve", *WEB))
    with node:
        assert list(node.ports) == ["smtp", "lmtp", "submission", "imap", "pop3", "managesieve", *WEB]
        assert greeting(node, "smtp").startswith(b"220 ")
        assert greeting(node, "imap").startswith(b"* OK ")
        assert greeting(node, "pop3").startswith(b"+OK ")
        assert greeting(node, "managesieve").startswith(b'"IMPLEMENTATION" ')
        assert node.stop() == 0


def test_a_killed_worker_is_replaced_and_the_others_go_on_meanwhile(node: Node) -> None:
    worker = process(node, "worker-1")
    os.kill(worker, signal.SIGKILL)
    assert greeting(node, "smtp").startswith(b"220 ")
    until(lambda: process(node, "worker-1") not in (0, worker))
    status = node.json("node", "status")
    restarts = {one["name"]: one["restarts"] for one in status["processes"]}
    assert restarts == {"supervisor": 0, "steward": 0, "indexer": 0, "worker-1": 1, "worker-2": 0}


def test_a_killed_steward_is_replaced_and_mail_is_accepted_again(node: Node) -> None:
    node.run("domain", "add", "example.test")
    node.add_user("jane@example.test")
    steward = process(node, "steward")
    os.kill(steward, signal.SIGKILL)
    until(lambda: process(node, "steward") not in (0, steward))
    node.send("jane@example.test", "Subject: after\r\n\r\nstill here\r\n")
    with node.imap("jane@example.test") as client:
        assert client.select()[1] == [b"1"]


def test_sigterm_ends_idle_sessions_at_once_and_exits_0(node: Node) -> None:
    with socket.create_connection(("127.0.0.1", node.ports["smtp"]), timeout=30) as smtp:
        assert smtp.recv(1000).startswith(b"220 ")
        pids = node.pids()
        started = time.monotonic()
        assert node.stop() == 0
        assert time.monotonic() - started < 15
        assert smtp.recv(1000).startswith(b"421 ")
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


def test_a_transaction_under_way_is_finished_before_the_node_ends(node: Node) -> None:
    node.run("domain", "add", "example.test")
    node.add_user("jane@example.test")
    with node.smtp() as client:
        client.ehlo()
        client.mail("stranger@elsewhere.test")
        client.rcpt("jane@example.test")
        client.docmd("DATA")
        assert node.process is not None
        node.process.send_signal(signal.SIGTERM)
        until(lambda: refused(node, "smtp"))
        client.send("Subject: last\r\n\r\nin time\r\n.\r\n")
        assert client.getreply()[0] == 250
        assert node.process.wait(60) == 0
        client.close()
    node.start()
    with node.imap("jane@example.test") as client:
        assert client.select()[1] == [b"1"]


def test_a_second_signal_ends_it_at_once(node: Node) -> None:
    with node.smtp() as client:
        client.ehlo()
        client.mail("stranger@elsewhere.test")
        client.docmd("DATA")
        client.sock.sendall(b"MAIL FROM:<>\r\n") if client.sock else None
        pids = node.pids()
        assert node.process is not None
        node.process.send_signal(signal.SIGTERM)
        until(lambda: '"event":"drain","process":"supervisor"' in node.log())
        node.process.send_signal(signal.SIGTERM)
        node.process.wait(60)
        client.close()
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))


def test_children_never_outlive_a_killed_supervisor(node: Node) -> None:
    pids = node.pids()
    os.kill(pids[0], signal.SIGKILL)
    assert node.process is not None
    node.process.wait(60)
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))


def test_a_second_node_on_the_same_data_is_refused_with_one_line(node: Node) -> None:
    done = subprocess.run(
        [*POSTHOUSE, "serve", "--config", str(node.config)], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert "another node runs here" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_bad_file_is_refused_with_one_line(tmp_path: Path) -> None:
    (tmp_path / "node.toml").write_text('[node]\nname = "mx"\nspeed = 9\n')
    done = subprocess.run(
        [*POSTHOUSE, "serve", "--config", str(tmp_path / "node.toml")], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 1
    assert (done.stdout, done.stderr.count("\n")) == ("", 1)
    assert "speed" in done.stderr


@pytest.mark.spec_part("TLS-1")
def test_sighup_takes_a_new_certificate_for_new_connections_and_keeps_the_old_ones(node: Node) -> None:
    old, kept = common_name_over_tls(node.ports["imaps"])
    kept.recv(1000)
    own = node.folder / "data" / certificates.SELF_MADE
    own.unlink()
    certificates.make_self_signed(node.folder / "data", "renewed.example.test")
    assert node.process is not None
    node.process.send_signal(signal.SIGHUP)

    def renewed() -> bool:
        found, sock = common_name_over_tls(node.ports["imaps"])
        sock.close()
        web, web_sock = common_name_over_tls(node.ports["https"])
        web_sock.close()
        return found != old and web == found

    until(renewed)
    kept.sendall(b"a NOOP\r\n")
    assert b"a OK" in kept.recv(1000)
    kept.close()


def test_a_setting_takes_effect_in_every_worker_without_restart(node: Node) -> None:
    node.run("smtp", "set", "hostname", "changed.example.test")
    until(lambda: all(b"changed.example.test" in greeting(node, "smtp") for _ in range(10)))


@pytest.mark.spec_part("MON-4")
def test_health_and_the_metrics_of_all_processes_are_served(node: Node) -> None:
    assert http(node, "/health/live") == (200, '{"status":"live"}')
    assert http(node, "/health/ready") == (200, '{"status":"ready"}')
    assert http(node, "/")[0] == 404
    for _ in range(20):
        greeting(node, "smtp")
    for _ in range(4):
        text = http(node, "/metrics")[1]
        assert "posthouse_processes 4.0" in text
        assert 'posthouse_connections_total{service="smtp"} 20.0' in text


@pytest.mark.spec_part("NET-1")
def test_the_51st_open_connection_of_one_address_gets_421_across_workers(node: Node) -> None:
    node.run("smtp", "set", "dos_prevention", "on")
    node.run("smtp", "set", "max_open_per_address", "6")
    node.run("smtp", "set", "hostname", "limited.example.test")
    until(lambda: all(b"limited.example.test" in greeting(node, "smtp") for _ in range(10)))
    held = [socket.create_connection(("127.0.0.1", node.ports["smtp"]), timeout=30) for _ in range(6)]
    try:
        greetings = []
        for sock in held:
            greetings.append(sock.recv(1000)[:3])
            time.sleep(0.1)
        assert greetings == [b"220"] * 6
        assert [greeting(node, "smtp")[:3] for _ in range(4)] == [b"421"] * 4
        held.pop().close()
        until(lambda: greeting(node, "smtp")[:3] == b"220")
    finally:
        for sock in held:
            sock.close()


def test_a_long_path_to_the_data_folder_is_no_trouble(tmp_path: Path) -> None:
    with Node(tmp_path / ("d" * 80) / ("e" * 80), services=("smtp", "imap")) as node:
        node.run("domain", "add", "example.test")
        node.add_user("jane@example.test")
        node.send("jane@example.test", "Subject: far\r\n\r\nstill here\r\n")
        assert node.stop() == 0


def test_a_node_that_cannot_open_its_database_gives_up_with_one_line(tmp_path: Path) -> None:
    node = Node(tmp_path, services=("smtp",))
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "mail.db").write_bytes(b"this is no database" * 1000)
    done = subprocess.run(
        [*POSTHOUSE, "serve", "--config", str(node.config)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert [line for line in done.stderr.splitlines() if line.startswith("posthouse: ")] == [
        "posthouse: the steward process does not start; its log has the cause"
    ]


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become someone else")
def test_started_as_root_it_becomes_the_user_named_in_the_file(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="posthouse-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        with Node(folder, services=("smtp", "imap")) as node:
            node.stop()
            shutil.rmtree(folder / "data")
            node.config.write_text(node.config.read_text().replace("workers = 2", 'workers = 2\nuser = "nobody"'))
            node.start()
            owners = {Path(f"/proc/{pid}").stat().st_uid for pid in node.pids()}
            assert owners == {pwd.getpwnam("nobody").pw_uid}
            node.run("domain", "add", "example.test")
            assert greeting(node, "smtp").startswith(b"220 ")
            assert node.stop() == 0


def test_a_fresh_all_in_one_needs_less_than_200_mib(tmp_path: Path) -> None:
    with Node(tmp_path, services=("smtp", "lmtp", "submission", "imap", "imaps", "pop3", "pop3s", *WEB)) as node:
        assert node.pss_kib() < 200 * 1024


def test_descriptors_do_not_leak_over_many_connections(node: Node) -> None:
    workers = [process(node, "worker-1"), process(node, "worker-2")]

    def descriptors() -> int:
        return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in workers)

    greeting(node, "smtp")
    before = descriptors()
    for _ in range(500):
        sock = socket.create_connection(("127.0.0.1", node.ports["smtp"]), timeout=30)
        sock.close()
    until(lambda: descriptors() <= before + 2)
