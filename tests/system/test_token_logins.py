"""Logins with access tokens, and SCRAM bound to TLS, on a real node over every protocol that logs in (INB-3)."""

from __future__ import annotations

import base64
import contextlib
import imaplib
import json
import poplib
import smtplib
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs

import pytest
import scramp  # type: ignore[import-untyped]

from posthouse.servers.channel_bindings import end_point, exported
from support.authority import Authority
from support.node import PASSWORD, Node, running, until
from support.token_issuer import AUDIENCE, ISSUER, Issuer, oauthbearer, xoauth2

JANE = "jane@example.test"


@pytest.fixture(autouse=True)
def _every_binding(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python's ``ssl`` has no exporter, so scramp refuses to bind to one; here it is given what to bind to."""
    monkeypatch.setattr(scramp.core.CbName, "UNSUPPORTED_TYPES", frozenset())
    monkeypatch.setattr(scramp.core.CbName, "SUPPORTED_TYPES", scramp.core.CbName.SUPPORTED_TYPES | {"tls-exporter"})


@pytest.fixture(scope="module")
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory, issuer: Issuer) -> Iterator[Node]:
    services = ("submission", "submissions", "imap", "imaps", "pop3", "pop3s", "managesieve")
    with running(tmp_path_factory.mktemp("tokens"), services=services, workers=1) as made:
        issuer.write(made.folder / "data" / "issuer.json")
        settings = (
            "auth.failure_delay_s = 0",
            "auth.channel_binding = on",
            f"tokens.issuer = {ISSUER}",
            f"tokens.audience = {AUDIENCE}",
        )
        made.run("setting", "import", stdin="\n".join((*settings, "tokens.scope = mail", "tokens.keys = issuer.json")))
        yield made


def trust() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def imap(node: Node) -> imaplib.IMAP4:
    return imaplib.IMAP4_SSL("127.0.0.1", node.ports["imaps"], ssl_context=trust(), timeout=20)


@pytest.mark.spec_part("INB-3")
@pytest.mark.parametrize("key", ["rsa", "ec", "okp"])
def test_a_token_logs_in_over_imap(node: Node, issuer: Issuer, key: str) -> None:
    algorithm = {"rsa": "RS256", "ec": "ES256", "okp": "EdDSA"}[key]
    token = issuer.token(time.time(), key=getattr(issuer, key), algorithm=algorithm)
    for mechanism, message in (("OAUTHBEARER", oauthbearer(token, JANE)), ("XOAUTH2", xoauth2(token, JANE))):
        client = imap(node)
        assert f"AUTH={mechanism}" in client.capabilities
        assert client.authenticate(mechanism, lambda _, message=message: message)[0] == "OK"  # type: ignore[misc]
        assert client.select("INBOX")[0] == "OK"
        client.logout()


@pytest.mark.spec_part("INB-3")
def test_a_token_logs_in_over_submission_pop_and_managesieve(node: Node, issuer: Issuer) -> None:
    token = issuer.token(time.time())
    with smtplib.SMTP_SSL("127.0.0.1", node.ports["submissions"], context=trust(), timeout=20) as smtp:
        smtp.ehlo()
        assert {"OAUTHBEARER", "XOAUTH2"} <= set(smtp.esmtp_features["auth"].split())
        assert smtp.auth("XOAUTH2", lambda challenge=None: xoauth2(token, JANE).decode())[0] == 235
        smtp.sendmail(JANE, ["jane@example.test"], f"From: {JANE}\r\nSubject: by token\r\n\r\nHello\r\n")
    pop = poplib.POP3_SSL("127.0.0.1", node.ports["pop3s"], context=trust(), timeout=20)
    assert "OAUTHBEARER" in pop.capa()["SASL"]
    said: Callable[[str], bytes] = pop._shortcmd  # type: ignore[attr-defined]
    assert said("AUTH OAUTHBEARER " + base64.b64encode(oauthbearer(token)).decode()).startswith(b"+OK")
    pop.quit()
    with socket.create_connection(("127.0.0.1", node.ports["managesieve"]), 20) as sieve, sieve.makefile("rb") as lines:
        greeting = b"".join(iter(lines.readline, b'OK "Posthouse ready"\r\n'))
        assert b"OAUTHBEARER" in greeting and b"PLUS" not in greeting
        message = base64.b64encode(oauthbearer(token))
        sieve.sendall(b'AUTHENTICATE "OAUTHBEARER" {%d+}\r\n%s\r\n' % (len(message), message))
        assert lines.readline().startswith(b"OK")


@pytest.mark.spec_part("INB-3")
def test_curl_logs_in_with_a_token(node: Node, issuer: Issuer) -> None:
    words = ["curl", "-sS", "-k", "--oauth2-bearer", issuer.token(time.time()), "-u", f"{JANE}:", "--max-time", "20"]
    for url in (f"imaps://127.0.0.1:{node.ports['imaps']}/", f"pop3s://127.0.0.1:{node.ports['pop3s']}/"):
        done = subprocess.run([*words, url], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    sent = subprocess.run(
        [*words, "--mail-from", JANE, "--mail-rcpt", JANE, "-T", "-", f"smtps://127.0.0.1:{node.ports['submissions']}/x"],
        input=f"From: {JANE}\r\nSubject: curl\r\n\r\nHello\r\n".encode(),
        capture_output=True,
        check=False,
    )
    assert sent.returncode == 0, sent.stderr


@pytest.mark.spec_part("INB-3")
def test_a_token_that_does_not_hold_gets_the_challenge_and_then_a_refusal(node: Node, issuer: Issuer) -> None:
    expired = issuer.token(time.time() - 10_000)
    others = issuer.token(time.time(), email="omar@example.org")
    for mechanism, message in (
        ("OAUTHBEARER", oauthbearer(expired, JANE)),
        ("OAUTHBEARER", oauthbearer(others, JANE)),
        ("XOAUTH2", xoauth2(others, JANE)),
        ("XOAUTH2", xoauth2(issuer.token(time.time(), aud="elsewhere"), JANE)),
    ):
        client, challenges = imap(node), list[bytes]()

        def answer(challenge: bytes, message: bytes = message, challenges: list[bytes] = challenges) -> bytes:
            challenges.append(challenge)
            return message if len(challenges) == 1 else b"\x01"

        with pytest.raises(imaplib.IMAP4.error):
            client.authenticate(mechanism, answer)
        assert json.loads(challenges[1])["scope"] == "mail"
        assert client.state == "NONAUTH"
        client.shutdown()
    with smtplib.SMTP_SSL("127.0.0.1", node.ports["submissions"], context=trust(), timeout=20) as smtp:
        smtp.ehlo()
        code, challenge = smtp.docmd("AUTH", "XOAUTH2 " + base64.b64encode(xoauth2(expired, JANE)).decode())
        assert (code, json.loads(base64.b64decode(challenge))["status"]) == (334, "401")
        assert smtp.docmd("")[0] == 535
        assert smtp.docmd("AUTH", "OAUTHBEARER " + base64.b64encode(oauthbearer("x" * 9000)).decode())[0] >= 500
    for token in (expired, others):
        assert token not in node.log() and token.rpartition(".")[2] not in node.log()


@pytest.mark.spec_part("INB-3")
def test_an_issuer_that_does_not_answer_defers_and_passwords_still_work(tmp_path: Path, issuer: Issuer) -> None:
    with (
        contextlib.closing(socket.create_server(("127.0.0.1", 0))) as silent,
        running(tmp_path, services=("submission", "imap"), workers=1) as node,
    ):
        with smtplib.SMTP("127.0.0.1", node.ports["submission"], timeout=20) as smtp:
            smtp.ehlo()
            assert "XOAUTH2" not in smtp.esmtp_features["auth"]
            assert smtp.docmd("AUTH", "XOAUTH2 " + base64.b64encode(xoauth2("a.b.c", JANE)).decode())[0] == 504
        place = f"https://127.0.0.1:{silent.getsockname()[1]}/keys"
        settings = (f"tokens.issuer = {ISSUER}", f"tokens.audience = {AUDIENCE}", f"tokens.keys = {place}")
        node.run("setting", "import", stdin="\n".join((*settings, "tokens.timeout_s = 2")))
        message = xoauth2(issuer.token(time.time()), JANE)
        for at_most_s in (20.0, 1.9):
            with smtplib.SMTP("127.0.0.1", node.ports["submission"], timeout=20) as smtp:
                smtp.ehlo()
                began = time.monotonic()
                assert smtp.docmd("AUTH", "XOAUTH2 " + base64.b64encode(message).decode())[0] == 454
                assert time.monotonic() - began < at_most_s
                smtp.login(JANE, PASSWORD)
        client = imaplib.IMAP4("127.0.0.1", node.ports["imap"], timeout=20)
        with pytest.raises(imaplib.IMAP4.error, match="UNAVAILABLE"):
            client.authenticate("XOAUTH2", lambda _: message)
        client.shutdown()


def once(answer: bytes) -> Callable[[bytes], bytes]:
    return lambda challenge: b"" if challenge else answer


def opaque_works(node: Node) -> bool:
    client = imaplib.IMAP4("127.0.0.1", node.ports["imap"], timeout=20)
    try:
        return client.authenticate("XOAUTH2", once(xoauth2("opaque+/=", JANE)))[0] == "OK"
    except imaplib.IMAP4.error:
        return False
    finally:
        client.shutdown()


@pytest.mark.spec_part("INB-3")
def test_the_issuer_is_asked_by_https_for_keys_and_about_opaque_tokens(tmp_path: Path, issuer: Issuer) -> None:
    authority = Authority(tmp_path / "authority")
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(f"{self.headers['Host']} {self.path}")
            self.send_response(200)
            self.end_headers()
            self.wfile.write(issuer.set())

        def do_POST(self) -> None:
            form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            login = base64.b64decode(self.headers["Authorization"].removeprefix("Basic ")).decode()
            asked.append(f"{login} {self.path} {form['token'][0]}")
            self.send_response(400 if form["token"] == ["odd"] else 200)
            self.end_headers()
            told = {"active": form["token"] == ["opaque+/="], "aud": AUDIENCE, "email": JANE}
            self.wfile.write(json.dumps(told).encode())

        def log_message(self, format: str, *args: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as site, running(tmp_path, services=("imap",), workers=1) as node:
        site.socket = authority.issue("localhost").context(tmp_path).wrap_socket(site.socket, server_side=True)
        thread = threading.Thread(target=site.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        place = f"localhost:{site.server_port}"
        node.run(
            "setting", "import", stdin=f"auth.failure_delay_s = 0\ntokens.issuer = {ISSUER}\ntokens.audience = {AUDIENCE}\n"
        )
        node.run("setting", "set", "tokens.keys", f"https://{place}/certs?x=1")
        message = xoauth2(issuer.token(time.time()), JANE)
        untrusted = imaplib.IMAP4("127.0.0.1", node.ports["imap"], timeout=20)
        with pytest.raises(imaplib.IMAP4.error, match="UNAVAILABLE"):
            untrusted.authenticate("XOAUTH2", lambda _: message)
        untrusted.shutdown()
        assert asked == []
        node.run("setting", "set", "queue.ca_file", str(authority.file))
        node.stop()
        node.start()
        for _ in range(3):
            client = imaplib.IMAP4("127.0.0.1", node.ports["imap"], timeout=20)
            assert client.authenticate("XOAUTH2", lambda _: message)[0] == "OK"
            client.logout()
        assert asked == [f"{place} /certs?x=1"]
        node.run("setting", "set", "tokens.introspection", f"https://mail:s%40cret@{place}/introspect")
        assert "%40cret" not in node.run("setting", "get", "tokens.introspection").stdout
        until(lambda: opaque_works(node))
        for wrong in ("odd", "other"):
            client = imaplib.IMAP4("127.0.0.1", node.ports["imap"], timeout=20)
            with pytest.raises(imaplib.IMAP4.error, match="AUTHENTICATIONFAILED"):
                client.authenticate("XOAUTH2", once(xoauth2(wrong, JANE)))
            client.shutdown()
        assert asked[1:] == [f"mail:s@cret /introspect {token}" for token in ("opaque+/=", "odd", "other")]
        assert "cret" not in node.log() and "opaque+" not in node.log()
        site.shutdown()
        thread.join(5)


@pytest.mark.spec_part("INB-3")
@pytest.mark.parametrize(
    ("version", "kind"),
    [
        (ssl.TLSVersion.TLSv1_3, "tls-exporter"),
        (ssl.TLSVersion.TLSv1_3, "tls-server-end-point"),
        (ssl.TLSVersion.TLSv1_2, "tls-unique"),
        (ssl.TLSVersion.TLSv1_2, "tls-server-end-point"),
    ],
)
def test_scram_is_bound_to_the_tls_connection(node: Node, version: ssl.TLSVersion, kind: str) -> None:
    for spoiled in (False, True):
        context = trust()
        context.maximum_version = version
        client = imaplib.IMAP4_SSL("127.0.0.1", node.ports["imaps"], ssl_context=context, timeout=20)
        assert "AUTH=SCRAM-SHA-256-PLUS" in client.capabilities
        tls = client.socket()
        assert isinstance(tls, ssl.SSLSocket)
        binding = bound(tls, kind, node)
        assert binding
        if spoiled:  # as it would be of someone's own connection in the middle
            binding = bytes([binding[0] ^ 1]) + binding[1:]
        if spoiled:
            with pytest.raises(imaplib.IMAP4.error):
                log_in(client, kind, binding)
        else:
            assert log_in(client, kind, binding) == "OK"
        client.shutdown()


def bound(tls: ssl.SSLSocket, kind: str, node: Node) -> bytes:
    """What the client's side has to bind to."""
    if kind == "tls-exporter":
        return exported(tls)
    if kind == "tls-unique":
        return tls.get_channel_binding("tls-unique") or b""
    return end_point(node.folder / "data" / "tls" / "self-made.pem")


def log_in(client: imaplib.IMAP4, kind: str, binding: bytes) -> str:
    scram = scramp.ScramClient(["SCRAM-SHA-256-PLUS"], JANE, PASSWORD, channel_binding=(kind, binding))

    def final(challenge: bytes) -> bytes:
        scram.set_server_first(challenge.decode())
        answer: bytes = scram.get_client_final().encode()
        return answer

    def verified(challenge: bytes) -> bytes:
        scram.set_server_final(challenge.decode())
        return b""

    said: list[Callable[[bytes], bytes]] = [lambda _: scram.get_client_first().encode(), final, verified]
    steps = iter(said)
    return client.authenticate("SCRAM-SHA-256-PLUS", lambda challenge: next(steps)(challenge))[0]


@pytest.mark.spec_part("INB-3")
def test_a_client_that_was_told_of_no_binding_is_refused(node: Node) -> None:
    """Someone in the middle took -PLUS out of the list (RFC 5802 §6): gs2 flag y."""
    with smtplib.SMTP_SSL("127.0.0.1", node.ports["submissions"], context=trust(), timeout=20) as smtp:
        smtp.ehlo()
        assert "SCRAM-SHA-256-PLUS" in smtp.esmtp_features["auth"].split()
        first = f"y,,n={JANE},r=abcdefghijkl".encode()
        assert smtp.docmd("AUTH", "SCRAM-SHA-256 " + base64.b64encode(first).decode())[0] == 501
        first = f"n,,n={JANE},r=abcdefghijkl".encode()
        assert smtp.docmd("AUTH", "SCRAM-SHA-256 " + base64.b64encode(first).decode())[0] == 334
        assert smtp.docmd("*")[0] == 501
    with smtplib.SMTP("127.0.0.1", node.ports["submission"], timeout=20) as smtp:
        smtp.ehlo()
        assert "SCRAM-SHA-256-PLUS" not in smtp.esmtp_features["auth"].split()


@pytest.mark.spec_part("INB-3")
@pytest.mark.parametrize("versions", ["NORMAL", "NORMAL:-VERS-TLS1.3"])
def test_gnu_sasl_binds_its_login(node: Node, tmp_path: Path, versions: str) -> None:
    """Another make of SASL and of TLS (GnuTLS)."""
    trusted = tmp_path / "trusted.pem"
    pem = (node.folder / "data" / "tls" / "self-made.pem").read_text()
    trusted.write_text(pem.partition("-----BEGIN PRIVATE KEY")[0])
    words = ["gsasl", "--imap", "--connect", f"localhost:{node.ports['imap']}", "--starttls", "--x509-ca-file", str(trusted)]
    words += ["--priority", versions, "-a", JANE, "-p", PASSWORD, "--quiet", "-m"]
    bound = subprocess.run([*words, "SCRAM-SHA-256-PLUS"], input="", capture_output=True, text=True, timeout=30, check=False)
    assert (bound.returncode, "OK [CAPABILITY" in bound.stdout) == (0, True), bound.stdout + bound.stderr
    # It could bind, and thinks that the server cannot: as if someone had taken -PLUS out of the list.
    talked_down = subprocess.run([*words, "SCRAM-SHA-256"], input="", capture_output=True, text=True, timeout=30, check=False)
    assert talked_down.returncode != 0 and "Logged in" not in talked_down.stdout


def plus_offered(node: Node) -> bool:
    with smtplib.SMTP_SSL("127.0.0.1", node.ports["submissions"], context=trust(), timeout=20) as smtp:
        smtp.ehlo()
        return "SCRAM-SHA-256-PLUS" in smtp.esmtp_features["auth"].split()


def test_where_binding_is_off_nobody_is_told_of_it_nor_refused_for_it(node: Node) -> None:
    node.run("setting", "set", "auth.channel_binding", "off")
    until(lambda: not plus_offered(node))
    with smtplib.SMTP_SSL("127.0.0.1", node.ports["submissions"], context=trust(), timeout=20) as smtp:
        smtp.ehlo()
        assert smtp.docmd("AUTH", "SCRAM-SHA-256-PLUS")[0] == 504
        first = f"y,,n={JANE},r=abcdefghijkl".encode()
        assert smtp.docmd("AUTH", "SCRAM-SHA-256 " + base64.b64encode(first).decode())[0] == 334
        assert smtp.docmd("*")[0] == 501
    node.run("setting", "set", "auth.channel_binding", "on")
    until(lambda: plus_offered(node))


@pytest.mark.spec_part("INB-3")
def test_openssl_exports_the_same(node: Node) -> None:
    """An independent look at ``tls-exporter``: OpenSSL's own client prints what a login can be bound to."""
    words = ["openssl", "s_client", "-connect", f"127.0.0.1:{node.ports['imaps']}", "-tls1_3", "-ign_eof"]
    words += ["-keymatexport", "EXPORTER-Channel-Binding", "-keymatexportlen", "32"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdin is not None and process.stdout is not None
        binding = b""
        for line in process.stdout:
            if line.strip().startswith(b"Keying material: "):
                binding = bytes.fromhex(line.split(b": ")[1].strip().decode())
            if line.startswith(b"* OK"):
                break
        scram = scramp.ScramClient(["SCRAM-SHA-256-PLUS"], JANE, PASSWORD, channel_binding=("tls-exporter", binding))

        def say(octets: bytes) -> bytes:
            assert process.stdin is not None and process.stdout is not None
            process.stdin.write(octets + b"\r\n")
            process.stdin.flush()
            return process.stdout.readline()

        first = say(b"a AUTHENTICATE SCRAM-SHA-256-PLUS " + base64.b64encode(scram.get_client_first().encode()))
        scram.set_server_first(base64.b64decode(first[2:]).decode())
        scram.set_server_final(base64.b64decode(say(base64.b64encode(scram.get_client_final().encode()))[2:]).decode())
        assert say(b"").startswith(b"a OK")
        say(b"b LOGOUT")
