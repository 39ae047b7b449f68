"""A connection to a foreign IMAP server: Python's imaplib in a thread of its own, with all the logins that migrations need.

TLS from the start, STARTTLS, or none; AUTHENTICATE PLAIN where it is offered, else LOGIN; a master user by SASL's authorisation
identity (RFC 4616), as ``user*master`` (Dovecot, Cyrus) or as ``#user#master#``. Failing: what may pass (connection,
time-out, the server's own trouble) is Temporary, a refusal is Permanent. No literal is read that is larger than a message
may be.
"""

from __future__ import annotations

import asyncio
import contextlib
import imaplib
import socket
import ssl
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from posthouse.backends.sources.imap_answers import Answers
from posthouse.base.errors import Permanent, Temporary
from posthouse.model.migration import Remote

MAX_MESSAGE_BYTES = 128 << 20
TIMEOUT_S = 60.0
SEND_BYTES = 64 << 10
_PASSING = ("[UNAVAILABLE]", "[INUSE]", "[SERVERBUG]")
Result = TypeVar("Result")


class _Bounded:
    """Mixed into imaplib's classes: their ``read`` would hold whatever a server announces, and their ``send`` give a large
    message no more time than a small one."""

    def read(self, size: int) -> bytes:
        if size > MAX_MESSAGE_BYTES + (1 << 20):
            raise imaplib.IMAP4.abort("literal too large")
        octets: bytes = super().read(size)  # type: ignore[misc]
        return octets

    def send(self, data: Any) -> None:
        for at in range(0, len(data), SEND_BYTES):
            super().send(data[at : at + SEND_BYTES])  # type: ignore[misc]


class _Imap(_Bounded, imaplib.IMAP4):
    """Without TLS at first."""


class _ImapTls(_Bounded, imaplib.IMAP4_SSL):
    """With TLS from the start."""


class ImapLink:
    """``await open()`` first. ``call`` runs one function with the connection in its thread; calls run in order."""

    def __init__(self, remote: Remote, password: str) -> None:
        self._remote = remote
        self._password = password
        self._imap: imaplib.IMAP4 | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="imap-migration")
        self.capabilities: frozenset[str] = frozenset()

    async def open(self) -> None:
        """Connects and logs in. Raises Temporary, Permanent."""
        self._imap, self.capabilities = await self._in_thread(self._connect)

    async def call(self, work: Callable[[imaplib.IMAP4], Result]) -> Result:
        """The result of ``work``. Raises Temporary, Permanent."""
        imap = self._imap
        if imap is None:
            raise Temporary("The connection is closed")
        return await self._in_thread(lambda: work(imap))

    async def close(self) -> None:
        """At once, also when the server does not answer."""
        imap, self._imap = self._imap, None
        if imap is not None:
            with contextlib.suppress(OSError):
                imap.sock.shutdown(socket.SHUT_RDWR)
            self._thread.submit(_shut, imap)
        self._thread.shutdown(wait=False)

    async def _in_thread(self, work: Callable[[], Result]) -> Result:
        def guarded() -> Result:
            try:
                return work()
            except imaplib.IMAP4.abort as error:
                raise Temporary(f"{self._remote.host} ended the connection", cause=str(error)) from error
            except ssl.SSLCertVerificationError as error:
                text = f"{self._remote.host} has no certificate that is trusted here: {error.verify_message}"
                raise Permanent(text, cause=str(error)) from error
            except OSError as error:
                text = f"{self._remote.host} cannot be reached: {error.strerror or str(error) or 'no answer'}"
                raise Temporary(text, cause=str(error)) from error
            except imaplib.IMAP4.error as error:
                said = _words(error)
                kind = Temporary if said.startswith(_PASSING) else Permanent
                code = "OVERQUOTA" if said.startswith("[OVERQUOTA]") else ""
                raise kind(f"{self._remote.host} says: {said}", imap_code=code, cause=str(error)) from error

        return await asyncio.get_running_loop().run_in_executor(self._thread, guarded)

    def _connect(self) -> tuple[imaplib.IMAP4, frozenset[str]]:
        remote = self._remote
        imap: imaplib.IMAP4
        if remote.security == "tls":
            imap = _ImapTls(remote.host, remote.port, ssl_context=self._context(), timeout=TIMEOUT_S)
        else:
            imap = _Imap(remote.host, remote.port, timeout=TIMEOUT_S)
        try:
            if remote.security == "starttls":
                imap.starttls(ssl_context=self._context())
            self._log_in(imap)
            return imap, _capabilities(imap)
        except BaseException:
            _shut(imap)
            raise

    def _context(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        if not self._remote.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    def _log_in(self, imap: imaplib.IMAP4) -> None:
        login, authzid = _identities(self._remote)
        if any(char in text for text in (login, authzid, self._password) for char in "\0\r\n"):
            raise Permanent("A login has characters that are not allowed")
        plain = "AUTH=PLAIN" in _capabilities(imap)
        if authzid and not plain:
            raise Permanent(f"{self._remote.host} does not offer AUTHENTICATE PLAIN; use another form of master login")
        if plain:
            message = f"{authzid}\0{login}\0{self._password}".encode()
            imap.authenticate("PLAIN", lambda _: message)
        elif not (login + self._password).isascii():
            raise Permanent(f"{self._remote.host} does not offer AUTHENTICATE PLAIN, which these letters need")
        else:
            escaped = login.replace("\\", "\\\\").replace('"', '\\"')
            imap.login(f'"{escaped}"', self._password)


def _identities(remote: Remote) -> tuple[str, str]:
    """The login, and the SASL authorisation identity beside it ("" if none)."""
    if not remote.master:
        return remote.login, ""
    if remote.master_form == "star":
        return f"{remote.login}*{remote.master}", ""
    if remote.master_form == "hash":
        return f"#{remote.login}#{remote.master}#", ""
    return remote.master, remote.login


def _capabilities(imap: imaplib.IMAP4) -> frozenset[str]:
    """Asked each time: servers offer more after TLS and after the login."""
    data = checked(imap.capability())
    words = b" ".join(each for each in data if isinstance(each, bytes))
    return frozenset(words.decode("latin-1").upper().split())


def checked(answer: tuple[str, Answers]) -> Answers:
    """The data of an answer that is OK. Raises imaplib's error for NO, which the link renders."""
    status, data = answer
    if status != "OK":
        first = data[0] if data else b""
        raise imaplib.IMAP4.error(first if isinstance(first, bytes) else status)
    return data


def _words(error: Exception) -> str:
    """What a server said, as one line for people."""
    said = error.args[0] if error.args else ""
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
    return " ".join(text.split())[:300] or "no"


def _shut(imap: imaplib.IMAP4) -> None:
    with contextlib.suppress(OSError):
        imap.shutdown()
