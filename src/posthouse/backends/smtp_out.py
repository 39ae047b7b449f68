"""The courier over real sockets: SMTP and LMTP by ``protocols.smtp.client``, TLS when offered, connections used again.

TLS to other servers is opportunistic unless set: encrypted without checking names (RFC 7435); a host whose handshake fails is
tried again in clear text, where that is allowed. Time-outs follow RFC 5321 §4.5.3.2.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from posthouse.interfaces.courier import Answer, Parcel, Target, Unreachable
from posthouse.model.settings import QueueSettings
from posthouse.protocols.smtp.client import ClientCore, Closed, Event, Ready, Refused, TlsReady, TransactionDone
from posthouse.protocols.smtp.replies import BadReply, ServerReply
from posthouse.protocols.smtp.transaction import CannotSend, Transaction, TransactionResult

VERDICT_TIMEOUT_S = 600.0
READ_BYTES = 65_536
MAX_IDLE = 1_000


@dataclass(slots=True)
class _Link:
    """One open connection."""

    core: ClientCore
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    sent: int = 0
    expiry: asyncio.TimerHandle | None = None

    def drop(self) -> None:
        if self.expiry is not None:
            self.expiry.cancel()
        self.writer.close()


class SmtpCourier:
    """See ``interfaces.courier``. ``hostname()`` is what we call ourselves in EHLO."""

    def __init__(self, hostname: Callable[[], str], settings: Callable[[], QueueSettings]) -> None:
        self._hostname = hostname
        self._settings = settings
        self._idle: dict[Target, list[_Link]] = defaultdict(list)
        self._idle_count = 0
        self._context: ssl.SSLContext | None = None

    async def deliver(self, target: Target, parcel: Parcel) -> Sequence[Answer]:
        while (link := self._reused(target)) is not None:
            answers = await self._send(target, link, parcel, fresh=False)
            if answers is not None:
                return answers
        link = await self._open(target)
        answers = await self._send(target, link, parcel, fresh=True)
        assert answers is not None, "a fresh connection always gives answers or raises"
        return answers

    async def close(self) -> None:
        for links in self._idle.values():
            for link in links:
                if link.core.idle:
                    link.core.quit()
                    link.writer.write(link.core.to_send())
                link.drop()
        self._idle.clear()
        self._idle_count = 0

    # Connections

    def _reused(self, target: Target) -> _Link | None:
        links = self._idle.get(target)
        if not links:
            return None
        link = links.pop()
        self._idle_count -= 1
        if not links:
            del self._idle[target]
        if link.expiry is not None:
            link.expiry.cancel()
        return link

    def _keep(self, target: Target, link: _Link) -> None:
        queue = self._settings()
        link.sent += 1
        usable = link.core.idle and link.sent < queue.messages_per_connection and queue.connection_keep_s > 0
        if not usable or self._idle_count >= MAX_IDLE:
            self._say_goodbye(link)
            return
        self._idle[target].append(link)
        self._idle_count += 1
        link.expiry = asyncio.get_running_loop().call_later(queue.connection_keep_s, self._expire, target, link)

    def _expire(self, target: Target, link: _Link) -> None:
        links = self._idle.get(target, [])
        if link in links:
            links.remove(link)
            self._idle_count -= 1
            if not links:
                del self._idle[target]
        self._say_goodbye(link)

    def _say_goodbye(self, link: _Link) -> None:
        if link.core.idle:
            link.core.quit()
            link.writer.write(link.core.to_send())
        link.drop()

    async def _open(self, target: Target) -> _Link:
        """A connection that is greeted and, where it can or must be, encrypted. Raises Unreachable."""
        try:
            return await self._connect(target, tls=target.tls != "off")
        except _TlsBroken as error:
            if target.tls == "required":
                raise Unreachable(f"TLS failed: {error}") from error
            return await self._connect(target, tls=False)

    async def _connect(self, target: Target, *, tls: bool) -> _Link:
        queue = self._settings()
        try:
            async with asyncio.timeout(queue.connect_timeout_s):
                reader, writer = await asyncio.open_connection(target.address, target.port)
        except (TimeoutError, OSError) as error:
            raise Unreachable(f"connection to port {target.port} failed: {str(error) or 'timed out'}") from error
        link = _Link(ClientCore(self._hostname(), lmtp=target.protocol == "lmtp"), reader, writer)
        try:
            await self._hello(link, target, tls=tls)
        except BaseException:
            link.drop()
            raise
        return link

    async def _hello(self, link: _Link, target: Target, *, tls: bool) -> None:
        event = await self._next(link)
        _expect_ready(event)
        if not tls:
            return
        if "STARTTLS" not in link.core.extensions:
            if target.tls == "required":
                raise Unreachable("TLS is required and not offered")
            return
        link.core.start_tls()
        event = await self._next(link)
        if isinstance(event, Refused):
            raise _TlsBroken(f"STARTTLS refused: {event.reply}")
        if not isinstance(event, TlsReady):
            raise Unreachable("the connection ended at STARTTLS")
        try:
            async with asyncio.timeout(self._settings().connect_timeout_s):
                await link.writer.start_tls(self._tls_context(), server_hostname=target.host)
        except (TimeoutError, OSError) as error:
            raise _TlsBroken(str(error) or "handshake timed out") from error
        link.core.tls_started()
        _expect_ready(await self._next(link))

    def _tls_context(self) -> ssl.SSLContext:
        if self._context is None:
            context = ssl.create_default_context()
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            self._context = context
        return self._context

    # A transaction

    async def _send(self, target: Target, link: _Link, parcel: Parcel, *, fresh: bool) -> Sequence[Answer] | None:
        """Answers; None if a reused connection turned out dead before the message went out."""
        try:
            link.core.send(Transaction(parcel.sender, parcel.recipients, parcel.content))
        except CannotSend as error:
            self._keep(target, link)
            return [_answer(error.reply(), link.core)] * len(parcel.recipients)
        try:
            event = await self._next(link)
        except Unreachable as error:
            link.drop()
            if not fresh and not link.core.awaiting_verdict:
                return None
            return _answers(link.core.partial_result(), parcel, link.core, _lost(error.cause))
        if isinstance(event, TransactionDone):
            self._keep(target, link)
            return _answers(event.result, parcel, link.core, _lost("no answer"))
        link.drop()
        said = event.reply if isinstance(event, Closed) else _lost("the connection ended")
        if not fresh:
            return None
        return _answers(link.core.partial_result(), parcel, link.core, said)

    async def _next(self, link: _Link) -> Event:
        """The core's next event, moving octets as needed. Raises Unreachable when the connection fails."""
        try:
            while True:
                while octets := link.core.to_send():
                    link.writer.write(octets)
                    async with asyncio.timeout(self._settings().command_timeout_s):
                        await link.writer.drain()
                event = link.core.next_event()
                if event is not None:
                    return event
                if octets_waiting := link.core.to_send():
                    link.writer.write(octets_waiting)
                    continue
                timeout_s = VERDICT_TIMEOUT_S if link.core.awaiting_verdict else self._settings().command_timeout_s
                async with asyncio.timeout(timeout_s):
                    data = await link.reader.read(READ_BYTES)
                if not data:
                    raise Unreachable("the connection was closed")
                link.core.receive(data)
        except (TimeoutError, OSError) as error:
            raise Unreachable(str(error) or "timed out") from error
        except BadReply as error:
            raise Unreachable(error.cause) from error


class _TlsBroken(Exception):
    """STARTTLS did not work out; clear text may."""


def _expect_ready(event: Event) -> None:
    if isinstance(event, Ready):
        return
    reply = event.reply if isinstance(event, (Refused, Closed)) else None
    raise Unreachable(f"greeted with {reply}" if reply else "no greeting")


def _lost(cause: str) -> ServerReply:
    return ServerReply(450, "4.4.2", (f"Connection lost: {cause}",))


def _answers(result: TransactionResult, parcel: Parcel, core: ClientCore, otherwise: ServerReply) -> Sequence[Answer]:
    return [_answer(result.reply_for(index) or otherwise, core) for index in range(len(parcel.recipients))]


def _answer(reply: ServerReply, core: ClientCore) -> Answer:
    if reply.code in (354,) or reply.code < 200:
        reply = _lost("no verdict")
    return Answer(reply.code, str(reply), notifies="DSN" in core.extensions)
