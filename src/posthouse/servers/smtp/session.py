"""One SMTP connection: takes the core's events one by one, asks the path, answers (RFC 5321).

The core knows the protocol, the path knows the policy; here they meet, with time-outs, the budget of memory for messages
coming in, and the login. A failure of ours is a 4xx, never an acknowledgement.
"""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from posthouse.base import log
from posthouse.base.errors import MailError
from posthouse.directory.authenticate import LoginFailed
from posthouse.formats.received import known_as
from posthouse.model.verdict import Reply
from posthouse.pipeline.driver import Final
from posthouse.pipeline.transaction import Transaction
from posthouse.protocols.smtp import events as ev
from posthouse.protocols.smtp.server import ServerCore
from posthouse.servers.connection import Connection
from posthouse.servers.peers import peer_of
from posthouse.servers.sasl import ExchangeRefused, exchange, machine_for, mechanisms
from posthouse.servers.smtp import burl, wishes
from posthouse.servers.turns import Turns

if TYPE_CHECKING:
    from posthouse.servers.smtp.server import SmtpServer

_log = log.get("smtp")
ENDED = Reply(421, "4.7.0", "This account is held, ask your administrator")
SHUTTING_DOWN = Reply(421, "4.3.2", "Service shutting down")
TIMED_OUT = Reply(421, "4.4.2", "Timeout, closing connection")
TOO_LONG = Reply(421, "4.4.2", "Session has lasted too long")
NO_MEMORY = Reply(452, "4.3.1", "Too much mail is coming in at once, try again later")
PUT_OFF = Reply(421, "4.7.0", "Too much of what you asked for is put off, come back later")
SMALL_BYTES = 2_048
"""Up to here what comes in between messages is not added up: it is used at once."""
MAX_PUT_OFF = 1_500
"""Commands of one connection that are answered 4xx."""
FAULT = Reply(451, "4.3.0", "Local error in processing")


class _Ended(Exception):
    """The client is gone or was told goodbye."""


class _TimedOut(Exception):
    """The client was silent for too long."""


class SmtpSession:
    """``run`` is the whole life of one connection."""

    __slots__ = (
        "_connection",
        "_core",
        "_deadline_s",
        "_ending",
        "_failures",
        "_held",
        "_put_off",
        "_server",
        "_services",
        "_transaction",
        "_turns",
        "_waiting",
        "peer",
    )

    def __init__(self, server: SmtpServer, connection: Connection) -> None:
        self._server = server
        self._services = server.services
        self._connection = connection
        self._turns = Turns(connection)
        self._core = ServerCore(server.core_config())
        self._transaction: Transaction | None = None
        self._held = 0
        self._failures = 0
        self._put_off = 0
        self._waiting = False
        self._ending = False
        clock = self._services.clock
        self._deadline_s = clock.steady() + self._services.settings().smtp.session_timeout_s
        self.peer = peer_of(connection, clock.now())

    async def run(self) -> None:
        """Greets, serves until the end, and tidies up whatever the end was."""
        try:
            if await self._greet():
                await self._serve()
        except _TimedOut:
            self._connection.write(self._core.close(TIMED_OUT))
        except (OSError, _Ended):
            pass
        finally:
            self._abandon("connection ended")
            self._server.held_bytes -= self._held
            if self.peer.counted:
                self._services.counters.close(self.peer.counted)
            self._services.driver.gone(self.peer)
            self._connection.close()

    def end_if_idle(self) -> None:
        """For draining: ends a session that is between messages, waiting for its client."""
        if self._waiting and self._transaction is None and not self._connection.closing:
            self._connection.write(self._core.close(ENDED if self._ending else SHUTTING_DOWN))
            self._connection.close()

    def end_soon(self) -> None:
        """The account is held: the session ends when its transaction is over, at once while there is none."""
        self._ending = True
        self.end_if_idle()

    async def _greet(self) -> bool:
        if self._server.draining:
            self._connection.write(self._core.close(SHUTTING_DOWN))
            return False
        refused = await self._services.driver.connect(self.peer)
        if refused is not None:
            _log.info("refused", client=self.peer.client_address, rule=refused.reason.rule, detail=refused.reason.detail)
            self._connection.write(self._core.close(refused.reply))
            return False
        self._connection.answer(self._core.greeting())
        return True

    async def _serve(self) -> None:
        core, connection, driver = self._core, self._connection, self._services.driver
        while True:
            event = core.next_event()
            if event is None:
                if core.closed:
                    break
                await self._read()
                continue
            handler = _HANDLERS.get(type(event))
            try:
                octets = await handler(self, event) if handler is not None else core.accept()
            except (_TimedOut, _Ended):
                raise
            except Exception:
                _log.exception("fault", client=self.peer.client_address, command=type(event).__name__)
                octets = core.reply(FAULT)
            if driver.delay_s(self.peer) and not isinstance(event, ev.Quit):
                await driver.pace(self.peer, crowded=self._server.crowded)
            if core.has_more:
                connection.write(octets)
            else:
                connection.answer(octets)
            if type(event) is ev.StartTls and core.state is core.state.TLS:
                await self._start_tls()
            if (self._ending or self._server.draining) and self._transaction is None and not core.closed:
                connection.write(core.close(ENDED if self._ending else SHUTTING_DOWN))
            if connection.closing:
                return
            if self._turns.over():
                await self._turns.rest()
        await connection.drain()

    async def _read(self) -> None:
        smtp = self._services.settings().smtp
        left_s = self._deadline_s - self._services.clock.steady()
        if left_s <= 0:
            self._connection.write(self._core.close(TOO_LONG))
            raise _Ended
        timeout_s = smtp.data_timeout_s if self._core.receiving else smtp.command_timeout_s
        self._waiting = True
        try:
            data = await self._connection.read(timeout_s if timeout_s < left_s else left_s)
        except TimeoutError as error:
            raise _TimedOut from error
        except OSError as error:
            raise _Ended from error
        finally:
            self._waiting = False
        if not data:
            raise _Ended
        self._core.receive(data)
        if self._held or len(data) > SMALL_BYTES or self._core.receiving:
            self._account_memory(smtp.memory_bytes)

    def _account_memory(self, budget: int) -> None:
        """Keeps the worker's sum of what is coming in; past the budget this message is let go of and refused with 452."""
        held = self._core.held_bytes
        self._server.held_bytes += held - self._held
        self._held = held
        if self._server.held_bytes > budget and self._core.receiving:
            self._core.refuse_data(NO_MEMORY)

    def _abandon(self, why: str) -> None:
        if self._transaction is not None:
            self._services.driver.abandon(self._transaction, why)
            self._transaction = None

    # Commands

    async def _helo(self, event: ev.Helo) -> bytes:
        before, self.peer.helo = self.peer.helo, event.name
        refused = await self._services.driver.helo(self.peer)
        if refused is not None:
            self.peer.helo = before
            return self._refused(refused)
        self._abandon("greeted anew")
        self.peer.esmtp = event.esmtp
        self._offer()
        return self._core.accept(self._welcome())

    def _welcome(self) -> str:
        """The first line of the answer: who we are, and whom we see (NET-2, RFC 5321 §4.1.1.1)."""
        name, peer = self._core.config.hostname, self.peer
        return name if peer.service == "lmtp" else f"{name} greets {known_as(peer.host, peer.client_address)}"

    async def _mail_from(self, event: ev.MailFrom) -> bytes:
        self._abandon("another transaction began")
        sender, changed = wishes.settled(event.sender, self.peer, self._services.settings(), self._services.clock.now())
        transaction, refused = await self._services.driver.begin(self.peer, sender)
        if refused is not None:
            self._services.driver.abandon(transaction, refused.reply.text)
            return self._refused(refused)
        self._transaction = transaction
        if changed is not None:
            return self._core.reply(Reply(250, "2.3.6", f"{changed} is the new priority assigned to the message"))
        return self._core.accept()

    async def _rcpt_to(self, event: ev.RcptTo) -> bytes:
        assert self._transaction is not None, "the core allows RCPT only after an accepted MAIL"
        refused = await self._services.driver.recipient(self._transaction, event.recipient)
        return self._core.accept() if refused is None else self._refused(refused)

    def _refused(self, verdict: Final) -> bytes:
        """The core counts what is refused for good; what is put off, again and again, is counted here: all of it is noted."""
        if verdict.reply.code < 500:
            self._put_off += 1
            if self._put_off > MAX_PUT_OFF:
                return self._core.reply(PUT_OFF)
        return self._core.reply(verdict.reply)

    async def _data(self, event: ev.DataStart) -> bytes:
        if self._server.held_bytes >= self._services.settings().smtp.memory_bytes:
            return self._core.reply(NO_MEMORY)
        return self._core.accept()

    async def _burl(self, event: ev.Burl) -> bytes:
        """What the URL leads to comes in as if it were sent; what is too much is refused as that is."""
        if self._server.held_bytes >= self._services.settings().smtp.memory_bytes:
            return self._burl_refused(NO_MEMORY)
        try:
            octets = await burl.octets_for(self._services, self.peer, event.url)
        except MailError as error:
            return self._burl_refused(Reply(error.code, error.enhanced, error.public))
        if octets is None:
            return self._burl_refused(burl.NOT_FOUND)
        self._core.resolved(octets)
        self._account_memory(self._services.settings().smtp.memory_bytes)
        return b""

    def _burl_refused(self, reply: Reply) -> bytes:
        if self._transaction is not None:
            self._services.driver.refuse(self._transaction, reply, "burl")
            self._transaction = None
        return self._core.reply(reply)

    async def _message(self, event: ev.MessageComplete) -> bytes:
        transaction = self._transaction
        assert transaction is not None, "the core allows a message only after an accepted MAIL"
        self._transaction = None
        reply = await self._services.driver.message(transaction, event.content)
        return self._core.reply(reply)

    async def _message_refused(self, event: ev.MessageRefused) -> bytes:
        if self._transaction is not None:
            self._services.driver.refuse(self._transaction, event.reply, "protocol")
            self._transaction = None
        return self._core.accept()

    async def _rset(self, event: ev.Rset) -> bytes:
        self._abandon("RSET")
        return self._core.accept()

    async def _help(self, event: ev.Help) -> bytes:
        return self._core.accept("RFC 5321 is spoken here")

    # TLS and login

    def _offer(self) -> None:
        """STARTTLS, AUTH and REQUIRETLS by what the connection is now (INB-2, INB-3, TLS-1, RFC 8689 §2)."""
        settings = self._services.settings()
        clear = self.peer.tls is None
        tls = clear and self.peer.service != "submissions" and self._services.tls_context() is not None
        if self.peer.service == "smtp" and settings.smtp.starttls == "off":
            tls = False
        login = not clear or self.peer.is_loopback or settings.auth.plaintext
        if self.peer.service == "lmtp" or (self.peer.service == "smtp" and settings.smtp.auth == "off"):
            login = False
        strict = not clear and settings.queue.tls != "off"
        offers = wishes.offered(self.peer, settings, now=self._services.clock.now(), hostname=self._core.config.hostname)
        self._core.offer(starttls=tls, auth=mechanisms(self.peer, settings) if login else (), requiretls=strict)
        self._core.offer(**offers)

    async def _start_tls(self) -> None:
        context = self._services.tls_context()
        if context is None:
            raise _Ended
        try:
            self.peer.tls = await self._connection.start_tls(context)
        except (TimeoutError, ssl.SSLError) as error:
            _log.info("TLS failed", client=self.peer.client_address, cause=str(error))
            raise _Ended from error
        self._abandon("STARTTLS")
        self.peer.helo, self.peer.account, self.peer.account_id = "", "", 0
        self._core.tls_started()
        self._offer()

    async def _auth(self, event: ev.Auth) -> bytes:
        machine = machine_for(event.mechanism, self.peer, self._services.settings())
        assert machine is not None, "the core accepts only mechanisms on offer"
        try:
            await exchange(
                machine,
                event.initial,
                authenticator=self._services.authenticator,
                session=self.peer,
                respond=self._respond,
            )
        except LoginFailed as error:
            return self._login_failed(error)
        except ExchangeRefused as error:
            return self._core.reply(Reply(501, "5.5.2", str(error)))
        except MailError as error:
            return self._core.reply(Reply(454, "4.7.0", error.public))
        except _Cancelled as cancelled:
            return cancelled.octets
        self._offer()
        return self._core.accept()

    async def _respond(self, challenge: bytes) -> bytes:
        """One challenge and the client's answer to it."""
        self._connection.write(self._core.challenge(challenge))
        while (event := self._core.next_event()) is None:
            if self._core.closed:
                raise _Ended
            await self._read()
        if isinstance(event, ev.AuthLine):
            return event.data
        raise _Cancelled(self._core.accept())

    def _login_failed(self, error: LoginFailed) -> bytes:
        self._failures += 1
        if self._failures >= self._services.settings().auth.max_failures:
            return self._core.reply(Reply(421, "4.7.0", "Too many failed logins"))
        return self._core.reply(Reply(error.code, error.enhanced, error.public))


class _Cancelled(Exception):
    """The client broke off the exchange, or sent what the core refuses; ``octets`` answer it."""

    def __init__(self, octets: bytes) -> None:
        super().__init__("exchange broken off")
        self.octets = octets


_HANDLERS: dict[type, Callable[[SmtpSession, Any], Awaitable[bytes]]] = {
    ev.Helo: SmtpSession._helo,
    ev.MailFrom: SmtpSession._mail_from,
    ev.RcptTo: SmtpSession._rcpt_to,
    ev.DataStart: SmtpSession._data,
    ev.Burl: SmtpSession._burl,
    ev.MessageComplete: SmtpSession._message,
    ev.MessageRefused: SmtpSession._message_refused,
    ev.Rset: SmtpSession._rset,
    ev.Help: SmtpSession._help,
    ev.Auth: SmtpSession._auth,
}
