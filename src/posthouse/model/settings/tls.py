"""Settings of the group ``tls``: certificates and TLS (TLS-1)."""

from __future__ import annotations

from dataclasses import dataclass

from posthouse.base.settings import setting
from posthouse.model.settings.forms import MX_PATTERN


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """Certificates and TLS (TLS-1)."""

    certificate: str = setting("", "File with the certificate chain in PEM; empty: a self-made one.", effect="at once")
    private_key: str = setting("", "File with the private key in PEM; empty: it stands in the certificate's file.")
    sni_directory: str = setting("", "Folder with NAME.pem files (chain and key) for further host names (SNI).")
    sts_mode: str = setting(
        "off",
        "The MTA-STS policy that this node serves for its domains at https://mta-sts.DOMAIN/: none, one that others only"
        " report about, or one that keeps them to TLS with a certificate of the host's name.",
        choices=("off", "testing", "enforce"),
    )
    sts_hosts: tuple[str, ...] = setting(
        (), "MX hosts that the policy names, *. in front for any one name; empty: this node.", form=MX_PATTERN
    )
    sts_max_age_s: float = setting(
        2_419_200.0, "How long others may keep the policy.", unit="s", at_least=86_400, at_most=31_557_600
    )
    minimum: str = setting("1.2", "Oldest TLS version accepted.", choices=("1.2", "1.3"), effect="new sessions")
