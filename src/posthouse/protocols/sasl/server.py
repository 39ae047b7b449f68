"""PLAIN (RFC 4616) and LOGIN (draft-murchison-sasl-login) for servers, and the choice of a machine by name.

Both carry the password itself, so they are only offered under TLS, to loopback addresses, or where that is set.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from posthouse.protocols.sasl.bearer import BearerServer
from posthouse.protocols.sasl.scram import ScramServer
from posthouse.protocols.sasl.steps import MAX_LOGIN, MAX_PASSWORD, Challenge, CheckPassword, Failed, SaslStep, text_of


class SaslServer(Protocol):
    """One exchange. A step other than ``Challenge`` and ``NeedScram`` ends it."""

    @property
    def name(self) -> str:
        """As offered, ``SCRAM-SHA-256``."""
        ...

    def start(self, initial: bytes | None) -> SaslStep:
        """The exchange begins, with the client's initial response, None if it sent none."""
        ...

    def step(self, data: bytes) -> SaslStep:
        """The client's answer to the last challenge."""
        ...


class PlainServer:
    """``authzid NUL authcid NUL password`` in one message."""

    name = "PLAIN"

    def start(self, initial: bytes | None) -> SaslStep:
        return Challenge(b"") if initial is None else self.step(initial)

    def step(self, data: bytes) -> SaslStep:
        parts = data.split(b"\0", 3)
        if len(parts) != 3 or not parts[1] or not parts[2]:
            return Failed("malformed PLAIN message")
        try:
            return CheckPassword(text_of(parts[0], MAX_LOGIN), text_of(parts[1], MAX_LOGIN), text_of(parts[2], MAX_PASSWORD))
        except ValueError:
            return Failed("malformed PLAIN message")


class LoginServer:
    """Asks for the login, then for the password. Obsolete, but all that some clients speak."""

    name = "LOGIN"

    def __init__(self) -> None:
        self._login = ""

    def start(self, initial: bytes | None) -> SaslStep:
        return Challenge(b"Username:") if initial is None else self.step(initial)

    def step(self, data: bytes) -> SaslStep:
        try:
            if self._login:
                return CheckPassword("", self._login, text_of(data, MAX_PASSWORD)) if data else Failed("empty password")
            self._login = text_of(data, MAX_LOGIN)
        except ValueError:
            return Failed("malformed LOGIN message")
        return Challenge(b"Password:") if self._login else Failed("empty login")


def server_machine(name: str, *, bindings: Mapping[str, bytes] | None = None) -> SaslServer | None:
    """A fresh machine for a mechanism's name (upper case); None for a name that is not known.

    ``bindings``: channel bindings of the TLS connection (``tls-exporter``, ``tls-server-end-point``), if ``-PLUS`` is
    among what is offered.
    """
    if name == "PLAIN":
        return PlainServer()
    if name == "LOGIN":
        return LoginServer()
    if name in ("SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"):
        return ScramServer(plus=name.endswith("-PLUS"), bindings=bindings or {})
    if name in ("OAUTHBEARER", "XOAUTH2"):
        return BearerServer("OAUTHBEARER" if name == "OAUTHBEARER" else "XOAUTH2")
    return None
