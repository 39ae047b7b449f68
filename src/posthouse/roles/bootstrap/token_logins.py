"""Who judges access tokens in a worker (INB-3)."""

from __future__ import annotations

from pathlib import Path

from posthouse.backends.https import HttpsFetch
from posthouse.backends.token_introspection import IntrospectingVerifier
from posthouse.backends.token_keys import IssuerKeys
from posthouse.backends.tokens import JwtVerifier
from posthouse.base.clock import Clock
from posthouse.interfaces.resolver import Resolver
from posthouse.interfaces.tokens import TokenVerifier
from posthouse.model.settings import TokenSettings
from posthouse.roles.live import Live


def token_logins(live: Live, resolver: Resolver, data: Path, clock: Clock) -> TokenVerifier:
    """By the issuer that is set. Its keys may come from this machine or its network, an administrator has named the place. The
    trust is that of other sites (``queue.ca_file``)."""

    def settings() -> TokenSettings:
        return live.settings().tokens

    web = HttpsFetch(resolver, lambda: True, lambda: live.settings().queue.ca_file)
    signed = JwtVerifier(settings, IssuerKeys(settings, web.get_url, data, clock), clock)
    return IntrospectingVerifier(settings, signed, web.ask_form, clock)
