"""Sends the message of a row as its client, by a balancer's PROXY header."""

from __future__ import annotations

import contextlib
import smtplib

from support.clients import ProxiedSmtp, Wire, proxy_v1, trusting_tls
from support.node import PASSWORD, Node
from support.policy.case import Case


def once(node: Node, case: Case) -> tuple[int, str]:
    """The first reply that says no, else that to the message."""
    try:
        client = ProxiedSmtp(
            node.ports["submission" if case.login else "smtp"], proxy_v1("127.0.0.1" if case.login else case.client)
        )
    except smtplib.SMTPConnectError as error:
        return error.smtp_code, shown(error.smtp_error)
    with contextlib.closing(client):
        return spoken(client, case)


def spoken(client: smtplib.SMTP, case: Case) -> tuple[int, str]:
    code, text = client.ehlo(case.helo)
    if code != 250:
        return code, shown(text)
    if case.tls:
        client.starttls(context=trusting_tls())
        client.ehlo(case.helo)
    if case.login:
        client.login(case.login, PASSWORD)
    code, text = client.docmd("MAIL", f"FROM:<{case.mail_from}>{case.params}")
    refusal, accepted = (code, text), False
    if code == 250:
        for recipient in case.rcpt:
            code, text = client.docmd("RCPT", f"TO:<{recipient}>")
            accepted = accepted or code == 250
            refusal = refusal if code == 250 else (code, text)
    if not accepted:
        return refusal[0], shown(refusal[1])
    code, text = client.docmd("DATA")
    if code == 354:
        client.send(case.message + (b"" if case.message.endswith(b"\r\n") else b"\r\n") + b".\r\n")
        code, text = client.getreply()
    return code, shown(text)


def shown(text: bytes | str) -> str:
    return text if isinstance(text, str) else text.decode("utf-8", "replace")


def greeting(node: Node) -> str:
    """The host name in the greeting, which tells whether settings hold; "" while there is none."""
    try:
        with Wire(node.ports["smtp"], first=proxy_v1("127.0.0.1"), timeout_s=5) as wire:
            return wire.line().decode().split()[1]
    except (OSError, EOFError):
        return ""
