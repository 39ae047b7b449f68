"""One connection to an LDAP server: TLS, who we are, and many searches at once.

A failure is ``Trouble``: of the connection (``lost``), or the server's answer. A server that says more than it was asked for
is cut off.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from posthouse.model.outside import LdapServer
from posthouse.protocols.ldap import ber, messages
from posthouse.protocols.ldap.client import ClientCore

_READ_BYTES = 64 << 10
_SURPLUS = 1_000
"""References to elsewhere that may come with what was asked for."""
_PORTS = {"ldap": 389, "ldaps": 636}


class Trouble(Exception):
    """What went wrong, for the log. ``lost``: the connection is gone, or was never there."""

    def __init__(self, why: str, *, lost: bool = True) -> None:
        super().__init__(why)
        self.lost = lost


@dataclass(slots=True)
class _Asked:
    """A request whose answer is awaited."""

    done: asyncio.Future[messages.Result]
    most: int
    entries: list[messages.Entry] = field(default_factory=list)
    references: int = 0


class Link:
    """``open`` makes one."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._core = ClientCore()
        self._asked: dict[int, _Asked] = {}
        self._lost = ""
        self._listening: asyncio.Task[None] | None = None
        self.answers = 0
        self.used_at_s = 0.0

    @classmethod
    async def open(cls, server: LdapServer, url: str, context: ssl.SSLContext | None) -> Link:
        """Connected, secret if it is to be, and bound. Raises Trouble; may take as long as the network likes."""
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
        secret = context if parts.scheme == "ldaps" else None
        name = host if context is not None else None
        try:
            reader, writer = await asyncio.open_connection(
                host, port, ssl=secret, server_hostname=name if secret else None, limit=_READ_BYTES
            )
            link = cls(reader, writer)
        except (OSError, ssl.SSLError) as error:
            raise Trouble(_in_words(error)) from error
        try:
            if context is not None and secret is None:
                await link._start_tls(context, host)
            link._listening = asyncio.create_task(link._listen())
            if server.bind_dn:
                await link._bind(server.bind_dn, server.password)
        except BaseException:
            link.close()
            raise
        return link

    @property
    def busy(self) -> int:
        """How many answers are awaited."""
        return len(self._asked)

    @property
    def is_lost(self) -> bool:
        return bool(self._lost)

    async def search(self, wanted: messages.Search) -> list[messages.Entry]:
        """What is found; nothing if the base is not there. Raises Trouble."""
        number = self._core.next_number()
        asked = await self._ask(number, messages.search(number, wanted), wanted.most)
        result = asked.done.result()
        if result.code not in (messages.SUCCESS, messages.SIZE_LIMIT, messages.NO_SUCH_OBJECT):
            raise Trouble(str(result), lost=result.code in (51, 52))
        if result.code == messages.NO_SUCH_OBJECT and wanted.scope != "base":
            raise Trouble(f"the base {wanted.base.decode('utf-8', 'replace')} is not there", lost=False)
        return asked.entries

    async def _bind(self, dn: str, password: str) -> None:
        number = self._core.next_number()
        asked = await self._ask(number, messages.bind(number, dn, password), 0)
        if (result := asked.done.result()).code != messages.SUCCESS:
            raise Trouble(f"login as {dn}: {result}")

    async def _start_tls(self, context: ssl.SSLContext, host: str) -> None:
        """Before anything listens, and with nothing of the server's still unread: nobody may speak for it before TLS does."""
        self._writer.write(messages.start_tls(self._core.next_number()))
        try:
            found: list[messages.Message] = []
            while not found:
                octets = await self._reader.read(_READ_BYTES)
                if not octets:
                    raise Trouble("closed the connection")
                found = self._core.feed(octets)
            said = found[0].said
            if not isinstance(said, messages.Result) or said.code != messages.SUCCESS:
                raise Trouble(f"StartTLS: {said}")
            if len(found) > 1 or self._core.holds_more:
                raise Trouble("StartTLS: more than an answer came before TLS")
            await self._writer.start_tls(context, server_hostname=host)
        except (OSError, ssl.SSLError, ValueError) as error:
            raise Trouble(f"StartTLS: {_in_words(error)}") from error

    async def _ask(self, number: int, octets: bytes, most: int) -> _Asked:
        if self._lost:
            raise Trouble(self._lost)
        asked = self._asked[number] = _Asked(asyncio.get_running_loop().create_future(), most)
        self._writer.write(octets)
        try:
            await asked.done
        except asyncio.CancelledError:
            if asked.done.cancelled() and not self.is_lost:
                self._writer.write(messages.abandon(self._core.next_number(), number))
            raise
        finally:
            self._asked.pop(number, None)
        self.answers += 1
        return asked

    async def _listen(self) -> None:
        why = "closed the connection"
        try:
            while octets := await self._reader.read(_READ_BYTES):
                for message in self._core.feed(octets):
                    self._hear(message)
        except (OSError, ValueError, ssl.SSLError, Trouble) as error:
            why = _in_words(error)
        finally:
            self._lose(why)

    def _hear(self, message: messages.Message) -> None:
        if message.number == 0:
            raise Trouble(f"ends the connection: {message.said}")
        asked = self._asked.get(message.number)
        if asked is None or asked.done.done():
            return  # abandoned
        said = message.said
        if isinstance(said, messages.Result):
            asked.done.set_result(said)
        elif isinstance(said, messages.Entry):
            asked.entries.append(said)
            if asked.most and len(asked.entries) > asked.most:
                raise ber.Malformed("more entries than were asked for")
        else:
            asked.references += 1
            if asked.references > _SURPLUS:
                raise ber.Malformed("no end of references")

    def _lose(self, why: str) -> None:
        self._lost = self._lost or why
        for asked in list(self._asked.values()):
            if not asked.done.done():
                asked.done.set_exception(Trouble(self._lost))
        self._writer.close()

    def close(self) -> None:
        """Says goodbye. Whoever still waits hears that the connection is gone."""
        if not self._lost:
            with suppress(OSError, RuntimeError):
                self._writer.write(messages.unbind(self._core.next_number()))
        self._lose("closed by us")
        if self._listening is not None:
            self._listening.cancel()


def _in_words(error: Exception) -> str:
    """What an administrator can do something with."""
    if isinstance(error, OSError) and not isinstance(error, ssl.SSLError) and error.errno is not None and error.errno > 0:
        return os.strerror(error.errno)
    return str(error) or type(error).__name__
