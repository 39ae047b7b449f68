"""A real Postfix in a folder of its own, started as root: next hop with mailboxes, or sender by way of ``relay_port``."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType

_SERVICES = """\
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


class Postfix:
    """Mail for ``user@domain`` goes to a Maildir, other users are refused; busy@domain gets 450 for ever."""

    def __init__(
        self, *, domain: str = "faraway.test", users: tuple[str, ...] = ("omar",), relay_port: int = 0, more: str = ""
    ) -> None:
        """``more`` is added to main.cf."""
        self.folder = Path(tempfile.mkdtemp(prefix="posthouse-postfix-", dir="/var/tmp"))
        self.folder.chmod(0o755)
        self.port = _free_port()
        self._etc = self.folder / "etc"
        for name in ("etc", "queue", "data", "mail"):
            (self.folder / name).mkdir()
        for name in ("data", "mail"):
            shutil.chown(self.folder / name, "postfix")
        _certificate(self._etc)
        (self._etc / "master.cf").write_text(f"127.0.0.1:{self.port} inet n - n - - smtpd\n{_SERVICES}")
        (self._etc / "mailboxes").write_text("".join(f"/^{user}@{domain}$/ {user}/\n" for user in users))
        (self._etc / "access").write_text("/^busy@/ 450 4.2.1 The mailbox is busy\n")
        (self._etc / "main.cf").write_text(self._main(domain, relay_port) + more)

    def _main(self, domain: str, relay_port: int) -> str:
        relay = f"relayhost = [127.0.0.1]:{relay_port}\n" if relay_port else ""
        return f"""\
compatibility_level = 3.6
queue_directory = {self.folder}/queue
data_directory = {self.folder}/data
maillog_file = {self.folder}/mail.log
maillog_file_prefixes = /var/tmp
myhostname = mx.{domain}
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
alias_database =
virtual_mailbox_domains = {domain}
virtual_mailbox_maps = regexp:{self._etc}/mailboxes
virtual_mailbox_base = {self.folder}/mail
virtual_uid_maps = static:{_uid("postfix")}
virtual_gid_maps = static:{_uid("postfix")}
virtual_minimum_uid = 1
smtpd_recipient_restrictions = check_recipient_access regexp:{self._etc}/access, permit_mynetworks, reject_unauth_destination
smtpd_tls_security_level = may
smtpd_tls_received_header = yes
smtpd_tls_cert_file = {self._etc}/cert.pem
smtpd_tls_key_file = {self._etc}/key.pem
smtp_tls_security_level = may
disable_dns_lookups = yes
smtpd_peername_lookup = no
{relay}"""

    def maildir(self, user: str) -> list[bytes]:
        """The messages that have arrived for a user."""
        return [path.read_bytes() for path in sorted((self.folder / "mail" / user / "new").glob("*"))]

    def log(self) -> str:
        path = self.folder / "mail.log"
        return path.read_text() if path.exists() else ""

    def __enter__(self) -> Postfix:
        done = subprocess.run(["postfix", "-c", str(self._etc), "start"], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr + self.log()
        for _ in range(1200):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return self
            time.sleep(0.05)
        raise AssertionError(self.log())

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        subprocess.run(["postfix", "-c", str(self._etc), "stop"], capture_output=True, timeout=60)
        shutil.rmtree(self.folder, ignore_errors=True)


def _certificate(folder: Path) -> None:
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    command += ["-subj", "/CN=mx.faraway.test", "-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    subprocess.run(command, check=True, capture_output=True)


def _uid(name: str) -> int:
    import pwd

    return pwd.getpwnam(name).pw_uid


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
