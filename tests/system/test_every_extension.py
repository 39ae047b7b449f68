"""Each Sieve extension, in a script that a user uploads by ManageSieve to a running node, seen in its effect (CON-3)."""

from __future__ import annotations

import email
import email.message
import email.policy
import json
import smtplib
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from posthouse.content.filters import Filter
from support.node import PASSWORD, Node, running, until

managesieve = pytest.importorskip("managesieve")
pytestmark = pytest.mark.timeout(180)
JANE, OMAR = "jane@example.test", "omar@example.org"

DOES = {
    "fileinto": 'fileinto "Filed"; stop;',
    "reject": 'reject "Not for me"; stop;',
    "copy": 'fileinto :copy "Filed"; redirect :copy "omar@example.org";',
    "envelope": 'if not envelope :domain :is "from" "elsewhere.test" { stop; }',
    "body": 'if not body :content "text" :contains "überfällig" { stop; }',
    "variables": 'set :upperfirst "who" "jane"; if string :is "${who}" "Jane" { addheader "X-Said" "${who} it is"; }',
    "vacation": 'vacation :days 1 :subject "Away" "I am away.";',
    "relational": 'if not header :count "ge" :comparator "i;ascii-numeric" "x-many" "2" { stop; }',
    "regex": 'if not header :regex "subject" "^ext (reg|rag)ex$" { stop; }',
    "imap4flags": 'setflag "\\\\Flagged"; addflag "$Important"; if not hasflag "$important" { stop; }',
    "subaddress": 'if not envelope :detail :is "to" "tag" { stop; }',
    "editheader": 'deleteheader "X-Unwanted"; addheader :last "X-Said" "edited";',
    "duplicate": 'if duplicate { fileinto "Twice"; stop; }',
    "mailbox": 'if mailboxexists "Fresh" { stop; } fileinto :create "Fresh"; stop;',
    "spamtest": 'if not spamtest :value "ge" :comparator "i;ascii-numeric" "5" { stop; }',
    "virustest": 'if not virustest :value "eq" :comparator "i;ascii-numeric" "0" { stop; }',
    "enotify": 'notify :message "News from Sieve" "mailto:omar@example.org";',
    "include": 'include :personal "common"; include :global "site";',
    "date": 'if not allof (date :value "ge" "date" "year" "2026", currentdate :value "ge" "year" "2026") { stop; }',
    "index": 'if not header :index 2 :is "x-many" "two" { stop; }',
    "mime": 'if not header :mime :anychild :contenttype :is "content-type" "application/x-thing" { stop; }',
    "foreverypart": 'foreverypart { if header :mime :param "filename" :is "content-disposition" "bad.bin"'
    ' { replace "Gone."; } }',
    "extracttext": 'foreverypart { if header :mime :contenttype :is "content-type" "text/plain"'
    ' { extracttext :first 5 "begin"; break; } } addheader "X-Said" "${begin}";',
}
"""What a message is to have done to it whose X-Ext names the extension; unless it stops, X-Did is added then."""
REQUIRE = (*DOES, "replace", "comparator-i;ascii-numeric")
SCRIPT = f"require {json.dumps(REQUIRE)};\r\n" + "".join(
    f'if header :is "x-ext" "{name}" {{\r\n    {does}\r\n    addheader "X-Did" "{name}";\r\n}}\r\n'
    for name, does in DOES.items()
)
COMMON = 'require "editheader"; addheader "X-Said" "common";'
SITE = 'require "editheader"; if header :is "x-ext" "include" { addheader "X-Said" "site"; }'
"""The domain's, which is run for itself too."""


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    services = ("smtp", "imap", "managesieve")
    with running(tmp_path_factory.mktemp("extensions"), services=services, workers=1) as started:
        lines = [
            'setting set antispam.engines ""',
            "filter add points --system --when 'header X-Points exists' --do 'change_score 60'",
        ]
        done = started.run("shell", stdin="\n".join(lines))
        assert not done.stderr, done.stderr
        started.run("filter", "load", "--domain", "example.test", "--script", "site", stdin=SITE)
        with started.imap(JANE) as client:
            for name in ("Filed", "Twice"):
                client.create(name)
        yield started


def sieve(node: Node) -> Any:
    client = managesieve.MANAGESIEVE("127.0.0.1", node.ports["managesieve"])
    assert client.login("", JANE, PASSWORD) == "OK"
    return client


def send(
    node: Node, name: str, *, fields: tuple[tuple[str, str], ...] = (), to: str = JANE, sender: str = "a@elsewhere.test"
) -> None:
    made = email.message.EmailMessage(policy=email.policy.SMTP)
    made["From"], made["To"], made["Subject"], made["X-Ext"] = sender, JANE, f"ext {name}", name
    made["Date"], made["Message-ID"] = "Tue, 24 Nov 2026 10:00:00 +0000", f"<{name}@extensions.test>"
    for field, value in fields:
        made[field] = value
    made.set_content("Hello, it is überfällig.\r\n")
    made.add_attachment(b"octets of a thing", maintype="application", subtype="x-thing", filename="bad.bin")
    with node.smtp() as client:
        client.sendmail(sender, to, made.as_bytes())


def got(node: Node, subject: str, user: str = JANE, mailbox: str = "INBOX") -> email.message.Message:
    """The one message of this subject, once it is there; its flags stand in X-Flags."""

    def look() -> list[tuple[bytes, bytes]]:
        with node.imap(user) as client:
            if client.select(f'"{mailbox}"', readonly=True)[0] != "OK":
                return []
            found = client.search(None, "SUBJECT", f'"{subject}"')[1][0].split()
            return [client.fetch(number, "(FLAGS BODY.PEEK[])")[1][0] for number in found]  # type: ignore[misc]

    ((about, content),) = until(look, 60)
    message = email.message_from_bytes(content)
    message["X-Flags"] = about.decode()
    return message


@pytest.mark.spec_part("CON-3")
def test_every_extension_does_its_work_in_a_users_uploaded_script(node: Node) -> None:
    """All of CON-3 but the web pages' forms, which come with them; their JSON form is shown below."""
    client = sieve(node)
    assert set(DOES) <= set(client.capabilities)
    assert client.putscript("common", COMMON) == "OK", client.response_text
    assert client.putscript("main", SCRIPT) == "OK", client.response_text
    assert client.setactive("main") == "OK"
    assert client.getscript("main") == ("OK", SCRIPT)
    client.logout()

    many = (("X-Many", "one"), ("X-Many", "two"))
    given: dict[str, dict[str, Any]] = {
        "subaddress": {"to": "jane+tag@example.test"},
        "editheader": {"fields": (("X-Unwanted", "yes"),)},
        "relational": {"fields": many},
        "index": {"fields": many},
        "spamtest": {"fields": (("X-Points", "60"),)},
        "vacation": {"sender": OMAR},
    }
    for name in DOES:
        if name == "reject":
            with pytest.raises(smtplib.SMTPDataError) as refused:
                send(node, name)
            assert (refused.value.smtp_code, refused.value.smtp_error) == (550, b"5.7.1 Not for me")
        else:
            send(node, name, **given.get(name, {}))
    send(node, "duplicate")

    place = {"fileinto": "Filed", "mailbox": "Fresh", "spamtest": "Junk Mail"}
    for name in (each for each in DOES if each != "reject"):
        message = got(node, f"ext {name}", mailbox=place.get(name, "INBOX"))
        assert message["X-Did"] == (None if name in ("fileinto", "mailbox") else name), name
    assert got(node, "ext copy", mailbox="Filed")
    assert got(node, "ext copy", OMAR)
    assert got(node, "ext variables")["X-Said"] == "Jane it is"
    assert got(node, "Away", OMAR).get_payload().strip() == "I am away."  # type: ignore[union-attr]
    assert "\\Flagged" in got(node, "ext imap4flags")["X-Flags"]
    assert "$Important" in got(node, "ext imap4flags")["X-Flags"]
    edited = got(node, "ext editheader")
    assert (edited["X-Unwanted"], edited["X-Said"]) == (None, "edited")
    assert got(node, "ext duplicate", mailbox="Twice")
    assert "News from Sieve" in got(node, "News from Sieve", OMAR).as_string()
    assert sorted(got(node, "ext include").get_all("X-Said", [])) == ["common", "site", "site"]
    assert "Gone." in got(node, "ext foreverypart").as_string()
    assert got(node, "ext extracttext")["X-Said"] == "Hello"


@pytest.mark.spec_part("CON-3")
def test_filters_are_sieve_for_uploaders_and_a_form_for_pages_and_stay_the_same_both_ways(node: Node) -> None:
    words, tiny = ("--user", OMAR), {"kind": "test", "field": "size", "operator": "less", "number": 100}
    made = {
        "name": "Nested",
        "conditions": {
            "kind": "group",
            "mode": "any",
            "conditions": [
                {"kind": "test", "field": "subject", "operator": "starts", "values": ["50% \"off\" *now*?"]},
                {"kind": "group", "mode": "none", "conditions": [tiny]},
            ],
        },
        "actions": [{"action": "tag_subject", "text": "[x] "}, {"action": "move_to", "mailbox": "A \\ \"b\"", "create": True}],
        "stop": False,
    }  # fmt: skip
    node.run("filter", "add", "Nested", *words, "--definition", msgspec.json.encode(made).decode())
    shown = node.json("filter", "show", "Nested", *words)
    kept = msgspec.json.decode(shown["definition"], type=Filter)
    assert kept == msgspec.convert(made, Filter)

    client = managesieve.MANAGESIEVE("127.0.0.1", node.ports["managesieve"])
    assert client.login("", OMAR, PASSWORD) == "OK"
    ((name, active),) = client.listscripts()[1]
    text = client.getscript(name)[1]
    assert active
    assert shown["sieve"].strip() in text.replace("\r\n", "\n").strip()
    assert client.putscript(name, text) == "OK"
    client.logout()
    assert node.json("filter", "show", "Nested", *words) == shown
