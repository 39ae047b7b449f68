"""STARTTLS, LOGIN, AUTHENTICATE, UNAUTHENTICATE, LOGOUT (RFC 9051 §6.2, RFC 4959, RFC 8437).

In clear text off loopback nobody can log in, by whatever mechanism (TLS-1). The exchange is ``servers.sasl``'s; the
authenticator slows and counts failures, and after some the connection ends.
"""

from __future__ import annotations

import base64
import binascii
import ssl
from typing import TYPE_CHECKING

from posthouse.directory.authenticate import LoginFailed
from posthouse.model.account import Account
from posthouse.protocols.imap import responses
from posthouse.protocols.imap.commands import Authenticate, Login, Logout, StartTls, Unauthenticate
from posthouse.servers.imap.capabilities import capability_code, clear_logins
from posthouse.servers.imap.refusal import Disconnected, Goodbye, Refused
from posthouse.servers.imap.routes import Done
from posthouse.servers.sasl import ExchangeRefused, exchange, machine_for, mechanisms

if TYPE_CHECKING:
    from posthouse.servers.imap.session import ImapSession


async def start_tls(session: ImapSession, _command: StartTls) -> str:
    """STARTTLS; the handshake follows once OK is written (``finish_start_tls``)."""
    if session.connection.tls is not None:
        raise Refused("TLS is on already", status="BAD")
    if session.services.tls_context() is None:
        raise Refused("TLS is not available", status="BAD")
    return "Begin TLS negotiation now"


async def finish_start_tls(session: ImapSession) -> None:
    """The handshake; what came in clear text before it is forgotten (CVE-2011-0411)."""
    session.core.clear()
    context = session.services.tls_context()
    if context is None:
        raise Goodbye("TLS is not available")
    try:
        session.peer.tls = await session.connection.start_tls(context)
    except (TimeoutError, OSError, ssl.SSLError) as error:
        raise Disconnected from error


async def login(session: ImapSession, command: Login) -> Done:
    """LOGIN with a password."""
    if not clear_logins(session):
        raise Refused("Logging in needs TLS here", code="PRIVACYREQUIRED")
    try:
        account = await session.services.authenticator.password(command.user, command.password, session.peer)
    except LoginFailed:
        _count_failure(session)
        raise
    return _logged_in(session, account)


async def authenticate(session: ImapSession, command: Authenticate) -> Done:
    """AUTHENTICATE with one of the mechanisms on offer."""
    if command.mechanism not in mechanisms(session.peer, session.services.settings()):
        raise Refused("No such mechanism", code="CANNOT")
    if not clear_logins(session):
        raise Refused("Logging in needs TLS here", code="PRIVACYREQUIRED")
    try:
        account = await _exchange(session, command)
    except LoginFailed:
        _count_failure(session)
        raise
    return _logged_in(session, account)


async def _exchange(session: ImapSession, command: Authenticate) -> Account:
    machine = machine_for(command.mechanism, session.peer, session.services.settings())
    if machine is None:
        raise Refused("No such mechanism", code="CANNOT")

    async def respond(challenge: bytes) -> bytes:
        return await _respond(session, challenge)

    authenticator = session.services.authenticator
    try:
        return await exchange(machine, command.initial, authenticator=authenticator, session=session.peer, respond=respond)
    except ExchangeRefused as refused:
        raise Refused(str(refused), status="BAD") from None


async def _respond(session: ImapSession, challenge: bytes) -> bytes:
    session.write(responses.continuation(base64.b64encode(challenge)))
    line = (await session.read_line()).strip()
    if line == b"*":
        raise Refused("Cancelled", status="BAD")
    try:
        return binascii.a2b_base64(line, strict_mode=True) if line else b""
    except binascii.Error:
        raise Refused("That is not base64", status="BAD") from None


def _count_failure(session: ImapSession) -> None:
    session.failures += 1
    if session.failures >= session.services.settings().auth.max_failures:
        session.end_after_answer("Too many failed logins")


def _logged_in(session: ImapSession, account: Account) -> Done:
    session.log_in(account)
    return "Logged in", capability_code(session)


async def unauthenticate(session: ImapSession, _command: Unauthenticate) -> Done:
    """UNAUTHENTICATE (RFC 8437): back to the state before login; what was enabled is off again."""
    if session.compressed:
        raise Refused("Not with compression on", code="CANNOT")
    session.log_out()
    return "Logged out of the account", capability_code(session)


async def logout(session: ImapSession, _command: Logout) -> str:
    """LOGOUT: BYE, then OK, then the end."""
    session.write(responses.untagged("BYE", "Logging out"))
    session.end_after_answer("")
    return "LOGOUT completed"
