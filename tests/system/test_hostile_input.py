"""Lines and literals without end, messages built to hurt: each gets a clear refusal early and costs little memory."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from support.hostile import JANE, peak_kib, pour, served_in_s
from support.node import PASSWORD, Node, running

pytestmark = [pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    with running(tmp_path_factory.mktemp("hostile")) as started:
        yield started


LOGIN = (f'l LOGIN "{JANE}" "{PASSWORD}"\r\n'.encode(), b"l OK")
ENVELOPE = [
    (b"EHLO x\r\n", b"250"),
    (b"MAIL FROM:<a@b.test>\r\n", b"250"),
    (b"RCPT TO:<jane@example.test>\r\n", b"250"),
    (b"DATA\r\n", b"354"),
]
X = b"x" * 65536
LITTLE_KIB = 40 << 10
"""A login takes 19 MiB of this while its password is hashed."""
MOST_SENT = 16 << 20
"""What can leave a client before the refusal reaches it: 1 MiB that is read past, and what the kernel's buffers hold."""


@pytest.mark.parametrize(
    ("service", "first", "answer"),
    [
        ("smtp", [], b"500 "),
        ("submission", [(b"EHLO x\r\n", b"250")], b"500 "),
        ("imap", [], b"BAD"),
        ("imap", [LOGIN], b"BAD"),
        ("pop3", [], b"-ERR"),
    ],
)
def test_a_line_of_100_mb_is_refused_when_little_of_it_is_read(
    node: Node, service: str, first: list[tuple[bytes, bytes]], answer: bytes
) -> None:
    with peak_kib(node) as more_kib:
        refusal = pour(node.ports[service], first, X, 100 << 20)
    assert answer in refusal.said, refusal
    assert refusal.sent < MOST_SENT
    assert more_kib() < LITTLE_KIB


def test_a_message_line_of_100_mb_is_refused_and_not_kept(node: Node) -> None:
    with peak_kib(node) as more_kib:
        refusal = pour(node.ports["smtp"], ENVELOPE, X, 100 << 20, b"\r\n.\r\n")
    assert refusal.said.startswith((b"552 ", b"500 ", b"554 ")), refusal
    assert more_kib() < 64 << 10, "the largest message allowed, and a little"
    assert min(served_in_s(node) for _ in range(3)) < 1.0


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(b"".join(b"X-%d: y\r\n" % number for number in range(100_000)) + b"\r\nhi\r\n", id="100000-headers"),
        pytest.param(
            b"MIME-Version: 1.0\r\n"
            + b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(10_000))
            + b"\r\nhi\r\n",
            id="10000-nested-multiparts",
        ),
        pytest.param(b"Content-Type: message/rfc822\r\n\r\n" * 10_000 + b"\r\nhi\r\n", id="10000-nested-messages"),
        pytest.param(
            b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nhi\r\n" * 10_000 + b"--b--\r\n",
            id="10000-parts",
        ),
    ],
)
def test_a_message_built_to_hurt_is_refused_by_smtp_and_harmless_by_append(node: Node, message: bytes) -> None:
    began_at = time.monotonic()
    with peak_kib(node) as more_kib:
        refusal = pour(node.ports["smtp"], ENVELOPE, message, 1, b".\r\n")
        assert refusal.said.startswith((b"552 ", b"554 ", b"550 ")), refusal
        append = pour(node.ports["imap"], [LOGIN], b"a APPEND INBOX {%d+}\r\n" % len(message), 1, message + b"\r\n")
        assert b"a OK" in append.said or b"a NO" in append.said, append
        if b"a OK" in append.said:
            said = pour(
                node.ports["imap"], [LOGIN, (b"s SELECT INBOX\r\n", b"s OK")], b"f FETCH * (ENVELOPE BODYSTRUCTURE)\r\n", 1
            ).said
            assert b"f OK" in said or len(said) > 10_000
    assert time.monotonic() - began_at < 15
    assert more_kib() < LITTLE_KIB


@pytest.mark.parametrize(
    ("first", "words", "answer"),
    [
        pytest.param([], b"a LOGIN {99999999}\r\n", b"a BAD", id="large-before-login"),
        pytest.param([], b"a LOGIN {99999999999999999999999}\r\n", b"a BAD", id="absurd-before-login"),
        pytest.param([LOGIN], b"a APPEND INBOX {999999999}\r\n", b"a NO [TOOBIG]", id="append-too-large"),
        pytest.param([LOGIN], b"a APPEND INBOX {99999999999999999999}\r\n", b"a NO [TOOBIG]", id="append-absurd"),
        pytest.param([LOGIN], b"a SELECT {99999999}\r\n", b"a BAD", id="large-name"),
    ],
)
def test_a_literal_without_measure_is_refused_when_it_is_announced(
    node: Node, first: list[tuple[bytes, bytes]], words: bytes, answer: bytes
) -> None:
    refusal = pour(node.ports["imap"], first, words, 1)
    assert answer in refusal.said, refusal
    assert b"+ " not in refusal.said


@pytest.mark.parametrize("first", [[], [LOGIN]], ids=["before-login", "logged-in"])
@pytest.mark.parametrize(
    "piece",
    [
        b"a SEARCH {1+}\r\nx {1+}\r\ny" + b" {1+}\r\nx" * 1000,
        b"a APPEND INBOX {99999999999+}\r\n" + X,
        b"a NOOP {0+}\r\n" * 1000,
    ],
    ids=["chain", "never-ending", "empty"],
)
def test_literals_without_end_are_refused_and_not_kept(node: Node, first: list[tuple[bytes, bytes]], piece: bytes) -> None:
    with peak_kib(node) as more_kib:
        refusal = pour(node.ports["imap"], first, piece, 50 << 20)
    assert b"BAD" in refusal.said or b"NO [" in refusal.said or b"BYE" in refusal.said, refusal
    assert refusal.sent < MOST_SENT
    assert more_kib() < LITTLE_KIB
