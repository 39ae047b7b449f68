"""mutt in batch against a running node: composes and submits, keeps a copy in Sent, reads, files and deletes over IMAP."""

from __future__ import annotations

import mailbox
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.clients import message_of, run_client, subjects
from support.node import PASSWORD, Node, running

JANE, OMAR = "jane@example.test", "omar@example.org"
SETTINGS = """
set from = "{user}"
set realname = "A User"
set imap_user = "{user}"
set imap_pass = "{password}"
set smtp_url = "{smtp}"
set smtp_pass = "{password}"
set smtp_authenticators = "{mechanism}"
set imap_authenticators = "{mechanism}"
set record = "{imap}/Sent"
set postponed = "{imap}/Drafts"
set trash = ""
set certificate_file = "{home}/trusted.pem"
set ssl_verify_host = no
set ssl_force_tls = yes
set copy = yes
set folder = "{home}"
set delete = yes
set confirmappend = no
set confirmcreate = no
set auto_tag = no
set wait_key = no
set send_charset = "utf-8"
set mbox_type = mbox
set sleep_time = 0
"""


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    services = ("smtp", "imap", "imaps", "submission", "submissions")
    with running(tmp_path_factory.mktemp("mutt"), services=services) as started:
        yield started


class Mutt:
    """mutt with a home of its own, set up for one user."""

    def __init__(
        self, node: Node, home: Path, user: str, smtp: str = "submissions", imap: str = "imaps", sasl: str = "plain"
    ) -> None:
        self.home = home
        login = user.replace("@", "%40")
        secure = {"submissions": "smtps", "submission": "smtp", "imaps": "imaps", "imap": "imap"}
        self.imap = f"{secure[imap]}://localhost:{node.ports[imap]}"
        certificate = (node.folder / "data" / "tls" / "self-made.pem").read_text()
        (home / "trusted.pem").write_text(certificate.partition("-----BEGIN PRIVATE KEY")[0])
        (home / "muttrc").write_text(
            SETTINGS.format(
                user=user,
                password=PASSWORD,
                home=home,
                smtp=f"{secure[smtp]}://{login}@localhost:{node.ports[smtp]}",
                imap=self.imap,
                mechanism=sasl,
            )
        )

    def send(self, recipient: str, subject: str, text: str, *options: str) -> None:
        run_client("mutt", "-F", "muttrc", "-s", subject, *options, "--", recipient, home=self.home, stdin=text)

    def read(self, box: str, keys: str) -> None:
        """Opens a mailbox on a terminal of its own and types ``keys`` (mutt's functions)."""
        command = shlex.join(["mutt", "-n", "-F", "muttrc", "-f", f"{self.imap}/{box}", "-e", f'push "{keys}"'])
        run_client("script", "-qec", command, "/dev/null", home=self.home)


@pytest.mark.spec_part("OUT-1")
@pytest.mark.parametrize(
    ("smtp", "imap", "sasl"),
    [
        ("submissions", "imaps", "plain"),
        ("submission", "imap", "login"),
        ("submissions", "imaps", ""),
    ],  # "": what it likes best
)
def test_a_composed_message_is_submitted_and_kept_in_sent(node: Node, tmp_path: Path, smtp: str, imap: str, sasl: str) -> None:
    ending = f"{smtp} port, {sasl or 'any login'}"
    subject = f"Grüße, {ending}"
    picture = tmp_path / "Bild ä.png"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)))
    Mutt(node, tmp_path, JANE, smtp, imap, sasl).send(OMAR, subject, "Schöne Grüße\n.\nJane\n", "-a", str(picture))
    arrived = message_of(node, OMAR, ending)
    kept = message_of(node, JANE, ending, "Sent")
    assert b"with ESMTPSA" in arrived.replace(b"\r\n\t", b" ")
    assert kept.partition(b"\r\n\r\n")[2] == arrived.partition(b"\r\n\r\n")[2]
    assert "Schöne Grüße".encode() in arrived


def test_mail_is_read_saved_filed_and_deleted(node: Node, tmp_path: Path) -> None:
    node.add_user("reader@example.test")
    for number in range(6):
        node.send("reader@example.test", f"Subject: letter {number}\r\n\r\nText {number}\r\n")
    mutt = Mutt(node, tmp_path, "reader@example.test")
    saved = tmp_path / "saved.mbox"
    mutt.read(
        "INBOX",
        f"<tag-pattern>~s letter<enter><tag-prefix><copy-message><kill-line>{saved}<enter>"
        "<untag-pattern>.<enter><search>letter 2<enter><flag-message>"
        f"<tag-pattern>~s 'letter [34]'<enter><tag-prefix><save-message><kill-line>{mutt.imap}/Archive<enter>"
        "<untag-pattern>.<enter><delete-pattern>~s 'letter 5'<enter><sync-mailbox><quit>",
    )
    assert sorted(str(message["Subject"]) for message in mailbox.mbox(saved)) == [f"letter {number}" for number in range(6)]
    assert subjects(node, "reader@example.test") == ["letter 0", "letter 1", "letter 2"]
    assert sorted(subjects(node, "reader@example.test", "Archive")) == ["letter 3", "letter 4"]
    with node.imap("reader@example.test") as client:
        client.select()
        assert client.search(None, "FLAGGED") == ("OK", [b"3"])
