"""Submissions by jane on a running node, and what came back to her."""

from __future__ import annotations

import email
import email.message
from collections.abc import Sequence

from support.node import PASSWORD, Node, until

JANE = "jane@example.test"


def submit(
    node: Node,
    subject: str,
    *recipients: str,
    notify: str = "",
    sender: str = JANE,
    options: Sequence[str] = (),
    size: int = 0,
    fields: str = "",
) -> str:
    """Sends by submission as jane; gives the trace id."""
    head = f"From: <{JANE}>\r\nTo: <{recipients[0]}>\r\nSubject: {subject}\r\n{fields}\r\nHello.\r\n"
    content = head + ("x" * 70 + "\r\n") * (size // 72)
    with node.smtp("submission") as client:
        client.ehlo("client.test")
        client.login(JANE, PASSWORD)
        assert client.mail(sender, list(options))[0] == 250
        for recipient in recipients:
            assert client.rcpt(recipient, [f"NOTIFY={notify}"] if notify else [])[0] == 250
        code, text = client.data(content)
        assert code == 250, text
        return text.decode().split()[-1]


def submit_many(node: Node, count: int, to: str = "x@faraway.test", user: str = JANE) -> list[str]:
    """Sends small messages over one connection, a hundred in a flight, all of them acknowledged; gives the trace ids."""
    accepted: list[str] = []
    content = f"From: <{user}>\r\nSubject: on its way\r\n\r\n{'x' * 500}\r\n"
    one = f"MAIL FROM:<{user}>\r\nRCPT TO:<{to}>\r\nBDAT {len(content)} LAST\r\n{content}"
    with node.smtp("submission") as client:
        client.login(user, PASSWORD)
        while len(accepted) < count:
            flight = min(100, count - len(accepted))
            client.send(one * flight)
            for _ in range(flight):
                replies = [client.getreply() for _ in range(3)]
                assert [code for code, _ in replies] == [250, 250, 250], replies
                accepted.append(replies[-1][1].decode().split()[-1])
    return accepted


def queue(node: Node) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = node.json("queue", "list")
    return rows


def until_queue_is_empty(node: Node, timeout_s: float = 60.0) -> None:
    until(lambda: queue(node) == [], timeout_s)


def inbox(node: Node, user: str = JANE) -> list[email.message.Message]:
    """All messages in a user's INBOX."""
    client = node.pop(user)
    try:
        count, _ = client.stat()
        contents = [b"\r\n".join(client.retr(number)[1]) + b"\r\n" for number in range(1, count + 1)]
    finally:
        client.quit()
    return [email.message_from_bytes(content) for content in contents]


def with_subject(node: Node, subject: str, user: str = JANE) -> email.message.Message:
    """The message of this subject, once it is there."""
    found: email.message.Message = until(lambda: next((m for m in inbox(node, user) if m["Subject"] == subject), None))
    return found


def reports(node: Node, about: str) -> list[dict[str, str]]:
    """The fields of all DSN recipients in jane's INBOX whose notice returns a message of subject ``about``."""
    found = []
    for message in inbox(node):
        if message.get_content_type() != "multipart/report":
            continue
        machine, returned = message.get_payload(1), message.get_payload(2)
        if f"Subject: {about}" not in returned.as_string():  # type: ignore[union-attr]
            continue
        assert message["Return-Path"] == "<>"
        assert message["Auto-Submitted"] == "auto-replied"
        groups: list[email.message.Message] = machine.get_payload()  # type: ignore[union-attr, assignment]
        found += [dict([*groups[0].items(), *fields.items()]) for fields in groups[1:]]
    return found
