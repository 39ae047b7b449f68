"""Settings of the group ``tls``: certificates and TLS (TLS-1)."""

from __future__ import annotations

from dataclasses import dataclass

from posthouse.base.settings import setting


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """Certificates and TLS (TLS-1)."""

    certificate: str = setting("", "File with the certificate chain in PEM; empty: a self-made one.", effect="at once")
    private_key: str = setting("", "File with the private key in PEM; empty: it stands in the certificate's file.")
    sni_directory: str = setting("", "Folder with NAME.pem files (chain and key) for further host names (SNI).")
    minimum: str = setting("1.2", "Oldest TLS version accepted.", choices=("1.2", "1.3"), effect="new sessions")
