"""swaks, the administrators' test client, against a running node: every way in, with and without TLS and logins."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.clients import run_client, subjects
from support.node import PASSWORD, Node, running

JANE, OMAR = "jane@example.test", "omar@example.org"


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    with running(tmp_path_factory.mktemp("swaks")) as started:
        started.run("setting", "set", "auth.failure_delay_s", "0.1")
        yield started


def swaks(
    node: Node, home: Path, service: str, *options: str, statuses: tuple[int, ...] = (0,)
) -> subprocess.CompletedProcess[str]:
    return run_client(
        "swaks", "--server", f"127.0.0.1:{node.ports[service]}", "--helo", "client.elsewhere.test", *options,
        home=home, statuses=statuses,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("service", "options"),
    [
        ("smtp", ()),
        ("smtp", ("--tls",)),
        ("smtp", ("--pipeline",)),
        ("smtp", ("--protocol", "SMTP")),
        ("lmtp", ("--protocol", "LMTP")),
        ("lmtp", ("--protocol", "LMTP", "--tls")),
    ],
)
def test_a_stranger_delivers(node: Node, tmp_path: Path, service: str, options: tuple[str, ...]) -> None:
    subject = f"swaks {service} {' '.join(options)}."
    swaks(node, tmp_path, service, "--from", "s@elsewhere.test", "--to", JANE, "--h-Subject", subject, *options)
    assert subject in subjects(node, JANE)


@pytest.mark.spec_part("OUT-1", "INB-3")
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
@pytest.mark.parametrize(("service", "tls"), [("submission", "--tls"), ("submissions", "--tlsc"), ("smtp", "--tls")])
def test_a_user_submits(node: Node, tmp_path: Path, service: str, tls: str, mechanism: str) -> None:
    subject = f"swaks as jane, {service} {mechanism}."
    login = ("--auth", mechanism, "--auth-user", JANE, "--auth-password", PASSWORD)
    done = swaks(node, tmp_path, service, "--from", JANE, "--to", OMAR, "--h-Subject", subject, tls, *login)
    assert "235 2.7.0" in done.stdout
    assert subject in subjects(node, OMAR)


@pytest.mark.parametrize(
    ("service", "options", "status", "reply"),
    [
        ("smtp", ("--to", "victim@victim.test"), 24, "550 5.7.1"),
        ("smtp", ("--to", "nobody@example.test"), 24, "550 5.1.1"),
        ("submission", ("--to", JANE), 23, "530 5.7.0"),
        ("smtp", ("--to", JANE, "--auth", "PLAIN", "--auth-user", JANE, "--auth-password", "wrong"), 28, "535 5.7.8"),
        ("smtp", ("--to", JANE, "--auth", "CRAM-MD5", "--auth-user", JANE, "--auth-password", PASSWORD), 28, "AUTH PLAIN"),
    ],
)
def test_what_is_not_allowed_is_refused(
    node: Node, tmp_path: Path, service: str, options: tuple[str, ...], status: int, reply: str
) -> None:
    done = swaks(node, tmp_path, service, "--from", "s@elsewhere.test", *options, statuses=(status,))
    assert reply in done.stdout + done.stderr
