"""A stolen password on a real node: the thief is stopped within minutes, others go on, and a crash changes nothing."""

from __future__ import annotations

import contextlib
import imaplib
import poplib
import shlex
import smtplib
import socket
import statistics
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from support.desk import Desk
from support.node import PASSWORD, Node, running, until
from support.scripted_host import ScriptedHost, in_background

JANE, OMAR, KIM = "jane@example.test", "omar@example.org", "kim@example.test"
ANN, BEA = "ann@example.test", "bea@example.test"
VICTIMS = {sign: f"{sign}@example.test" for sign in ("messages", "recipients", "bounces", "spam", "networks", "clients")}
GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"
"""For tests that stop nobody else: Jane's account is stolen once."""
THIEF = "127.66.0.9"
ALLOWED = 40
"""Messages in an hour from a new network: watch.messages / watch.unfamiliar_share."""
ATTEMPTS = 500
SERVICES = ("smtp", "submission", "imap", "pop3", "managesieve", "http", "admin")


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    with running(tmp_path_factory.mktemp("stolen"), services=SERVICES) as started:
        users = "".join(f"user add {user} --password '{PASSWORD}'\n" for user in (KIM, ANN, BEA, *VICTIMS.values()))
        started.run("shell", stdin=users)
        started.run("user", "add", "boss@example.test", "--password", PASSWORD, "--role", "administrator")
        started.run("alias", "add", "postmaster@example.test", "boss@example.test")
        started.run("setting", "set", "route.smart_host", "127.0.0.1:9")  # nobody there: what leaves stays in the queue
        started.run("watch", "set", "messages", str(5 * ALLOWED))
        started.run("watch", "set", "exempt_networks", "")  # here everybody is on this machine
        yield started


def submit(node: Node, account: str, source: str = "127.0.0.1") -> smtplib.SMTP:
    client = smtplib.SMTP("127.0.0.1", node.ports["submission"], timeout=30, source_address=(source, 0))
    client.login(account, PASSWORD)
    return client


def letter(account: str, subject: str = "Hello") -> str:
    return f"From: {account}\r\nSubject: {subject}\r\n\r\nHi.\r\n"


@dataclass
class Theft:
    """A thief sends as fast as the node lets them, over several connections, and comes back when put out."""

    node: Node
    taken: int = 0
    refused: list[tuple[int, str]] = field(default_factory=list)
    left: int = ATTEMPTS
    lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self) -> None:
        client: smtplib.SMTP | None = None
        while True:
            with self.lock:
                if self.left <= 0:
                    return
                self.left -= 1
            try:
                client = client or submit(self.node, JANE, THIEF)
                client.sendmail(JANE, ["victim@far.test", KIM], letter(JANE, "Free money"))
                self.taken += 1
            except smtplib.SMTPResponseException as error:
                text = error.smtp_error
                self.refused.append((error.smtp_code, text.decode() if isinstance(text, bytes) else text))
                client = None
            except smtplib.SMTPServerDisconnected:
                client = None


@dataclass
class Readers:
    """Sessions of the account that are open when it is held."""

    imap: imaplib.IMAP4
    pop: poplib.POP3
    sieve: socket.socket
    idle: smtplib.SMTP

    def ended(self) -> bool:
        """Whether all of them are."""
        return all((self._imap(), self._pop(), self._sieve(), self._smtp()))

    def _imap(self) -> bool:
        try:
            self.imap.noop()
        except (imaplib.IMAP4.abort, OSError):
            return True
        return False

    def _pop(self) -> bool:
        try:
            self.pop.noop()
        except (poplib.error_proto, OSError):
            return True
        return False

    def _sieve(self) -> bool:
        try:
            return not self.sieve.recv(4096)
        except TimeoutError:
            return False
        except ConnectionError:
            return True

    def _smtp(self) -> bool:
        try:
            return self.idle.noop()[0] == 421
        except smtplib.SMTPServerDisconnected:
            return True


def readers(node: Node) -> Readers:
    import base64

    sieve = socket.create_connection(("127.0.0.1", node.ports["managesieve"]), timeout=30)
    token = base64.b64encode(f"\0{JANE}\0{PASSWORD}".encode()).decode()
    sieve.recv(4096)
    sieve.sendall(f'AUTHENTICATE "PLAIN" "{token}"\r\n'.encode())
    assert b"OK" in sieve.recv(4096)
    sieve.settimeout(0.1)
    return Readers(node.imap(JANE), node.pop(JANE), sieve, submit(node, JANE))


def honest(node: Node, count: int) -> list[float]:
    """How long each of so many messages of another user takes."""
    took = []
    with submit(node, OMAR) as client:
        for _ in range(count):
            began = time.monotonic()
            client.sendmail(OMAR, [KIM], letter(OMAR))
            took.append(time.monotonic() - began)
    return took


def refusal(node: Node, account: str = JANE) -> tuple[int, str]:
    """What the owner is told at home."""
    with contextlib.suppress(smtplib.SMTPServerDisconnected), submit(node, account) as client:
        code, text = client.mail(account)
        return code, text.decode()
    return 0, ""


def inbox(node: Node, account: str, subject: str) -> int:
    client = node.imap(account)
    client.select("INBOX", readonly=True)
    found = client.search(None, "SUBJECT", f'"{subject}"')[1][0].split()
    client.logout()
    return len(found)


@pytest.mark.spec_part("OUT-5")
def test_the_attack_a_stolen_password_sends_500_messages_from_a_new_network(node: Node) -> None:
    with submit(node, JANE) as client:
        client.sendmail(JANE, ["friend@far.test"], letter(JANE))
    before = honest(node, 40)
    open_ = readers(node)

    theft = Theft(node)
    thieves = [threading.Thread(target=theft.run) for _ in range(4)]
    for thief in thieves:
        thief.start()
    during = honest(node, 40)
    for thief in thieves:
        thief.join(120)
    after = honest(node, 40)

    # stopped, after what a new network is allowed and a few that were under way in other workers
    assert ALLOWED <= theft.taken <= ALLOWED + 20, theft.taken
    assert theft.taken + len(theft.refused) > ATTEMPTS // 2
    stopped = [text for code, text in theft.refused if code == 550]
    assert stopped
    assert all("5.7.13" in text and "ask your administrator" in text for text in stopped)
    [hold] = [row for row in node.json("account", "list") if row["account"] != ANN]
    assert (hold["account"], hold["sign"], hold["client"], hold["who"]) == (JANE, "messages", THIEF, "watch")

    # its queue is held, nobody else's is; its sessions have ended
    queue = until(lambda: node.json("queue", "list", "--account", JANE))
    assert len(queue) == theft.taken + 1
    assert {row["state"] for row in queue} == {"held"}
    until(open_.ended)

    # others went on at the same speed: while it happened in spite of four thieves on the same processors, and afterwards
    assert statistics.median(during) < 6 * statistics.median(before) + 0.05
    assert statistics.median(after) < 2 * statistics.median(before) + 0.02

    # people were told
    until(lambda: inbox(node, "boss@example.test", f"Account held: {JANE}") == 1)
    assert "account-held" in node.log()
    url = f"http://127.0.0.1:{node.ports['http']}/metrics"
    assert 'posthouse_account_alerts_total{sign="messages"} 1.0' in urllib.request.urlopen(url).read().decode()

    # a crash changes nothing
    node.kill()
    node.start()
    assert refusal(node) == (550, stopped[0])
    assert {row["state"] for row in node.json("queue", "list", "--account", JANE)} == {"held"}
    assert len(honest(node, 3)) == 3

    # what was sent, and to whom; taken back where that can be
    report = node.json("account", "report", JANE, "--limit", "1000")
    assert report["accepted"] == theft.taken + 1
    assert report["queued"] == theft.taken + 1
    assert any(line.startswith(f"{THIEF}: ") for line in report["clients"])
    whom = {recipient for row in report["sent"] for recipient in row["recipients"]}
    assert whom == {KIM, "victim@far.test", "friend@far.test"}
    assert inbox(node, KIM, "Free money") == theft.taken
    assert len(node.json("account", "recall", JANE)) == theft.taken
    assert inbox(node, KIM, "Free money") == 0
    taken = next(row["trace_id"] for row in report["sent"] if row["outcome"] == "accepted")
    assert "recalled (recall account) for kim@example.test: taken out of INBOX by" in node.run("mail", "trace", taken).stdout
    assert inbox(node, KIM, "Hello") == 123, "what others sent stays"

    # released, without what the thief left in the queue
    node.run("account", "release", JANE, "--queue", "delete")
    assert node.json("queue", "list", "--account", JANE) == []
    with submit(node, JANE) as client:
        client.sendmail(JANE, [KIM], letter(JANE, "It is me again"))
    assert [row["released_by"] != "" for row in node.json("account", "list", "--past") if row["account"] == JANE] == [True]


@pytest.mark.spec_part("OUT-5")
def test_an_administrator_holds_and_releases_an_account(node: Node) -> None:
    with submit(node, ANN) as client:
        client.sendmail(ANN, ["friend@far.test"], letter(ANN))
        node.run("account", "hold", ANN, "--why", "called in")
        until(lambda: client.noop()[0] != 250)
    assert refusal(node, ANN)[0] == 550
    assert [row["state"] for row in node.json("queue", "list", "--account", ANN)] == ["held"]
    assert node.imap(ANN).logout()[0] == "BYE", "reading goes on"
    node.run("watch", "set", "refuse_logins", "on")
    with pytest.raises(imaplib.IMAP4.error, match="AUTHENTICATIONFAILED"):
        until(lambda: not node.imap(ANN).logout())
    node.run("watch", "set", "refuse_logins", "off")
    node.run("account", "release", ANN)
    assert [row["state"] for row in node.json("queue", "list", "--account", ANN)] == ["waiting"]
    until(lambda: refusal(node, ANN)[0] == 250)
    assert node.run("account", "release", "nobody@example.test", check=False).returncode != 0
    assert node.run("account", "hold", "nobody@example.test", check=False).returncode != 0


@pytest.mark.spec_part("OUT-3")
def test_by_default_own_mail_passes_unchanged_and_other_names_are_replaced(node: Node) -> None:
    with submit(node, ANN) as client:
        client.sendmail(ANN, [BEA], f"From: Jane Doe <{ANN}>\r\nSubject: own\r\n\r\nx\r\n")
        client.sendmail("boss@bank.test", [BEA], "From: Boss <boss@bank.test>\r\nSubject: foreign\r\n\r\nx\r\n")
    client_ = node.imap(BEA)
    client_.select("INBOX")
    texts = []
    for number in ("1", "2"):
        part = client_.fetch(number, "(BODY.PEEK[HEADER.FIELDS (RETURN-PATH FROM)])")[1][0]
        assert isinstance(part, tuple)
        texts.append(part[1].decode())
    client_.logout()
    assert f"From: Jane Doe <{ANN}>" in texts[0]
    assert f"From: Boss <{ANN}>" in texts[1]
    assert all(f"Return-Path: <{ANN}>" in text for text in texts)


def goes_on(node: Node, account: str, source: str, content: str = "", *to: str) -> bool:
    """Whether one more message is taken, and not refused or its session ended."""
    try:
        with submit(node, account, source) as client:
            client.sendmail(account, [*to] or [KIM], content or letter(account))
    except smtplib.SMTPResponseException as error:
        assert error.smtp_code in (421, 550), error
        return False
    except (smtplib.SMTPServerDisconnected, smtplib.SMTPRecipientsRefused):
        return False
    return True


MOST = 35
"""Messages that a thief tries: fewer than are allowed from new networks."""


def as_thieves_do(node: Node, desk: Desk, sign: str) -> int:
    """Sends until the account is stopped; gives how many messages were taken."""
    account = VICTIMS[sign]
    for number in range(MOST):
        source, content = "127.0.0.1", letter(account)
        to: tuple[str, ...] = (KIM,)
        if sign == "networks":
            source = f"127.{number + 1}.0.1"
        elif sign == "clients":
            source = f"127.0.0.{number + 1}"
        elif sign == "recipients":
            to = (KIM, ANN, BEA)
        elif sign == "spam":
            content = f"From: {account}\r\nSubject: x\r\n\r\n{GTUBE}\r\n"
        elif sign == "bounces":
            to = (f"nobody{number}@refusing.test",)
        if sign == "bounces" and number == 10:  # they come back in their own time
            until(lambda: held(desk, account))
        if not goes_on(node, account, source, content, *to):
            return number
    return MOST


def held(desk: Desk, account: str = "") -> list[str]:
    """Lines of the list of holds."""
    return [line for line in desk.ask("account", "list") if account in line]


@pytest.mark.spec_part("OUT-5")
def test_each_sign_of_a_stolen_password_stops_the_account_alone(node: Node) -> None:
    """What is allowed passes, and what comes next is refused, or soon after: workers count together within
    moments; the hold says which sign
    it was, and nobody else is stopped. Of places the first that an account uses is none too many."""
    refusing = ScriptedHost(lambda step, connection, argument: "550 5.1.1 no such user" if step == "RCPT" else None)
    measures = {"messages": 5, "recipients": 10, "bounces": 3, "spam": 2, "networks": 3, "clients": 4}
    allowed = {"messages": 5, "recipients": 3, "bounces": 4, "spam": 2, "networks": 4, "clients": 5}
    usual = {"messages": 5 * ALLOWED, "recipients": 1000, "bounces": 50, "spam": 10, "networks": 5, "clients": 12}
    with in_background(refusing), Desk(node) as desk:
        desk.ask("antispam", "set", "outgoing", "mark")
        desk.ask("route", "add", "refusing.test", f"127.0.0.1:{refusing.port}")
        for sign, measure in measures.items():
            desk.ask("watch", "set", sign, str(measure))
            assert allowed[sign] <= as_thieves_do(node, desk, sign) < MOST, sign
            [line] = until(lambda sign=sign: held(desk, VICTIMS[sign]))
            assert shlex.split(line)[2] == sign
            desk.ask("watch", "set", sign, str(usual[sign]))
        assert goes_on(node, ANN, "127.0.0.1")
        assert len(held(desk)) == len(VICTIMS)
        for account in VICTIMS.values():
            desk.ask("account", "release", account)
