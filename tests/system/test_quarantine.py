"""Held mail on a real node: held by filters, looked at, released, sent back, deleted; by itself after a time; under kill -9."""

from __future__ import annotations

import contextlib
import smtplib
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from email.policy import SMTP
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from support.asking import Asking
from support.clamav import MARKER, MARKER_NAME, Clamd
from support.clients import Proxied
from support.desk import Desk
from support.node import PASSWORD, Node, running, until
from support.soundness import unsound
from support.zone import Zone

JANE, OMAR = "jane@example.test", "omar@example.org"
ADA, DORA = "ada@example.test", "dora@example.org"
STRANGERS = "antivirus.action = quarantine\nsmtp.proxy_networks = 127.0.0.2/32\nsmtp.tarpit_s = 0\nsmtp.sender_check = off\n"
MAIL = "From: Lena <lena@elsewhere.test>\r\nTo: jane@example.test\r\nSubject: {subject}\r\n\r\nThe text of it.\r\n"


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    folder = tmp_path_factory.mktemp("quarantine")
    services = ("smtp", "submission", "imap", "admin")
    with Zone() as zone, running(folder, services=services, workers=1, extra=zone.toml) as started:
        started.run("user", "add", ADA, "--password", PASSWORD, "--role", "quarantine-administrator")
        started.run("user", "add", DORA, "--password", PASSWORD, "--role", "domain-administrator")
        started.run("filter", "add", "Secrets", "--system", "--when", "subject contains secret", "--do", "quarantine secrets")
        started.run("filter", "add", "Slow", "--system", "--when", "subject contains slow", "--do", "delay 3")
        yield started


def held(node: Node, *words: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = Asking(node).ask("quarantine", "list", *words)
    return found


def subjects(node: Node, login: str) -> list[str]:
    client = node.imap(login)
    client.select("INBOX")
    _, data = client.fetch("1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
    client.logout()
    return [item[1].decode().partition(":")[2].strip() for item in data if isinstance(item, tuple)]


@pytest.mark.spec("QTN-1")
def test_the_four_kinds_of_quarantine_and_what_becomes_of_what_they_hold(node: Node, tmp_path: Path) -> None:
    """Held, listed, looked at, released, rejected, deleted by operations; each kind by its own rules, for each role."""
    with Clamd(tmp_path) as clamd, Desk(node, user=ADA) as ada, Desk(node, user=DORA) as dora:
        node.run("setting", "import", stdin=f"antivirus.engines = {clamd.tcp}\n{STRANGERS}")
        try:
            what_holds_a_virus_is_never_released(node, ada, dora)
            an_outbreak_is_held_for_a_time(node, ada, dora)
        finally:
            Asking(node).ask("setting", "reset", "antivirus.engines")
        filters_hold_in_a_quarantine_for_each_policy(node, ada, dora)
        junk_is_held_for_each_user_apart(node, ada, dora)


def what_holds_a_virus_is_never_released(node: Node, ada: Desk, dora: Desk) -> None:
    until(lambda: sent(node, with_attachment("probe", MARKER)) and held(node, "--kind", "virus"), 60, step_s=0.5)
    assert sent(node, with_attachment("infected", MARKER))
    with node.smtp("submission") as client:
        client.login(OMAR, PASSWORD)
        client.sendmail(OMAR, [JANE], with_attachment("infected by omar", MARKER))
    by_omar, by_lena = (str(row["held_id"]) for row in held(node, "--kind", "virus")[:2])
    assert "".join(ada.ask("quarantine", "show", by_lena)).count(MARKER_NAME) == 1
    never = "what holds a virus is never released"
    assert never in ada.refused("quarantine", "release", by_lena)
    assert never in ada.refused("quarantine", "release", by_lena, "--allow")
    assert "only what a filter holds" in ada.refused("quarantine", "reject", by_lena)
    assert "there is no message" in dora.refused("quarantine", "release", by_omar), "another domain's"
    ada.ask("quarantine", "inform", by_lena)
    until(lambda: any("is held back" in subject for subject in subjects(node, JANE)))
    assert "may not be who sent it" in ada.refused("quarantine", "inform", by_lena, "--sender")
    ada.ask("quarantine", "inform", by_omar, "--sender")
    until(lambda: "Please send a clean copy of your message" in subjects(node, OMAR))
    assert {by_omar, by_lena} <= {str(row["held_id"]) for row in held(node, "--kind", "virus")}, "it stays"
    assert not any("infected" in subject for subject in subjects(node, JANE))
    ada.ask("quarantine", "delete", *(str(row["held_id"]) for row in held(node, "--kind", "virus")))
    assert held(node, "--kind", "virus") == []


def an_outbreak_is_held_for_a_time(node: Node, ada: Desk, dora: Desk) -> None:
    """What an address sends that could do harm, now that it has sent viruses."""
    for subject in ("program one", "program two"):
        assert sent(node, with_attachment(subject, b"MZ" + subject.encode() * 50))
    two, one = held(node, "--kind", "outbreak", "--search", "program")
    assert (two["subject"], one["subject"]) == ("program two", "program one")
    assert one["release"] > one["held"], "then it goes by itself"
    assert "there is no message" in dora.refused("quarantine", "release", str(one["held_id"]))
    ada.ask("quarantine", "release", str(one["held_id"]))
    ada.ask("quarantine", "delete", str(two["held_id"]))
    assert [subject for subject in subjects(node, JANE) if "program" in subject] == ["program one"]


def filters_hold_in_a_quarantine_for_each_policy(node: Node, ada: Desk, dora: Desk) -> None:
    Asking(node).ask("filter", "add", "Offers", "--system", "--when", "subject contains offer", "--do", "quarantine offers")
    until(lambda: sent(node, with_attachment("probing offer")) and held(node, "--kind", "filter", "--name", "offers"), 60)
    assert sent(node, with_attachment("an offer"))
    with node.smtp("submission") as client:
        client.login(OMAR, PASSWORD)
        client.sendmail(OMAR, [JANE], with_attachment("secret four"))
    (secret,) = held(node, "--name", "secrets", "--search", "secret four")
    offer = str(held(node, "--name", "offers")[0]["held_id"])
    assert not any(row["subject"] == "secret four" for row in held(node, "--name", "offers"))
    assert "there is no message" in dora.refused("quarantine", "release", offer), "another domain's"
    dora.refused("quarantine", "reject", offer)
    before = len(subjects(node, OMAR))
    ada.ask("quarantine", "release", offer)
    ada.ask("quarantine", "reject", str(secret["held_id"]), "--reason", "Ask first")
    until(lambda: len(subjects(node, OMAR)) > before)
    assert subjects(node, JANE).count("an offer") == 1
    assert "secret four" not in subjects(node, JANE)


def junk_is_held_for_each_user_apart(node: Node, ada: Desk, dora: Desk) -> None:
    Asking(node).ask("filter", "add", "Lotto", "--system", "--when", "subject contains lotto", "--do", "change_score 70")
    for user in (JANE, OMAR):
        Asking(node).ask("junk", "set", "--user", user, "--action", "quarantine")

    def are_held_for() -> set[str]:
        assert sent(node, with_attachment("lotto probe"), JANE, OMAR)
        return {row["quarantine"] for row in held(node, "--kind", "junk", "--search", "lotto probe")}

    until(lambda: are_held_for() == {JANE, OMAR}, 60)
    assert sent(node, with_attachment("lotto for all"), JANE, OMAR)
    rows = held(node, "--kind", "junk", "--search", "lotto for all")
    assert {row["quarantine"] for row in rows} == {JANE, OMAR}
    of_jane, of_omar = (str(next(row["held_id"] for row in rows if row["quarantine"] == user)) for user in (JANE, OMAR))
    seen = "".join(dora.ask("quarantine", "list"))
    assert OMAR in seen
    assert JANE not in seen, "an administrator of a domain sees what is for it"
    assert JANE in "".join(ada.ask("quarantine", "list", "--kind", "junk"))
    assert "there is no message" in dora.refused("quarantine", "release", of_jane)
    dora.ask("quarantine", "release", of_omar)
    assert "lotto for all" in subjects(node, OMAR)
    assert "lotto for all" not in subjects(node, JANE)
    for user in (JANE, OMAR):
        Asking(node).ask("junk", "set", "--user", user, "--action", "inherit")
    ada.ask("quarantine", "delete", *(str(row["held_id"]) for row in held(node, "--kind", "junk", "--search", "lotto")))


def with_attachment(subject: str, octets: bytes = b"") -> bytes:
    made = EmailMessage(policy=SMTP)
    made["From"], made["To"], made["Subject"] = "lena@elsewhere.test", JANE, subject
    made.set_content("The text of it.\r\n")
    if octets:
        made.add_attachment(octets, maintype="application", subtype="octet-stream", filename="tool.exe")
    return made.as_bytes()


def sent(node: Node, content: bytes, *recipients: str) -> bool:
    """By a stranger; whether it was accepted."""
    try:
        with Proxied(node.ports["smtp"], "203.0.113.66") as client:
            client.sendmail("lena@elsewhere.test", recipients or (JANE,), content)
    except smtplib.SMTPDataError:
        return False
    return True


def send(node: Node, subject: str, *recipients: str) -> None:
    with node.smtp() as client:
        client.sendmail("lena@elsewhere.test", recipients or (JANE,), MAIL.format(subject=subject).encode())


@pytest.mark.spec("QTN-6")
@pytest.mark.spec_part("QTN-1", "QTN-4", "CON-2")
def test_what_a_filter_holds_is_accepted_looked_at_and_released_once(node: Node) -> None:
    send(node, "a secret", JANE, OMAR)
    rows = held(node, "--search", "a secret")
    assert [(row["kind"], row["quarantine"], row["recipient"]) for row in rows] == [
        ("filter", "secrets", OMAR),
        ("filter", "secrets", JANE),
    ]
    assert "Secrets" in rows[0]["why"] or "holds it in quarantine secrets" in rows[0]["why"]
    assert "a secret" not in subjects(node, JANE)
    jane = str(rows[1]["held_id"])
    shown = node.json("quarantine", "show", jane)
    assert (shown["sender"], shown["text"].strip(), shown["client"]) == (
        "lena@elsewhere.test",
        "The text of it.",
        "[127.0.0.1]",
    )
    (done,) = node.json("quarantine", "release", jane)
    assert done["outcome"] == "accepted"
    assert subjects(node, JANE).count("a secret") == 1
    again = node.run("quarantine", "release", jane, check=False)
    assert again.returncode != 0 and "there is no message" in again.stderr
    assert subjects(node, JANE).count("a secret") == 1
    story = node.run("mail", "trace", JANE).stdout
    assert "holds it in quarantine secrets" in story and "from secrets by" in story
    omar = str(rows[0]["held_id"])
    node.run("quarantine", "delete", omar)
    assert node.run("quarantine", "show", omar, check=False).returncode != 0
    audited = [(row["operation"], row["arguments"], row["outcome"]) for row in node.json("audit", "list")]
    assert ("quarantine list", "search=a secret", "ok") in audited
    assert ("quarantine show", f"held_id={jane}", "ok") in audited
    assert ("quarantine release", f"held_ids={jane}", "ok") in audited
    assert ("quarantine release", f"held_ids={jane}", f"there is no message {jane} in the quarantine") in audited
    assert ("quarantine delete", f"held_ids={omar}", "ok") in audited
    assert ("quarantine show", f"held_id={omar}", f"there is no message {omar} in the quarantine") in audited


@pytest.mark.spec_part("QTN-1")
def test_what_a_filter_holds_is_deleted_or_goes_back_to_a_known_sender(node: Node) -> None:
    send(node, "secret one")
    with node.smtp("submission") as client:
        client.login(OMAR, PASSWORD)
        client.sendmail(OMAR, [JANE], MAIL.format(subject="secret two").encode())
    two, one = (str(row["held_id"]) for row in held(node, "--search", "secret ")[:2])
    (done,) = node.json("quarantine", "delete", one)
    assert done["outcome"] == "deleted"
    (done,) = node.json("quarantine", "reject", two, "--reason", "Ask first")
    assert (done["outcome"], "its sender is told" in done["detail"]) == ("refused", True)
    assert subjects(node, OMAR) != []
    assert not any(subject.startswith("secret ") for subject in subjects(node, JANE))


@pytest.mark.spec_part("CON-2")
def test_a_delayed_message_arrives_by_itself(node: Node) -> None:
    send(node, "slow one")
    (row,) = held(node, "--name", "delayed")
    assert row["release"]
    assert "slow one" not in subjects(node, JANE)
    until(lambda: "slow one" in subjects(node, JANE), 20)
    assert held(node, "--name", "delayed") == []


def test_quarantine_administrators_see_it_by_the_protocol_and_users_their_own_only(node: Node) -> None:
    send(node, "secret three")
    found = node.json("quarantine", "stats")
    assert ("filter", "secrets") in [(row["kind"], row["quarantine"]) for row in found]
    assert held(node)


@pytest.mark.spec_part("QTN-2", "QTN-4", "CON-11")
def test_a_users_junk_is_held_and_a_release_that_allows_spares_the_sender_from_then_on(node: Node) -> None:
    node.run("filter", "add", "Pills", "--system", "--when", "subject contains pills", "--do", "change_score 70")
    node.run("junk", "set", "--user", OMAR, "--action", "quarantine")
    send(node, "pills one", OMAR)
    send(node, "pills two", OMAR)
    rows = held(node, "--kind", "junk")
    assert [(row["quarantine"], row["subject"], row["score"] >= 50) for row in rows] == [
        (OMAR, "pills two", True),
        (OMAR, "pills one", True),
    ]
    assert not any("pills" in subject for subject in subjects(node, OMAR))
    (done,) = node.json("quarantine", "release", str(rows[1]["held_id"]), "--allow")
    assert "lena@elsewhere.test is allowed from now on" in done["detail"]
    client = node.imap(OMAR)
    client.select("INBOX")
    _, data = client.search(None, "KEYWORD", "$NotJunk", "SUBJECT", "pills")
    client.logout()
    assert len(data[0].split()) == 1
    send(node, "pills three", OMAR)
    assert [subject for subject in subjects(node, OMAR) if "pills" in subject] == ["pills one", "pills three"]
    assert [row["subject"] for row in held(node, "--kind", "junk")] == ["pills two"]


@pytest.mark.spec_part("QTN-1", "QTN-4")
def test_a_crash_while_held_mail_comes_and_goes_loses_none_and_doubles_none(tmp_path: Path) -> None:
    with running(tmp_path, services=("smtp", "imap"), workers=1) as node:
        node.run("filter", "add", "All", "--system", "--when", "subject starts n", "--do", "quarantine all")
        sure: list[str] = []
        for enough in (80, 160):
            crash_while(
                node, partial(until, lambda enough=enough: len(sure) >= enough, step_s=0.001), partial(flood, node, sure)
            )
            assert set(sure) <= set(accounted(node))
        expected = accounted(node)
        for share in (0.2, 0.6):
            crash_while(node, partial(until_released, node, expected.total() * share), partial(release, node, ids(node)))
            assert accounted(node) == expected
        release(node, ids(node))
        assert (accounted(node), held(node)) == (expected, [])
        assert node.json("store", "check")["sound"]
        assert unsound(node.folder / "data") == []


def flood(node: Node, sure: list[str]) -> None:
    with contextlib.suppress(smtplib.SMTPException, OSError), node.smtp() as client:
        for number in range(len(sure), len(sure) + 2000):
            client.sendmail("lena@elsewhere.test", [JANE], MAIL.format(subject=f"n{number}").encode())
            sure.append(f"n{number}")


def ids(node: Node) -> list[str]:
    return [str(row["held_id"]) for row in held(node, "--limit", "1000")]


def release(node: Node, held_ids: list[str]) -> None:
    node.run("quarantine", "release", *held_ids, check=False)


def until_released(node: Node, count: float) -> None:
    client = node.imap(JANE)
    client.select("INBOX")
    until(lambda: int(client.status("INBOX", "(MESSAGES)")[1][0].rstrip(b")").rpartition(b" ")[2]) >= count, step_s=0.005)
    client.shutdown()


def crash_while(node: Node, reached: Callable[[], object], target: Callable[[], object]) -> None:
    thread = threading.Thread(target=target)
    thread.start()
    reached()
    node.kill()
    thread.join()
    node.start()


def accounted(node: Node) -> Counter[str]:
    """What is held and what is in the inbox, together."""
    return Counter(row["subject"] for row in held(node, "--limit", "1000")) + Counter(subjects(node, JANE))
