"""A real Dovecot on loopback with a folder of its own: the server that mail is migrated from. Needs root, as Dovecot does."""

from __future__ import annotations

import contextlib
import imaplib
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from support.node import until

DOVECOT = shutil.which("dovecot") or shutil.which("/usr/sbin/dovecot")
PASSWORD, MASTER, MASTER_PASSWORD = "old-password-1", "boss", "master-password-2"
_CONFIG = """
base_dir = {folder}/run/
state_dir = {folder}/state
instance_name = {name}
protocols = imap
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
auth_master_user_separator = *
log_path = {folder}/log
mail_location = maildir:~/Maildir
mail_uid = nobody
mail_gid = nogroup
first_valid_uid = 1
first_valid_gid = 1
mail_max_userip_connections = 100
namespace inbox {{
  inbox = yes
  separator = {separator}
  prefix = {prefix}
  mailbox Sent-Messages {{
    special_use = \\Sent
    auto = no
  }}
}}
passdb {{
  driver = passwd-file
  args = scheme=PLAIN {folder}/masters
  master = yes
}}
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid=nobody gid=nogroup home={folder}/mail/%n allow_all_users=yes
}}
service imap-login {{
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service stats {{
  chroot =
}}
"""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


@dataclass(frozen=True)
class Dovecot:
    folder: Path
    port: int

    def imap(self, login: str = "jane") -> imaplib.IMAP4:
        client = imaplib.IMAP4("127.0.0.1", self.port, timeout=30)
        client.login(login, PASSWORD)
        return client

    def log(self) -> str:
        path = self.folder / "log"
        return path.read_text() if path.exists() else ""


@contextlib.contextmanager
def running_dovecot(*, separator: str = "/", prefix: str = "") -> Iterator[Dovecot]:
    """Any login with `PASSWORD` opens a mailbox of its own; `MASTER` opens everyone's."""
    assert DOVECOT, "dovecot is not installed; see tests/engines.txt"
    folder = Path(tempfile.mkdtemp(prefix="dovecot-"))
    folder.chmod(0o755)
    (folder / "mail").mkdir()
    (folder / "mail").chmod(0o777)
    (folder / "masters").write_text(f"{MASTER}:{{PLAIN}}{MASTER_PASSWORD}\n")
    port = free_port()
    config = folder / "dovecot.conf"
    config.write_text(
        _CONFIG.format(
            folder=folder, name=folder.name, port=port, separator=separator, prefix=prefix,
            password=PASSWORD,
        )
    )  # fmt: skip
    process = subprocess.Popen([DOVECOT, "-F", "-c", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    server = Dovecot(folder, port)
    try:

        def up() -> bool:
            with contextlib.suppress(OSError, imaplib.IMAP4.error):
                server.imap().logout()
                return True
            return False

        until(up, 20)
        yield server
    finally:
        process.terminate()
        process.wait(60)
        shutil.rmtree(folder, ignore_errors=True)
