"""Every action that a filter can have, on a running node, seen where it has its effect: mailboxes, quarantine, hosts (CON-2).

The filters are made by operations, from phrases; a message says in X-Do which of them it is for.
"""

from __future__ import annotations

import email
import email.message
import email.policy
import shlex
import smtplib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import get_args

import pytest

from posthouse.content.filters.model import Action
from posthouse.content.filters.phrases import actions_of
from support import archives
from support.clients import subjects
from support.node import PASSWORD, Node, running, until
from support.scripted_host import ScriptedHost, in_background

pytestmark = pytest.mark.timeout(240)
JANE, OMAR, UNA = "jane@example.test", "omar@example.org", "una@example.test"
EXE, ZIP = b"MZ\x90\x00 not a program", archives.zipped({"inside/run.exe": b"x"})
ACTIONS = {
    "reject": "reject 'Not with us'",
    "discard": "discard",
    "quarantine": "quarantine caught",
    "redirect": f"redirect {OMAR}",
    "redirect-copy": f"redirect {OMAR} copy",
    "wiretap": f"wiretap {OMAR}",
    "excerpt": f"excerpt {OMAR} chars=60",
    "deliver-now": "change_score 300; deliver_now",
    "move": "move_to Moved create",
    "move-copy": "move_to Copies copy create",
    "tag": "tag_subject '[outside] '",
    "add": "add_header X-Added 'by a filter'",
    "remove": "remove_header X-Unwanted",
    "footer": "add_footer 'Footer of the site.'",
    "strip-filename": "strip_attachments *.exe notice='Taken out.'",
    "strip-declared": "strip_attachments application/x-*program by=declared notice='Taken out.'",
    "strip-detected": "strip_attachments application/zip by=detected notice='Taken out.'",
    "strip-member": "strip_attachments *.exe by=member notice='Taken out.'",
    "replace": "replace_parts text/plain 'Another text.'",
    "score": "change_score 60",
    "score-less": "change_score 60; change_score -20",
    "flag": "set_flags \\Flagged",
    "notify": f"notify {OMAR} text='News of a filter'",
    "delay": "delay 2",
    "route": "route {host}",
    "require-tls": "route {host}; require_tls",
    "keep": "keep",
}
REPLY = "reply 'I am away.' subject='Away' days=0"


@dataclass
class Site:
    node: Node
    host: ScriptedHost


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    host = ScriptedHost()
    services = ("smtp", "submission", "imap", "pop3")
    with in_background(host), running(tmp_path_factory.mktemp("actions"), services=services, workers=1) as node:
        lines = [
            f"user add {UNA} --password {PASSWORD!r}",
            'setting set antispam.engines ""',
            "setting set queue.allow_loopback on",
        ]
        for name, do in ACTIONS.items():
            words = shlex.quote(do.format(host=f"127.0.0.1:{host.port}"))
            lines.append(f"filter add {name} --system --when 'header X-Do is {name}' --do {words}")
        lines.append(f"filter add reply --user {JANE} --when 'header X-Do is reply' --do {shlex.quote(REPLY)}")
        lines.append("filter add bounce --domain example.test --when 'header X-Do is bounce' --do \"reject 'Not for us'\"")
        done = node.run("shell", stdin="\n".join(lines))
        assert not done.stderr, done.stderr
        yield Site(node, host)


def send(
    site: Site, name: str, *recipients: str, attachment: tuple[str, str, bytes] | None = None, unwanted: bool = False
) -> None:
    """By submission, as una."""
    made = email.message.EmailMessage(policy=email.policy.SMTP)
    made["From"], made["To"], made["Subject"], made["X-Do"] = UNA, recipients[0] if recipients else JANE, name, name
    if unwanted:
        made["X-Unwanted"] = "yes"
    made.set_content("Hello, this is a plain message of a few more words than fit.\r\n")
    if attachment is not None:
        made.add_attachment(attachment[2], maintype="application", subtype=attachment[1], filename=attachment[0])
    with site.node.smtp("submission") as client:
        client.login(UNA, PASSWORD)
        client.sendmail(UNA, recipients or (JANE,), made.as_bytes())


def got(site: Site, subject: str, user: str = JANE, mailbox: str = "INBOX") -> email.message.Message:
    """The one message of this subject, once it is there."""

    def look() -> list[bytes]:
        with site.node.imap(user) as client:
            if client.select(f'"{mailbox}"', readonly=True)[0] != "OK":
                return []
            found = client.search(None, "SUBJECT", f'"{subject}"')[1][0].split()
            return [client.fetch(number, "(BODY.PEEK[])")[1][0][1] for number in found]  # type: ignore[index, misc]

    (content,) = until(look, 60)
    return email.message_from_bytes(content)


def nowhere(site: Site, subject: str, *users: str) -> bool:
    return not any(subject in subjects(site.node, user, box) for user in users or (JANE,) for box in ("INBOX", "Junk Mail"))


@pytest.mark.spec("CON-2")
def test_every_action_does_what_it_says(site: Site) -> None:
    _what_ends_the_way(site)
    _where_it_goes(site)
    _what_changes(site)
    _what_is_said_of_it(site)
    _when_and_how_it_leaves(site)


def _what_ends_the_way(site: Site) -> None:
    with pytest.raises(smtplib.SMTPDataError) as refused:
        send(site, "reject", JANE, OMAR)
    assert (refused.value.smtp_code, refused.value.smtp_error) == (550, b"5.7.1 Not with us")
    send(site, "bounce", JANE, OMAR)
    assert got(site, "bounce", OMAR)
    bounces = lambda: [m for m in _inbox(site, UNA) if m.get_content_type() == "multipart/report"]  # noqa: E731
    (bounce,) = until(bounces, 60)
    assert "Not for us" in bounce.as_string()
    assert JANE in bounce.as_string()
    send(site, "discard")
    send(site, "quarantine")
    (held,) = site.node.json("quarantine", "list", "--name", "caught")
    assert (held["kind"], held["subject"], held["recipient"]) == ("filter", "quarantine", JANE)
    assert all(nowhere(site, subject) for subject in ("reject", "bounce", "discard", "quarantine"))


def _where_it_goes(site: Site) -> None:
    send(site, "keep")
    assert got(site, "keep")
    send(site, "nothing")
    assert got(site, "nothing"), "what no filter speaks of is delivered"
    send(site, "redirect")
    assert got(site, "redirect", OMAR)
    assert nowhere(site, "redirect")
    for name in ("redirect-copy", "wiretap"):
        send(site, name)
        assert OMAR.encode() not in got(site, name).as_bytes()
        assert got(site, name, OMAR)
    send(site, "excerpt")
    assert got(site, "excerpt")
    (short,) = until(lambda: [m for m in _inbox(site, OMAR) if "Hello, this is" in m.as_string() and m["X-Do"] is None], 60)
    assert "than fit" not in short.as_string()
    assert UNA in short.as_string()
    send(site, "move")
    assert got(site, "move", mailbox="Moved")
    assert nowhere(site, "move")
    send(site, "move-copy")
    assert got(site, "move-copy", mailbox="Copies")
    assert got(site, "move-copy")
    send(site, "score")
    assert got(site, "score", mailbox="Junk Mail")
    for name in ("score-less", "deliver-now"):
        send(site, name)
        assert got(site, name), "not spam, or no more asked"


def _what_changes(site: Site) -> None:
    send(site, "tag")
    assert got(site, "tag")["Subject"] == "[outside] tag"
    send(site, "add")
    assert got(site, "add")["X-Added"] == "by a filter"
    send(site, "remove", unwanted=True)
    assert got(site, "remove")["X-Unwanted"] is None
    send(site, "footer")
    text = _text(got(site, "footer"))
    assert text.index("plain message") < text.index("Footer of the site.")
    send(site, "replace")
    assert _text(got(site, "replace")).strip() == "Another text."
    for by, name, kind, octets in (
        ("filename", "bad.EXE", "octet-stream", b"x"),
        ("declared", "bad", "x-msprogram", b"x"),
        ("detected", "harmless.txt", "octet-stream", ZIP),
        ("member", "many.zip", "zip", ZIP),
    ):
        send(site, f"strip-{by}", attachment=(name, kind, octets))
        stripped = got(site, f"strip-{by}")
        assert not [part for part in stripped.walk() if part.get_payload(decode=True) == octets], by
        assert any("Taken out." in _text(part) for part in stripped.walk() if part.get_content_maintype() == "text"), by
        assert "plain message" in stripped.as_string()
    send(site, "strip-filename-not", attachment=("good.txt", "octet-stream", EXE))
    assert [part for part in got(site, "strip-filename-not").walk() if part.get_payload(decode=True) == EXE]
    send(site, "flag")
    assert got(site, "flag")
    with site.node.imap(JANE) as client:
        client.select("INBOX", readonly=True)
        assert client.search(None, "FLAGGED", "SUBJECT", '"flag"')[1][0].split()


def _what_is_said_of_it(site: Site) -> None:
    send(site, "reply")
    assert got(site, "reply")
    answer = got(site, "Away", UNA)
    assert "I am away." in _text(answer)
    assert answer["Auto-Submitted"].startswith("auto-replied")
    send(site, "notify")
    assert got(site, "notify")
    assert until(lambda: [m for m in _inbox(site, OMAR) if "News of a filter" in m.as_string()], 60)


def _when_and_how_it_leaves(site: Site) -> None:
    send(site, "delay")
    assert got(site, "delay")
    assert "holds it back for 2 s" in site.node.run("mail", "trace", UNA).stdout
    send(site, "route", "x@far.test")
    until(lambda: [heard for heard in site.host.heard if b"Subject: route" in heard.content], 60)
    send(site, "require-tls", "x@far.test")
    until(lambda: [m for m in _inbox(site, UNA) if "Subject: require-tls" in m.as_string() and "TLS" in m.as_string()], 60)
    assert not [heard for heard in site.host.heard if b"Subject: require-tls" in heard.content], "the host has no TLS"


def _inbox(site: Site, user: str) -> list[email.message.Message]:
    with site.node.imap(user) as client:
        client.select("INBOX", readonly=True)
        found = client.search(None, "ALL")[1][0].split()
        return [email.message_from_bytes(client.fetch(n, "(BODY.PEEK[])")[1][0][1]) for n in found]  # type: ignore[index, arg-type]


def _text(message: email.message.Message) -> str:
    part = next((each for each in message.walk() if each.get_content_type() == "text/plain"), message)
    octets = part.get_payload(decode=True)
    assert isinstance(octets, bytes)
    return octets.decode()


def test_every_action_of_the_language_is_in_the_table() -> None:
    used = {type(action) for do in (*ACTIONS.values(), REPLY) for action in actions_of(do.format(host="h:1"))}
    assert used == set(get_args(Action))
