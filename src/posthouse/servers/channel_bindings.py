"""What ties a login to its TLS connection, for SCRAM-SHA-256-PLUS: nobody in between can pass the login on (RFC 5056).

``tls-exporter`` for TLS 1.3 (RFC 9266), ``tls-unique`` for full handshakes of TLS 1.2 (RFC 5929 §3; a resumed one could be
another's, the triple handshake), and ``tls-server-end-point`` for both (RFC 5929 §4). Python 3.11 gives no exporter, so
OpenSSL is asked itself, for the SSL object inside Python's: only if that holds the context too, where this layout has it.
Without the binding that its TLS version asks for, a connection has none at all, and -PLUS is not offered: clients that see it
take it with just that.
"""

from __future__ import annotations

import _ssl
import ctypes
import ssl
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes

LABEL = b"EXPORTER-Channel-Binding"
EXPORTED_BYTES = 32
_SSL_AT, _CONTEXT_AT = 3, 4
"""Words of PySSLSocket (CPython, Modules/_ssl.c): reference count, type, Socket, ssl, ctx."""

_Export = Callable[..., int]


def end_point(chain: Path) -> bytes:
    """``tls-server-end-point`` of the first certificate in a PEM file; b"" if none is defined for it (Ed25519) or it cannot be
    read."""
    try:
        certificate = x509.load_pem_x509_certificate(chain.read_bytes())
        algorithm = certificate.signature_hash_algorithm
    except (OSError, ValueError, UnsupportedAlgorithm):
        return b""
    if algorithm is None:
        return b""
    weak = isinstance(algorithm, (hashes.MD5, hashes.SHA1))
    return certificate.fingerprint(hashes.SHA256() if weak else algorithm)


def bindings_of(tls: ssl.SSLObject, server_end_point: bytes) -> Mapping[str, bytes]:
    """All that a client may bind to on this connection, by type; empty if -PLUS must not be offered."""
    if tls.version() == "TLSv1.3":
        first, octets = "tls-exporter", exported(tls)
    else:
        first, octets = "tls-unique", b"" if tls.session_reused else tls.get_channel_binding("tls-unique") or b""
    if not octets:
        return {}
    found = {first: octets}
    if server_end_point:
        found["tls-server-end-point"] = server_end_point
    return found


def exported(tls: ssl.SSLObject | ssl.SSLSocket) -> bytes:
    """Keying material for ``LABEL`` with an empty context (RFC 8446 §7.5); b"" where it cannot be had."""
    export, inner = _export(), getattr(tls, "_sslobj", None)
    if export is None or inner is None:
        return b""
    words = (ctypes.c_void_p * 5).from_address(id(inner))
    if words[_CONTEXT_AT] != id(inner.context) or not words[_SSL_AT]:
        return b""
    out = ctypes.create_string_buffer(EXPORTED_BYTES)
    done = export(words[_SSL_AT], out, EXPORTED_BYTES, LABEL, len(LABEL), b"", 0, 1)
    return out.raw if done == 1 else b""


@cache
def _export() -> _Export | None:
    """OpenSSL's own function, of the library that Python's ``ssl`` is bound to; None where it is not to be found."""
    try:
        function: Any = ctypes.CDLL(getattr(_ssl, "__file__", None)).SSL_export_keying_material
    except (OSError, AttributeError):
        return None
    function.restype = ctypes.c_int
    function.argtypes = [
        ctypes.c_void_p,
        ctypes.c_char_p,
        ctypes.c_size_t,
        ctypes.c_char_p,
        ctypes.c_size_t,
        ctypes.c_char_p,
        ctypes.c_size_t,
        ctypes.c_int,
    ]
    export: _Export = function
    return export
