"""A real OpenLDAP server (slapd) on loopback ports, unprivileged, with the attributes that mail systems use.

Below ``dc=example,dc=test``; ``cn=admin`` may write everything, ``cn=reader`` reads with a password, strangers read nothing
unless ``open_to_all``.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from support.knot import free_port

SLAPD = "/usr/sbin/slapd"
BASE = "dc=example,dc=test"
ADMIN, READER = f"cn=admin,{BASE}", f"cn=reader,{BASE}"
PASSWORD = "look but do not touch"
_SCHEMA = """
attributetype ( 1.3.6.1.4.1.99999.1.1 NAME 'mailAlternateAddress' SUP mail )
attributetype ( 1.3.6.1.4.1.99999.1.2 NAME 'mgrpRFC822MailMember' SUP mail )
attributetype ( 1.3.6.1.4.1.99999.1.3 NAME 'proxyAddresses' EQUALITY caseIgnoreMatch SUBSTR caseIgnoreSubstringsMatch
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )
attributetype ( 1.3.6.1.4.1.99999.1.4 NAME 'targetAddress' SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE )
attributetype ( 1.3.6.1.4.1.99999.1.5 NAME 'msExchHomeServerName' SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE )
attributetype ( 1.3.6.1.4.1.99999.1.6 NAME 'homeMDB' SUP distinguishedName SINGLE-VALUE )
attributetype ( 1.3.6.1.4.1.99999.1.7 NAME 'mailMask' SUP mail )
attributetype ( 1.3.6.1.4.1.99999.1.8 NAME 'mgrpAllowedBroadcaster' SUP mail )
attributetype ( 1.3.6.1.4.1.99999.1.9 NAME 'mgrpAllowedDomain' SUP mail )
objectclass ( 1.3.6.1.4.1.99999.2.1 NAME 'mailUser' AUXILIARY
  MAY ( mail $ mailAlternateAddress $ mailLocalAddress $ mailHost $ mailRoutingAddress $ proxyAddresses $ targetAddress $
  msExchHomeServerName $ homeMDB $ mailMask ) )
objectclass ( 1.3.6.1.4.1.99999.2.2 NAME 'mailGroup' SUP top STRUCTURAL MUST cn
  MAY ( mail $ mailAlternateAddress $ mgrpRFC822MailMember $ uniqueMember $ member $ owner $
  mgrpAllowedBroadcaster $ mgrpAllowedDomain ) )
objectclass ( 1.3.6.1.4.1.99999.2.3 NAME 'group' SUP top STRUCTURAL MUST cn MAY ( mail $ proxyAddresses $ member ) )
"""


class Slapd:
    """Use as a context manager; ``kill`` and ``start`` may alternate."""

    def __init__(self, folder: Path, *, open_to_all: bool = False) -> None:
        self.folder = folder
        self.port, self.tls_port = free_port(), free_port()
        self.ca_file = folder / "cert.pem"
        self._process: subprocess.Popen[bytes] | None = None
        self._open = open_to_all
        (folder / "db").mkdir(parents=True, exist_ok=True)
        self._configure()

    @property
    def url(self) -> str:
        return f"ldap://127.0.0.1:{self.port}"

    @property
    def ldaps(self) -> str:
        return f"ldaps://127.0.0.1:{self.tls_port}"

    def _configure(self) -> None:
        key = self.folder / "key.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
             "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key),
             "-out", str(self.ca_file)],
            check=True, capture_output=True,
        )  # fmt: skip
        (self.folder / "mail.schema").write_text(_SCHEMA)
        schemas = ["core", "cosine", "inetorgperson", "misc"]
        includes = "".join(f"include /etc/ldap/schema/{name}.schema\n" for name in schemas)
        anyone = "read" if self._open else "none"
        (self.folder / "slapd.conf").write_text(
            f"{includes}include {self.folder}/mail.schema\npidfile {self.folder}/pid\n"
            "modulepath /usr/lib/ldap\nmoduleload back_mdb\n"
            f"TLSCertificateFile {self.ca_file}\nTLSCertificateKeyFile {key}\nTLSCACertificateFile {self.ca_file}\n"
            f'sizelimit unlimited\ndatabase mdb\nmaxsize 67108864\nsuffix "{BASE}"\nrootdn "{ADMIN}"\nrootpw secret\n'
            f"directory {self.folder}/db\ndbnosync\nindex objectClass eq\nindex mail,mailAlternateAddress,mailLocalAddress eq\n"
            f'access to attrs=userPassword by anonymous auth by * none\naccess to * by dn.exact="{READER}" read by * {anyone}\n'
        )

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [SLAPD, "-d", "0", "-f", str(self.folder / "slapd.conf"), "-h", f"{self.url} {self.ldaps}"],
                stdout=log,
                stderr=log,
            )
        end = time.monotonic() + 60
        while subprocess.run(["ldapwhoami", "-x", "-H", self.url], capture_output=True, check=False).returncode:
            assert self._process.poll() is None and time.monotonic() < end, (self.folder / "log").read_text()
            time.sleep(0.02)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(60)
            self._process = None

    def add(self, ldif: str) -> None:
        """Adds entries, or changes them where the LDIF says so."""
        self._write(["ldapmodify", "-a"], ldif)

    def delete(self, dn: str) -> None:
        self._write(["ldapdelete"], dn)

    def _write(self, program: Sequence[str], text: str) -> None:
        done = subprocess.run(
            [*program, "-x", "-H", self.url, "-D", ADMIN, "-w", "secret"],
            input=text,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    def __enter__(self) -> Slapd:
        self.start()
        self.add(
            f"dn: {BASE}\nobjectClass: dcObject\nobjectClass: organization\no: Example\ndc: example\n\n"
            f"dn: {READER}\nobjectClass: applicationProcess\nobjectClass: simpleSecurityObject\ncn: reader\n"
            f"userPassword: {PASSWORD}\n\n"
            f"dn: ou=people,{BASE}\nobjectClass: organizationalUnit\nou: people\n\n"
            f"dn: ou=groups,{BASE}\nobjectClass: organizationalUnit\nou: groups\n"
        )
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.kill()


def person(name: str, *lines: str) -> str:
    """The LDIF of one."""
    extra = "".join(f"{line}\n" for line in lines)
    return (
        f"dn: cn={name},ou=people,{BASE}\nobjectClass: inetOrgPerson\nobjectClass: mailUser\ncn: {name}\nsn: {name}\n{extra}\n"
    )


def group(name: str, *lines: str, kind: str = "mailGroup") -> str:
    """The LDIF of one."""
    extra = "".join(f"{line}\n" for line in lines)
    return f"dn: cn={name},ou=groups,{BASE}\nobjectClass: {kind}\ncn: {name}\n{extra}\n"


def dn(name: str, kind: str = "people") -> str:
    """The name of a person's entry, or of a group's."""
    return f"cn={name},ou={kind},{BASE}"
