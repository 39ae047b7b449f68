"""SMTP AUTH as row INB-3 has it: every mechanism, the three modes, no login in clear text, guessing slowed and counted."""

from __future__ import annotations

import base64
import contextlib
import re
import smtplib
import time
from collections.abc import Callable, Iterator

import pytest
import scramp  # type: ignore[import-untyped]

from posthouse.servers.channel_bindings import end_point
from support.clients import ProxiedSmtp, proxy_v1, trusting_tls
from support.node import PASSWORD, Node, running, until
from support.token_issuer import AUDIENCE, ISSUER, Issuer, oauthbearer, xoauth2

JANE, FAR, LISTED = "jane@example.test", "192.0.2.50", "198.51.100.7"
MECHANISMS = ("PLAIN", "LOGIN", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS", "OAUTHBEARER", "XOAUTH2")


@pytest.fixture(scope="module")
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory, issuer: Issuer) -> Iterator[Node]:
    with running(tmp_path_factory.mktemp("logins"), services=("smtp", "submission"), workers=1) as made:
        issuer.write(made.folder / "data" / "issuer.json")
        settings = f"""
smtp.proxy_networks = 127.0.0.1/32
smtp.relay_networks = 198.51.100.
smtp.tarpit_s = 0
auth.failure_delay_s = 0.1
auth.channel_binding = on
tokens.issuer = {ISSUER}
tokens.audience = {AUDIENCE}
tokens.keys = issuer.json
"""
        made.run("setting", "import", stdin=settings)
        yield made


@contextlib.contextmanager
def far(node: Node, service: str = "smtp", client: str = FAR, *, tls: bool = True) -> Iterator[smtplib.SMTP]:
    with ProxiedSmtp(node.ports[service], proxy_v1(client)) as smtp:
        if tls:
            smtp.starttls(context=trusting_tls())
        smtp.ehlo()
        yield smtp


def said(smtp: smtplib.SMTP, line: bytes | str) -> tuple[int, bytes]:
    code, text = smtp.docmd(line if isinstance(line, str) else base64.b64encode(line).decode())
    with contextlib.suppress(ValueError):
        text = base64.b64decode(text, validate=True)
    return code, text


def by_scram(smtp: smtplib.SMTP, name: str, binding: tuple[str, bytes] | None, password: str) -> int:
    scram = scramp.ScramClient([name], JANE, password, channel_binding=binding)
    first = base64.b64encode(scram.get_client_first().encode()).decode()
    scram.set_server_first(said(smtp, f"AUTH {name} {first}")[1].decode())
    code, final = said(smtp, scram.get_client_final().encode())
    if code == 334:
        scram.set_server_final(final.decode())
        code, _ = said(smtp, b"")
    return code


def log_in(node: Node, smtp: smtplib.SMTP, mechanism: str, password: str, token: str) -> int:
    """The code at the end of the exchange."""
    ways: dict[str, Callable[[], int]] = {
        "SCRAM-SHA-256": lambda: by_scram(smtp, mechanism, None, password),
        "SCRAM-SHA-256-PLUS": lambda: by_scram(
            smtp, mechanism, ("tls-server-end-point", end_point(node.folder / "data" / "tls" / "self-made.pem")), password
        ),
    }
    if mechanism in ways:
        return ways[mechanism]()
    messages = {
        "PLAIN": [f"\0{JANE}\0{password}".encode()],
        "LOGIN": [JANE.encode(), password.encode()],
        "OAUTHBEARER": [oauthbearer(token, JANE), b"\x01"],
        "XOAUTH2": [xoauth2(token, JANE), b""],
    }[mechanism]
    code, _ = said(smtp, f"AUTH {mechanism}")
    for message in messages:
        if code == 334:
            code, _ = said(smtp, message)
    return code


def mode(node: Node, value: str) -> None:
    node.run("setting", "set", "smtp.auth", value)

    def holds() -> bool:
        with far(node) as smtp:
            return ("auth" in smtp.esmtp_features) == (value != "off")

    until(holds)


def recipient(node: Node, client: str, to: str, *, login: bool = False) -> int:
    """What a client's RCPT, or the MAIL before it, is answered."""
    with far(node, client=client) as smtp:
        if login:
            smtp.login(JANE, PASSWORD)
        code = smtp.mail(JANE if login else "")[0]
        return code if code >= 400 else smtp.rcpt(to)[0]


@pytest.mark.spec("INB-3")
def test_smtp_auth_as_the_row_has_it(node: Node, issuer: Issuer) -> None:
    token, bad = issuer.token(time.time()), issuer.token(time.time(), aud="elsewhere")
    # Never offered in clear text, except to loopback addresses, unless set; -PLUS under TLS only.
    for service in ("smtp", "submission"):
        with far(node, service, tls=False) as smtp:
            assert "auth" not in smtp.esmtp_features
            assert said(smtp, "AUTH PLAIN")[0] >= 500
        with far(node, service, "127.0.0.1", tls=False) as smtp:
            assert set(smtp.esmtp_features["auth"].split()) == set(MECHANISMS) - {"SCRAM-SHA-256-PLUS"}
        with far(node, service) as smtp:
            assert set(smtp.esmtp_features["auth"].split()) == set(MECHANISMS)
    node.run("setting", "set", "auth.plaintext", "on")
    until(lambda: offered_in_clear(node))
    node.run("setting", "set", "auth.plaintext", "off")
    until(lambda: not offered_in_clear(node))

    # Every mechanism lets in who may come in, and no one else.
    for number, mechanism in enumerate(MECHANISMS):
        with far(node, client=f"192.0.2.{100 + number}") as smtp:
            assert log_in(node, smtp, mechanism, "wrong", bad) == 535, mechanism
            assert log_in(node, smtp, mechanism, PASSWORD, token) == 235, mechanism
            assert smtp.mail(JANE)[0] == 250 and smtp.rcpt("someone@far.test")[0] == 250

    # Modes.
    for value, stranger_here, stranger_far, listed_far, user_far in (
        ("norelays", 250, 550, 250, 250),
        ("required", 530, 530, 250, 250),
        ("off", 250, 550, 250, None),
    ):
        mode(node, value)
        assert recipient(node, FAR, JANE) == stranger_here, value
        assert recipient(node, FAR, "someone@far.test") == stranger_far, value
        assert recipient(node, LISTED, "someone@far.test") == listed_far, value
        if user_far is not None:
            assert recipient(node, FAR, "someone@far.test", login=True) == user_far, value
    mode(node, "norelays")

    # Failures are slowed and counted per address and account, with each mechanism.
    for number, mechanism in enumerate(MECHANISMS):
        client = f"203.0.113.{100 + number}"
        times = [seconds_to_fail(node, client, mechanism, bad) for _ in range(4)]
        assert times[0] >= 0.1 and times[3] >= 0.8, (mechanism, times)
        assert seconds_to_fail(node, f"203.0.113.{200 + number}", mechanism, bad) < times[3], "another address"
    failures = [line for line in node.log().splitlines() if '"login failed"' in line]
    assert len(failures) >= 36 and all(re.search(r'"client":"[\d.]+".*"login":"', line) for line in failures)


def offered_in_clear(node: Node) -> bool:
    with far(node, "submission", tls=False) as smtp:
        return "auth" in smtp.esmtp_features


def seconds_to_fail(node: Node, client: str, mechanism: str, bad: str) -> float:
    with far(node, "submission", client) as smtp:
        begun = time.monotonic()
        assert log_in(node, smtp, mechanism, "wrong", bad) == 535
        return time.monotonic() - begun
