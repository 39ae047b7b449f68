"""`make run`: the all-in-one with two domains, five users and real-looking mail going through it, on loopback ports.

Drives the node only by what outsiders have: node.toml, operations, SMTP. Keeps serving until it is interrupted.
"""

from __future__ import annotations

import secrets
import shutil
import signal
import smtplib
import socket
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from posthouse.cli.demo_messages import Sample, samples

PORTS = {
    "smtp": 2525,
    "lmtp": 2524,
    "submission": 2587,
    "submissions": 2465,
    "imap": 2143,
    "imaps": 2993,
    "pop3": 2110,
    "pop3s": 2995,
    "managesieve": 2419,
    "http": 2080,
    "https": 2443,
    "admin": 10143,
}
DOMAINS = ("example.com", "example.org")
USERS = {
    "jane@example.com": "Jane Doe",
    "omar@example.com": "Omar Haddad",
    "mei@example.com": "Mei Tanaka",
    "anna@example.org": "Anna Petrova",
    "paul@example.org": "Paul Martin",
}
ADMINISTRATOR = "omar@example.com"
MARKER = ".posthouse-demo"


def demo(folder: Path, *, once: bool = False) -> int:
    """Runs the demo in ``folder`` (made anew); with ``once`` it stops after the mail went through. Gives the exit status."""
    if not _fresh(folder):
        print(f"posthouse: {folder} exists and is not a demo; give another folder", file=sys.stderr)
        return 1
    config = _write_config(folder)
    with (folder / "node.log").open("wb") as log:
        node = subprocess.Popen([*_command(), "serve", "--config", str(config)], stdout=subprocess.PIPE, stderr=log, text=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        return _show(node, config, folder, once=once)
    except KeyboardInterrupt:
        return 0
    finally:
        node.terminate()
        node.wait(60)


def _show(node: subprocess.Popen[str], config: Path, folder: Path, *, once: bool) -> int:
    assert node.stdout is not None
    ready = node.stdout.readline().split()
    if not ready or ready[0] != "ready":
        print(f"posthouse: the node did not start; see {folder / 'node.log'}", file=sys.stderr)
        return 1
    where = dict(word.partition("=")[::2] for word in ready[1:])
    passwords = _fill_directory(config)
    start = datetime.now(UTC) - timedelta(minutes=30)
    wrong = sum(not _send_and_trace(sample, where, passwords, config) for sample in samples(start))
    _explain(where, passwords, config)
    if once:
        return 1 if wrong else 0
    node.wait()
    return node.returncode


def _command() -> list[str]:
    return [sys.executable, "-m", "posthouse.cli.main"]


def _fresh(folder: Path) -> bool:
    """Makes the folder empty; False if it holds something that no demo made."""
    if folder.exists() and any(folder.iterdir()) and not (folder / MARKER).exists():
        return False
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o700)
    (folder / MARKER).touch()
    return True


def _write_config(folder: Path) -> Path:
    listen = "\n".join(f'{service} = "127.0.0.1:{_free(port)}"' for service, port in PORTS.items())
    config = folder / "node.toml"
    config.write_text(f'[node]\nname = "mx.example.com"\ndata = "data"\nroles = ["all"]\n\n[listen]\n{listen}\n')
    return config


def _free(port: int) -> int:
    """The port itself, or 0 (any) if someone has it."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return 0
    return port


def _operation(config: Path, *words: str, stdin: str = "") -> str:
    done = subprocess.run(
        [*_command(), "--config", str(config), *words], input=stdin, capture_output=True, text=True, timeout=60, check=False
    )
    if done.returncode:
        raise SystemExit(f"posthouse: {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout


def _fill_directory(config: Path) -> dict[str, str]:
    """Domains, users with random passwords, an alias. Gives the passwords."""
    passwords = {address: secrets.token_urlsafe(9) for address in USERS}
    for domain in DOMAINS:
        _operation(config, "domain", "add", domain)
    for address, name in USERS.items():
        role = "administrator" if address == ADMINISTRATOR else "user"
        _operation(config, "user", "add", address, "--name", name, "--role", role, stdin=passwords[address] + "\n")
    _operation(config, "alias", "add", "info@example.com", "jane@example.com", "paul@example.org")
    return passwords


def _send_and_trace(sample: Sample, where: dict[str, str], passwords: dict[str, str], config: Path) -> bool:
    """Sends one sample, shows its trace; True if it ended as it should."""
    print(f"\n\033[1m{sample.title}\033[0m: <{sample.sender}> to {', '.join(sample.recipients)}", flush=True)
    host, _, port = where["submission" if sample.login else "smtp"].rpartition(":")
    options = ["SMTPUTF8"] if sample.smtputf8 else []
    refused = False
    with smtplib.SMTP(host, int(port), timeout=30) as client:
        client.ehlo("client.elsewhere.test")
        if sample.login:
            client.login(sample.login, passwords[sample.login])
        try:
            client.sendmail(sample.sender, sample.recipients, sample.content, mail_options=options)
        except smtplib.SMTPRecipientsRefused:
            refused = True
    for line in _operation(config, "mail", "trace", "--recipient", sample.recipients[0], "--limit", "1").splitlines():
        print("  " + line, flush=True)
    return refused == sample.refused


def _explain(where: dict[str, str], passwords: dict[str, str], config: Path) -> None:
    print("\n\033[1mPosthouse is serving.\033[0m Connect with any mail program:\n")
    for service, address in where.items():
        print(f"  {service:12} {address}")
    print("\n  login                 password")
    for address, password in passwords.items():
        print(f"  {address:21} {password}")
    base = f"{sys.argv[0]} --config {config}"
    print(f"\nAdminister it:\n  {base} user list\n  {base} mail trace --recipient jane@example.com\n  {base} shell")
    if "http" in where:
        print(f"  or in a browser, as {ADMINISTRATOR}: http://{where['http']}/admin/")
    print("\nCtrl-C ends it.", flush=True)
