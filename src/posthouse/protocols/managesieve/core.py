"""The protocol's state: what may come when, and how often wrong is too often (RFC 5804 §2).

``receive`` octets, ``next_event`` gives a command that is allowed now, or a ``Refusal`` that is ready to send. The driver
tells when the client has authenticated, when a SASL exchange goes on, and when TLS is up.
"""

from __future__ import annotations

from dataclasses import dataclass

from posthouse.protocols.managesieve import responses
from posthouse.protocols.managesieve.commands import (
    AuthData,
    Authenticate,
    Capability,
    Command,
    Logout,
    Misused,
    Noop,
    StartTls,
    command_of,
    decoded,
)
from posthouse.protocols.managesieve.words import Broken, Word, WordReader

MAX_LITERAL_BEFORE_LOGIN = 12_288
MAX_ERRORS = 10
_ALWAYS = (Logout, Capability, Noop)
_BEFORE = (*_ALWAYS, Authenticate, StartTls)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Send this; ``closes``: then end the connection."""

    octets: bytes
    closes: bool = False


Event = Command | Refusal


class ManageSieveCore:
    """``max_script_bytes`` bounds literals after login."""

    def __init__(self, max_script_bytes: int) -> None:
        self._max_script_bytes = max_script_bytes
        self._words = WordReader(MAX_LITERAL_BEFORE_LOGIN)
        self._authenticated = False
        self._exchanging = False
        self._errors = 0
        self._closed = False

    @property
    def authenticated(self) -> bool:
        """Whether the client has logged in."""
        return self._authenticated

    def receive(self, data: bytes) -> None:
        """Takes octets in."""
        self._words.feed(data)

    def next_event(self) -> Event | None:
        """The next event, None until more octets come, and after a refusal that closes."""
        if self._closed:
            return None
        try:
            words = self._words.next()
            if words is None:
                return None
            if self._exchanging:
                return self._auth_data(words)
            command = command_of(words)
        except Broken as error:
            return self._refuse(error.text, closes=error.closes)
        except Misused as error:
            return self._refuse(error.text, error.code)
        return self._allowed(command)

    def _allowed(self, command: Command) -> Event:
        if not self._authenticated and not isinstance(command, _BEFORE):
            return self._refuse("Authenticate first")
        if self._authenticated and isinstance(command, (Authenticate, StartTls)):
            return self._refuse("Already authenticated")
        self._errors = 0
        return command

    def _auth_data(self, words: list[Word]) -> Event:
        self._exchanging = False
        if len(words) != 1:
            return self._refuse("An answer to the challenge is missing")
        if words[0].octets == b"*":
            return AuthData(None)
        try:
            return AuthData(decoded(words[0]))
        except Misused as error:
            return self._refuse(error.text)

    def _refuse(self, text: str, code: str = "", *, closes: bool = False) -> Refusal:
        self._errors += 1
        if closes or self._errors >= MAX_ERRORS:
            self._closed = True
            return Refusal(responses.bye(text if closes else "Too many errors"), closes=True)
        return Refusal(responses.no(text, code))

    # What the driver tells

    def expect_auth_data(self) -> None:
        """The next line answers a challenge."""
        self._exchanging = True

    def logged_in(self) -> None:
        """From here on scripts may be managed."""
        self._authenticated = True
        self._words.max_literal_bytes = self._max_script_bytes

    def logged_out(self) -> None:
        """UNAUTHENTICATE: back to the beginning, TLS stays."""
        self._authenticated = False
        self._words.max_literal_bytes = MAX_LITERAL_BEFORE_LOGIN

    def tls_begins(self) -> None:
        """What came in clear text behind STARTTLS is forgotten (CVE-2011-0411)."""
        self._words.clear()
