"""The server's TLS contexts: one default, more by host name (SNI), replaced as a whole when certificates change (TLS-1).

New connections take what is current; connections under way keep theirs. TLS 1.2 and 1.3 with forward secrecy and AEAD
only (RFC 9325). Where files come from is settled by ``roles.certificates``.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from posthouse.servers.channel_bindings import end_point
from posthouse.servers.tls import NamedObject, ServerContext

_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL:!eNULL"


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """PEM files: ``chain`` begins with the server's own certificate; ``key`` may be the same file. ``names`` are the DNS
    names (lower case, ``*.`` for wildcards) that it is for."""

    chain: Path
    key: Path
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CertificateSet:
    """Everything that a process serves at one moment. ``minimum`` is "1.2" or "1.3"."""

    default: CertificateFiles
    others: tuple[CertificateFiles, ...] = field(default=())
    minimum: str = "1.2"


class TlsContexts:
    """Holds the current contexts of a process."""

    def __init__(self) -> None:
        self._current: ssl.SSLContext | None = None

    def current(self) -> ssl.SSLContext | None:
        """The context for a new connection; None before the first ``load``."""
        return self._current

    def load(self, certificates: CertificateSet) -> None:
        """Reads all files and then swaps. Raises OSError (``ssl.SSLError``) if one cannot be used; then nothing changed."""
        by_name: dict[str, ssl.SSLContext] = {}
        for files in certificates.others:
            context = make_context(files, certificates.minimum)
            by_name.update(dict.fromkeys(files.names, context))
        default = make_context(certificates.default, certificates.minimum)
        default.sni_callback = _chooser(by_name)
        self._current = default


def make_context(files: CertificateFiles, minimum: str) -> ssl.SSLContext:
    """Raises OSError if the files are missing or do not fit together."""
    context = _bare_context(minimum)
    context.load_cert_chain(files.chain, files.key)
    context.end_point = end_point(files.chain)
    return context


def _bare_context(minimum: str) -> ServerContext:
    context = ServerContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3 if minimum == "1.3" else ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE | ssl.OP_NO_COMPRESSION
    context.num_tickets = 1
    context.sslobject_class = NamedObject
    return context


def _chooser(by_name: Mapping[str, ssl.SSLContext]) -> Callable[[ssl.SSLObject, str, ssl.SSLContext], int | None]:
    def choose(tls_object: ssl.SSLObject, name: str, _: ssl.SSLContext) -> None:
        asked = (name or "").lower()
        if isinstance(tls_object, NamedObject):
            tls_object.requested_name = asked
        context = by_name.get(asked) or by_name.get("*." + asked.partition(".")[2])
        if context is not None:
            tls_object.context = context

    return choose
