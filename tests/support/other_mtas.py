"""Real Exim, OpenSMTPD and Postfix, as next hops with mailboxes and as senders by way of ``relay_port``, each with the same
limits. Root.

The packages of the first two cannot be installed beside Postfix, so they are unpacked only (``make engines``), and each runs in
a mount namespace of its own, where the users and folders that it was built for exist; nothing outside is changed.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from types import TracebackType

from support.knot import free_port
from support.postfix import Postfix

UNPACKED = Path(sys.prefix) / "unpacked"
MAX_BYTES = 2_000_000
MAX_RECIPIENTS = 10
"""In one transaction; others are put off with 452."""
MAX_MAILS = 5
"""In one connection, where the server knows such a limit; then 421."""
MEMBERS = [f"u{number}" for number in range(25)]
"""Others whose mail goes to omar's Maildir."""
_USERS = ("Debian-exim:x:990:990::/nonexistent:/usr/sbin/nologin", "opensmtpd:x:991:991::/nonexistent:/usr/sbin/nologin",
          "opensmtpq:x:992:992::/nonexistent:/usr/sbin/nologin")  # fmt: skip
_GROUPS = ("Debian-exim:x:990:", "opensmtpd:x:991:", "opensmtpq:x:992:")


class OtherMta:
    """Use as a context manager. Mail for ``omar@domain`` and ``MEMBERS`` goes to a Maildir, others there are refused; what
    else it is given on ``port`` it sends to ``relay_port``. On ``bare_port`` it offers neither PIPELINING, CHUNKING nor DSN."""

    name = ""
    domain = ""
    tells_envelope_id = True

    def __init__(self, relay_port: int) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=f"posthouse-{self.name}-", dir="/var/tmp"))
        self.folder.chmod(0o755)
        self.port, self.bare_port = free_port(), free_port()
        self.relay_port = relay_port
        for name in ("mail", "spool", "log"):
            (self.folder / name).mkdir()
            (self.folder / name).chmod(0o777)
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        command += ["-days", "2", "-subj", f"/CN=mx.{self.domain}"]
        command += ["-keyout", f"{self.folder}/key.pem", "-out", f"{self.folder}/cert.pem"]
        subprocess.run(command, check=True, capture_output=True)
        for name, more in (("passwd", _USERS), ("group", _GROUPS)):
            (self.folder / name).write_text(Path(f"/etc/{name}").read_text() + "\n".join(more) + "\n")
        self.process: subprocess.Popen[bytes] | None = None

    def script(self) -> str:
        """What runs in the namespace, as shell text; the last command is the server."""
        raise NotImplementedError

    def maildir(self, user: str = "omar") -> list[bytes]:
        """The messages that have arrived for a user."""
        return [path.read_bytes() for path in sorted((self.folder / "mail" / user / "new").glob("*"))]

    def visits(self) -> list[str]:
        """One name of a connection for each message that came, in their order; a message is noted before it is answered."""
        raise NotImplementedError

    def log(self) -> str:
        return "".join(path.read_text(errors="replace") for path in sorted((self.folder / "log").iterdir()))

    def __enter__(self) -> OtherMta:
        binds = "".join(f"mount --bind {self.folder}/{name} /etc/{name}\n" for name in ("passwd", "group"))
        with (self.folder / "log" / "output").open("ab") as output:
            self.process = subprocess.Popen(
                ["unshare", "-m", "sh", "-ec", binds + self.script()], stdout=output, stderr=output, start_new_session=True
            )
        for _ in range(1200):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return self
            time.sleep(0.05)
        raise AssertionError(self.log())

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(60)
        shutil.rmtree(self.folder, ignore_errors=True)


class Exim(OtherMta):
    name = "exim"
    domain = "exim.test"

    def script(self) -> str:
        on_all_but_the_bare_port = f"${{if eq{{$received_port}}{{{self.bare_port}}}{{}}{{*}}}}"
        (self.folder / "conf").write_text(f"""\
exim_path = {UNPACKED}/usr/sbin/exim4
primary_hostname = mx.{self.domain}
spool_directory = {self.folder}/spool
log_file_path = {self.folder}/log/%slog
pid_file_path = {self.folder}/pid
local_interfaces = 127.0.0.1
daemon_smtp_ports = {self.port} : {self.bare_port}
log_selector = +pid +incoming_port
message_size_limit = {MAX_BYTES}
recipients_max = {MAX_RECIPIENTS}
smtp_accept_max_per_connection = {MAX_MAILS}
tls_advertise_hosts = *
tls_certificate = {self.folder}/cert.pem
tls_privatekey = {self.folder}/key.pem
pipelining_advertise_hosts = {on_all_but_the_bare_port}
chunking_advertise_hosts = {on_all_but_the_bare_port}
dsn_advertise_hosts = {on_all_but_the_bare_port}
keep_environment =
acl_smtp_rcpt = recipient
acl_smtp_data = accept
begin acl
recipient:
  accept domains = {self.domain}
         local_parts = omar : {" : ".join(MEMBERS)}
  deny domains = {self.domain}
       message = no such user
  accept hosts = 127.0.0.1
begin routers
box:
  driver = accept
  domains = {self.domain}
  transport = box
out:
  driver = manualroute
  route_list = * 127.0.0.1 byname
  self = send
  transport = out
begin transports
box:
  driver = appendfile
  directory = {self.folder}/mail/omar
  maildir_format
  create_directory
  user = Debian-exim
out:
  driver = smtp
  port = {self.relay_port}
  allow_localhost
  tls_verify_certificates =
begin retry
* * F,1h,1s
""")
        return (
            f"chown -R Debian-exim: {self.folder}/spool {self.folder}/log {self.folder}/key.pem\n"
            "mount -t tmpfs none /var/lib\nmkdir /var/lib/exim4\n"
            f"cp {self.folder}/conf /var/lib/exim4/config.autogenerated\nchmod 0644 /var/lib/exim4/config.autogenerated\n"
            f"exec {UNPACKED}/usr/sbin/exim4 -bdf -q5s\n"
        )

    def visits(self) -> list[str]:
        return re.findall(r"\[(\d+)\] \S+ <= \S+@\S+ H=", self.log())


class StockOpenSmtpd(OtherMta):
    """This version's own handshakes break with OpenSSL 3 for every client: it hands the library the public key of its
    certificate, marked as one that another process signs with; OpenSSL 3 takes a copy without the mark, and finds no private
    key. It has PIPELINING and CHUNKING nowhere."""

    tells_envelope_id = False
    name = "opensmtpd"
    domain = "stock.test"
    openssl = ""
    """The configuration of the library that it is started with."""

    def script(self) -> str:
        (self.folder / "conf").write_text(f"""\
pki own cert "{self.folder}/cert.pem"
pki own key "{self.folder}/key.pem"
smtp max-message-size "{MAX_BYTES}"
smtp limit max-rcpt {MAX_RECIPIENTS}
smtp limit max-mails {MAX_MAILS}
listen on 127.0.0.1 port {self.port} tls pki own hostname mx.{self.domain}
listen on 127.0.0.1 port {self.bare_port} tls pki own hostname mx.{self.domain} no-dsn
action "box" maildir "{self.folder}/mail/omar" virtual {{ {", ".join(f"{user} = mail" for user in ("omar", *MEMBERS))} }}
action "out" relay host smtp+tls://127.0.0.1:{self.relay_port} tls no-verify helo mx.{self.domain}
match from any for domain "{self.domain}" action "box"
match from any for any action "out"
""")
        return (
            "mkdir -p /tmp/none && mount -t tmpfs none /var/spool\nmkdir -p /var/spool/smtpd\nmount -t tmpfs none /var/lib\n"
            "mkdir -p /var/lib/opensmtpd/empty\nmount -t tmpfs none /run\nmkdir -p /usr/libexec\n"
            f"mount -t tmpfs none /usr/libexec && mkdir /usr/libexec/opensmtpd\n"
            f"mount --bind {UNPACKED}/usr/libexec/opensmtpd /usr/libexec/opensmtpd\n"
            f"chmod 0711 /var/spool/smtpd\nchmod 0600 {self.folder}/key.pem\n"
            + (f"export OPENSSL_CONF={self.folder}/openssl.cnf\n" if self.openssl else "")
            + f"exec {UNPACKED}/usr/sbin/smtpd -d -f {self.folder}/conf\n"
        )

    def visits(self) -> list[str]:
        return re.findall(r"(\w+) smtp message ", self.log())


class OpenSmtpd(StockOpenSmtpd):
    """Its TLS works with an engine for asymmetric keys at hand, whatever that is: then OpenSSL 3 reads public keys as earlier
    versions did, and asks the one that the server marked."""

    domain = "opensmtpd.test"
    engine = next(UNPACKED.glob("usr/lib/*/engines-3/pkcs11.so"), None)

    def script(self) -> str:
        self.openssl = (
            "openssl_conf = all\n[all]\nengines = engines\n[engines]\none = one\n"
            f"[one]\nengine_id = pkcs11\ndynamic_path = {self.engine}\ndefault_algorithms = PKEY\ninit = 0\n"
        )
        (self.folder / "openssl.cnf").write_text(self.openssl)
        return super().script()


class PostfixToo(Postfix):
    """It knows no limit of messages in a connection, but refuses clients that pipeline what they may not."""

    name = "postfix"
    domain = "faraway.test"
    tells_envelope_id = True

    def __init__(self, relay_port: int) -> None:
        limits = f"message_size_limit = {MAX_BYTES}\nsmtpd_recipient_limit = {MAX_RECIPIENTS}\n"
        strict = (
            "smtpd_data_restrictions = reject_unauth_pipelining\nsmtpd_end_of_data_restrictions = reject_unauth_pipelining\n"
        )
        super().__init__(relay_port=relay_port, more=limits + strict)
        self.bare_port = free_port()
        with (self._etc / "master.cf").open("a") as services:
            bare = "smtpd_discard_ehlo_keywords=pipelining,chunking,dsn"
            services.write(f"127.0.0.1:{self.bare_port} inet n - n - - smtpd\n  -o {bare}\n")
        with (self._etc / "mailboxes").open("a") as mailboxes:
            mailboxes.write(f"/^u[0-9]+@{self.domain}$/ omar/\n")

    def __enter__(self) -> PostfixToo:
        super().__enter__()
        return self

    def maildir(self, user: str = "omar") -> list[bytes]:
        return super().maildir(user)

    def visits(self) -> list[str]:
        found, sessions = [], Counter[str]()
        for pid, what in re.findall(r"smtpd\[(\d+)\]: (connect from|\w+: client=)", self.log()):
            if what == "connect from":
                sessions[pid] += 1
            else:
                found.append(f"{pid}.{sessions[pid]}")
        return found
