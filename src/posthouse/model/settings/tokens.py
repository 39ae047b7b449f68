"""Settings of the group ``tokens``: logins with access tokens of an identity provider (OAUTHBEARER, XOAUTH2)."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from posthouse.base.settings import Form, setting


def _keys(text: str) -> str:
    if "://" not in text:
        return text
    parts = urlsplit(text)
    if parts.scheme != "https" or not parts.hostname or parts.username or parts.fragment or parts.port == 0:
        raise ValueError("keys come over https, without a password in the URL")
    return text


def _introspection(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme != "https" or not parts.hostname or parts.fragment or parts.port == 0:
        raise ValueError("tokens are asked about over https")
    return text


INTROSPECTION = Form("a URL such as https://client:secret@id.example.com/introspect", _introspection, secret=True)
KEYS = Form("a file, or a URL with https", _keys)


@dataclass(frozen=True, slots=True)
class TokenSettings:
    """Logins with access tokens of an identity provider. Offered once issuer, audience and keys (or introspection) are
    set."""

    issuer: str = setting("", "Who issues tokens: what stands in them as iss, letter by letter. Empty: no such logins.")
    audience: tuple[str, ...] = setting((), "Whom tokens are for: one of these must stand in them as aud.")
    keys: str = setting("", "The issuer's public keys, a JWK set: a file in the data folder or a URL (jwks_uri).", form=KEYS)
    introspection: str = setting(
        "",
        "Where the issuer is asked about tokens that its keys do not tell of, with a login of the node's own: https://client:secret@host/path.",
        form=INTROSPECTION,
    )
    scope: str = setting("", "A scope that tokens must have; empty: any.")
    claim: str = setting("email", "What in a token is the account's address.")
    keys_lifetime_s: float = setting(3600.0, "How long keys are kept before they are fetched again.", unit="s", at_least=60)
    timeout_s: float = setting(5.0, "Longest wait for the issuer.", unit="s", at_least=0.1, at_most=30)
    leeway_s: float = setting(60.0, "How much the issuer's clock may be off.", unit="s", at_least=0, at_most=600)
    configuration: str = setting("", "URL of the issuer's configuration, told to clients whose token is refused.", form=KEYS)

    @property
    def on(self) -> bool:
        """Whether tokens can be judged at all."""
        return bool(self.issuer and self.audience and (self.keys or self.introspection))
