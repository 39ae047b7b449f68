"""Allowed and blocked senders on a real node, with real DNS: every level, every form, the order, and DMARC (CON-12)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.clients import ImapWire, Wire, proxy_v1
from support.node import Node, running, until
from support.zone import Zone

pytestmark = pytest.mark.timeout(120)

JANE = "jane@example.test"
GOOD, BAD = "192.0.2.50", "203.0.113.66"
LEVELS = (f"--user {JANE}", "--domain example.test", "--system")


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """``cheap`` in a subject gives 100 points. bank.test publishes DMARC and SPF for GOOD, plain.test nothing."""
    with Zone() as zone:
        zone.add("bank.test", "TXT", '"v=spf1 ip4:192.0.2.0/24 -all"')
        zone.add("_dmarc.bank.test", "TXT", '"v=DMARC1; p=none"')
        for domain in ("bank.test", "plain.test", "xn--bcher-kva.test", "other.test"):
            zone.add(domain, "MX", "10 mail.bank.test.")
        zone.add_host("mail.bank.test", GOOD)
        zone.add_host("mail.bad.test", BAD)
        with running(tmp_path_factory.mktemp("senders"), workers=1, extra=zone.toml) as made:
            made.run("filter", "add", "cheap", "--system", "--when", "subject contains cheap", "--do", "change_score 100")
            do(made, "antispam set engines bulk", "smtp set proxy_networks 127.0.0.1/32")
            until(lambda: knows_the_balancer(made))
            yield made


def knows_the_balancer(node: Node) -> bool:
    with Wire(node.ports["smtp"], first=proxy_v1(GOOD)) as wire:
        wire.line()
        wire.send("NOOP")
        return wire.line().startswith(b"250")


def do(node: Node, *lines: str) -> None:
    done = node.run("shell", stdin="\n".join(lines) + "\n")
    assert "rror" not in done.stderr, done.stderr


class Sender:
    """Sends messages, each with a subject of its own, and says where each went."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.number = 0

    def __call__(
        self, author: str, *, envelope: str = "x@other.test", client: str = GOOD, subject: str = "cheap", to: str = JANE
    ) -> str:
        self.number += 1
        marked = f"{subject} {self.number:04}"
        content = f"From: {author}\r\nTo: {to}\r\nSubject: {marked}\r\nDate: Tue, 24 Nov 2026 08:00:00 +0000\r\n\r\nHi.\r\n"
        with Wire(self.node.ports["smtp"], first=proxy_v1(client)) as wire:
            wire.line()
            for line in ("HELO mail.bank.test", f"MAIL FROM:<{envelope}>", f"RCPT TO:<{JANE}>", "DATA"):
                wire.send(line)
                assert wire.line()[:1] in b"23", line
            wire.send(content.encode() + b".\r\n")
            if not (reply := wire.line()).startswith(b"250"):
                return reply.decode()[:3]
        return self.place(f"{self.number:04}")

    def place(self, mark: str) -> str:
        with ImapWire(self.node.ports["imap"], first=proxy_v1("127.0.0.1")) as reader:
            reader.login(JANE)
            for name in ("INBOX", "Junk Mail"):
                reader.good(f'EXAMINE "{name}"')
                if reader.good(f'UID SEARCH SUBJECT "{mark}"').lines[-1].split()[2:]:
                    return name
        return "nowhere"


@pytest.mark.spec("CON-12")
def test_lists_of_every_level_in_their_order_and_with_alignment(node: Node) -> None:
    send = Sender(node)
    assert send("lena@plain.test") == "Junk Mail"
    assert send("lena@plain.test", subject="minutes") == "INBOX"
    for level in LEVELS:
        do(node, f"sender allow lena@plain.test {level}")
        assert send("Lena <LENA@plain.test>") == send("a@other.test", envelope="lena@plain.test") == "INBOX"
        assert send('"lena@plain.test" <a@other.test>') == "Junk Mail"
        do(node, f"sender block plain.test {level}", f"sender block *@bücher.test {level}")
        assert send("lena@plain.test") == "INBOX"
        assert send("omar@plain.test", subject="minutes") == send("a@xn--bcher-kva.test", subject="minutes") == "Junk Mail"
        do(node, f"sender allow --recipients list@lists.test {level}")
        assert send("omar@plain.test", to="List <list@lists.test>") == "INBOX"
        patterns = "lena@plain.test plain.test *@bücher.test list@lists.test"
        do(node, f"sender remove {patterns} {level}")

    do(node, "sender allow *@bank.t?st --system")
    assert send("ceo@bank.test", envelope="ceo@bank.test") == "INBOX"
    assert send("ceo@bank.test", envelope="ceo@bank.test", client=BAD) == "Junk Mail"
    assert send("ceo@bank.test") == "Junk Mail"
    assert send("a@other.test", envelope="ceo@bank.test", client=BAD) == "Junk Mail"
    assert send("a@other.test, ceo@bank.test", envelope="ceo@bank.test", client=BAD) == "Junk Mail"


def test_where_blocked_mail_goes_is_set(node: Node) -> None:
    send = Sender(node)
    send.number = 5000
    do(node, f"sender block plain.test --user {JANE}", "setting set junk.blocked reject")
    assert send("lena@plain.test", subject="minutes") == "550"
    do(node, "setting set junk.blocked discard")
    assert send("lena@plain.test", subject="minutes") == "nowhere"
    do(node, "setting set junk.blocked junk", f"sender remove plain.test --user {JANE}")
