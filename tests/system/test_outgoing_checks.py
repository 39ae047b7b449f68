"""Mail that users send passes filters, virus and spam checks, keeps to rates, and a spamming account is stopped: all of row
OUT-5 on a running node, with ClamAV.
"""

from __future__ import annotations

import smtplib
import time
from collections.abc import Iterator

import pytest

from support.clamav import MARKER, Clamd
from support.node import PASSWORD, Node, running, until
from support.spam_engines import GTUBE

JANE, OMAR, KIM, BEA = "jane@example.test", "omar@example.org", "kim@example.test", "bea@example.test"
FAR = "friend@far.test"


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    folder = tmp_path_factory.mktemp("outgoing")
    services = ("smtp", "submission", "imap")
    with Clamd(folder / "clamd") as clamd, running(folder / "node", services=services, workers=1) as started:
        for user in (KIM, BEA):
            started.add_user(user)
        started.run("user", "add", "boss@example.test", "--password", PASSWORD, "--role", "administrator")
        started.run("alias", "add", "postmaster@example.test", "boss@example.test")
        started.run("setting", "set", "route.smart_host", "127.0.0.1:9")  # nobody there: what leaves stays in the queue
        started.run("setting", "set", "antivirus.engines", clamd.tcp)
        started.run("antispam", "set", "outgoing", "refuse")
        started.run("filter", "add", "Secrets", "--system", "--when", "subject contains secret", "--do", "reject 'Not outside'")
        yield started


def said(node: Node, user: str, *recipients: str, subject: str = "Hello", body: str = "Hi.") -> tuple[int, str]:
    """The answer to the whole message, or to the first recipient that was not taken; 421 where the session was ended."""
    client = node.smtp("submission")
    try:
        client.login(user, PASSWORD)
        code, text = client.mail(user)
        for recipient in recipients or (FAR,):
            if code == 250:
                code, text = client.rcpt(recipient)
        if code == 250:
            code, text = client.data(f"From: {user}\r\nSubject: {subject}\r\n\r\n{body}\r\n")
        return code, text.decode()
    except (smtplib.SMTPServerDisconnected, smtplib.SMTPResponseException):
        return 421, ""
    finally:
        client.close()


def in_force(node: Node, group: str, **values: int | str) -> None:
    for key, value in values.items():
        node.run(group, "set", key, str(value))
    time.sleep(0.3)


@pytest.mark.spec("OUT-5")
def test_outgoing_mail_passes_what_is_set_within_its_rates_and_a_spamming_account_is_stopped(node: Node) -> None:
    until(lambda: said(node, JANE, subject="a secret")[0] == 550)
    assert said(node, JANE)[0] == 250
    code, text = said(node, JANE, subject="a secret")
    assert (code, "Not outside" in text) == (550, True)
    code, text = said(node, JANE, body=MARKER.decode())
    assert code == 554 and "infected" in text, text
    assert said(node, JANE, body=GTUBE.decode())[0] == 550
    in_force(node, "antispam", outgoing="off")
    assert said(node, JANE, body=GTUBE.decode())[0] == 250, "as set"

    # rates: of the account, of its domain, of the node; counted while they are set
    rates = {"user_rate": {KIM: 250, OMAR: 250}, "domain_rate": {KIM: 450, OMAR: 250}, "node_rate": {KIM: 450, OMAR: 450}}
    for key, others in rates.items():
        in_force(node, "submission", **{key: 1})
        assert [said(node, JANE)[0] for _ in range(2)] == [250, 450], key
        assert {user: said(node, user)[0] for user in others} == others, key
        in_force(node, "submission", **{key: 0})
    assert said(node, JANE)[0] == 250

    # an account that suddenly sends spam: stopped, its queue held, an alert; nobody else is
    in_force(node, "antispam", outgoing="mark")
    in_force(node, "watch", spam=3)
    answers = [said(node, BEA, body=f"{GTUBE.decode()} {number}")[0] for number in range(6)]
    assert answers[0] == 250 and answers[-1] in (421, 550), answers
    until(lambda: said(node, BEA)[0] == 550)
    assert "ask your administrator" in said(node, BEA)[1]
    [hold] = node.json("account", "list")
    assert (hold["account"], hold["sign"], hold["who"]) == (BEA, "spam", "watch")
    assert {row["state"] for row in node.json("queue", "list", "--account", BEA)} == {"held"}
    assert {row["state"] for row in node.json("queue", "list", "--account", JANE)} == {"waiting"}
    assert said(node, JANE)[0] == 250
    boss = node.imap("boss@example.test")

    def told() -> bool:
        boss.select("INBOX")
        return len(boss.search(None, "SUBJECT", f'"Account held: {BEA}"')[1][0].split()) == 1

    until(told)
    boss.logout()
