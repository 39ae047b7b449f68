"""One POP3 connection: takes the core's events one by one, asks the authenticator and the store, answers (RFC 1939).

The core knows the protocol; here are time-outs, the login and its limits, the lock, and what a failure means: a login that
cannot be checked is refused as temporary, an update that fails is told with ``-ERR`` at QUIT and removes nothing silently.
"""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable

from posthouse.base import log
from posthouse.base.errors import MailError, NotFound, Temporary
from posthouse.directory.authenticate import LoginFailed
from posthouse.model.account import Account
from posthouse.model.session import Service
from posthouse.protocols.pop3 import events as ev
from posthouse.protocols.pop3.server import PopConfig, PopCore, State
from posthouse.servers.connection import Connection
from posthouse.servers.peers import peer_of
from posthouse.servers.pop.inbox import Inbox, Lock, Locked, open_inbox
from posthouse.servers.sasl import ExchangeRefused, exchange, machine_for, mechanisms
from posthouse.servers.services import Services
from posthouse.servers.turns import Turns

_log = log.get("pop")
SHUTTING_DOWN = "Service shutting down"


class _Ended(Exception):
    """The client is gone or was told goodbye."""


class _Cancelled(Exception):
    """The client broke off an AUTH exchange; the core's answer to that is ``octets``."""

    def __init__(self, octets: bytes) -> None:
        super().__init__("exchange broken off")
        self.octets = octets


class PopSession:
    """``run`` is the whole life of one connection."""

    __slots__ = (
        "_connection",
        "_core",
        "_ending",
        "_failures",
        "_inbox",
        "_lock",
        "_login_by_s",
        "_services",
        "_turns",
        "_waiting",
        "peer",
    )

    def __init__(
        self,
        services: Services,
        service: Service,
        connection: Connection,
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        settings = services.settings()
        self._services = services
        self._connection = connection
        self._turns = Turns(connection)
        self._core = PopCore(PopConfig(hostname=settings.smtp.hostname or services.node_name))
        self._lock = Lock(services.locks, sleep)
        self._inbox: Inbox | None = None
        self._failures = 0
        self._waiting = False
        self._ending = False
        self._login_by_s = services.clock.steady() + settings.pop.login_timeout_s
        self.peer = peer_of(connection, services.clock.now())

    async def run(self) -> None:
        """Greets, serves until the end, frees the lock whatever the end was."""
        try:
            if self._ending:
                self._connection.write(self._core.close(SHUTTING_DOWN, "SYS/TEMP"))
                return
            self._offer()
            self._connection.write(self._core.greeting())
            await self._serve()
        except (OSError, _Ended):
            pass
        finally:
            self._lock.release()
            self._connection.close()

    def end_soon(self) -> None:
        """For draining: at once while it waits for its client, else after the command that is under way."""
        self._ending = True
        if self._waiting and not self._connection.closing:
            self._connection.write(self._core.close(SHUTTING_DOWN, "SYS/TEMP"))
            self._connection.close()

    async def _serve(self) -> None:
        core = self._core
        while not core.closed:
            event = core.next_event()
            if event is None:
                await self._read()
                continue
            try:
                octets = await self._answer(event)
            except (OSError, _Ended):
                raise
            except Exception:
                _log.exception("fault", client=self.peer.client_address, command=type(event).__name__)
                octets = core.refuse("Internal error", "SYS/TEMP")
            self._connection.write(octets)
            if core.state is State.TLS:
                await self._start_tls()
            if self._ending and not core.closed:
                self._connection.write(core.close(SHUTTING_DOWN, "SYS/TEMP"))
            await self._connection.drain()
            await self._turns.taken()

    async def _read(self) -> None:
        """More octets for the core. A client that is late, or silent for too long, is told so."""
        timeout_s = self._services.settings().pop.idle_timeout_s
        if self._inbox is None:
            timeout_s = min(timeout_s, self._login_by_s - self._services.clock.steady())
        self._waiting = True
        try:
            if timeout_s <= 0:  # whatever it still sends
                raise TimeoutError
            data = await self._connection.read(timeout_s)
        except TimeoutError:
            self._connection.write(self._core.close("Timed out", "SYS/TEMP"))
            raise _Ended from None
        finally:
            self._waiting = False
        if not data:
            raise _Ended
        self._core.receive(data)

    async def _answer(self, event: ev.Event) -> bytes:
        if isinstance(event, ev.Login):
            login = event
            return await self._log_in(lambda: self._services.authenticator.password(login.login, login.password, self.peer))
        if isinstance(event, ev.Auth):
            auth = event
            return await self._log_in(lambda: self._exchange(auth))
        if isinstance(event, ev.Retrieve):
            return await self._retrieve(event)
        if isinstance(event, ev.Quit):
            return await self._quit(event)
        return self._core.accept()

    # Before login

    def _offer(self) -> None:
        """STLS and the ways to log in, by what the connection is now (TLS-1)."""
        clear = self._connection.tls is None
        login = not clear or self.peer.is_loopback or self._services.settings().auth.plaintext
        self._core.offer(
            stls=clear and self.peer.service == "pop3" and self._services.tls_context() is not None,
            mechanisms=mechanisms(self.peer, self._services.settings()) if login else (),
            plaintext=login,
        )

    async def _start_tls(self) -> None:
        context = self._services.tls_context()
        if context is None:
            raise _Ended
        try:
            self.peer.tls = await self._connection.start_tls(context)
        except (TimeoutError, ssl.SSLError) as error:
            _log.info("TLS failed", client=self.peer.client_address, cause=str(error))
            raise _Ended from error
        self._core.tls_started()
        self._offer()

    async def _log_in(self, check: Callable[[], Awaitable[Account]]) -> bytes:
        try:
            account = await check()
            await self._lock.acquire(account.account_id)
            self._inbox = await open_inbox(self._services.store, account.account_id)
        except LoginFailed as error:
            self._failures += 1
            if self._failures >= self._services.settings().auth.max_failures:
                return self._core.close("Too many failed logins", "AUTH")
            return self._core.refuse(error.public, "AUTH")
        except ExchangeRefused as error:
            return self._core.refuse(str(error))
        except _Cancelled as cancelled:
            return cancelled.octets
        except MailError as error:
            self._forget_login()
            _log.warning("login deferred", client=self.peer.client_address, cause=error.cause or error.public)
            return self._core.refuse(error.public, _code(error))
        except Exception:
            self._forget_login()
            raise
        return self._core.opened(self._inbox.entries)

    def _forget_login(self) -> None:
        """The password was right, but there is no session: back to a stranger."""
        self._lock.release()
        self._inbox = None
        self.peer.account, self.peer.account_id = "", 0

    async def _exchange(self, event: ev.Auth) -> Account:
        machine = machine_for(event.mechanism, self.peer, self._services.settings())
        assert machine is not None, "the core accepts only mechanisms on offer"
        return await exchange(
            machine,
            event.initial,
            authenticator=self._services.authenticator,
            session=self.peer,
            respond=self._respond,
        )

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

    # After login

    def _opened(self) -> Inbox:
        assert self._inbox is not None, "the core gives this only after login"
        return self._inbox

    async def _retrieve(self, event: ev.Retrieve) -> bytes:
        try:
            content = await self._opened().content(event.index, seen=event.lines is None)
        except NotFound:
            return self._core.refuse("That message is gone")
        except MailError as error:
            return self._core.refuse(error.public, _code(error))
        return self._core.message(content)

    async def _quit(self, event: ev.Quit) -> bytes:
        """The update (RFC 1939 §6). The lock is free before the client hears of it, so that it may come back at once."""
        try:
            if self._inbox is not None:
                await self._inbox.update(event.deleted)
        except MailError as error:
            _log.warning("update failed", account=self.peer.account, cause=error.cause or error.public)
            return self._core.refuse("Some deleted messages were not removed", _code(error))
        finally:
            self._lock.release()
        return self._core.accept()


def _code(error: MailError) -> str:
    """The response code (RFC 2449 §8, RFC 3206)."""
    if isinstance(error, Locked):
        return "IN-USE"
    return "SYS/TEMP" if isinstance(error, Temporary) else "SYS/PERM"
