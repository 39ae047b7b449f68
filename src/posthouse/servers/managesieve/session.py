"""One ManageSieve connection: takes the core's events one by one, answers (RFC 5804 §2).

Here are time-outs, TLS, the login and its limits, and which mechanisms are on offer (TLS-1). What the commands do to scripts is
in ``scripts``.
"""

from __future__ import annotations

import ssl

from posthouse import __version__
from posthouse.base import log
from posthouse.base.errors import MailError
from posthouse.content.sieve import NOTIFY_METHODS, extensions
from posthouse.content.sieve.comparators import COMPARATORS
from posthouse.directory.authenticate import LoginFailed
from posthouse.model.account import Account
from posthouse.model.script import MAX_SCRIPT_BYTES
from posthouse.model.session import Service
from posthouse.protocols.managesieve import commands as cmd
from posthouse.protocols.managesieve import responses
from posthouse.protocols.managesieve.core import Event, ManageSieveCore, Refusal
from posthouse.servers.connection import Connection
from posthouse.servers.managesieve.scripts import UserScripts
from posthouse.servers.peers import peer_of
from posthouse.servers.sasl import MECHANISMS, ExchangeRefused, exchange, machine_for, mechanisms
from posthouse.servers.services import Services
from posthouse.servers.turns import Turns

_log = log.get("managesieve")
SHUTTING_DOWN = responses.bye("Service shutting down", "TRYLATER")
_SIEVE = " ".join((*extensions("user"), *sorted(f"comparator-{name}" for name in COMPARATORS)))


class _Ended(Exception):
    """The client is gone or was told goodbye."""


class ManageSieveSession:
    """``run`` is the whole life of one connection."""

    def __init__(self, services: Services, service: Service, connection: Connection) -> None:
        self._services = services
        self._connection = connection
        self._turns = Turns(connection)
        self._core = ManageSieveCore(MAX_SCRIPT_BYTES)
        self._scripts: UserScripts | None = None
        self._failures = 0
        self._waiting = False
        self._ending = False
        self._login_by_s = services.clock.steady() + services.settings().sieve.login_timeout_s
        self.peer = peer_of(connection, services.clock.now())

    async def run(self) -> None:
        """Greets and serves until the end."""
        try:
            if self._ending:
                self._connection.write(SHUTTING_DOWN)
                return
            self._connection.write(self._capabilities() + responses.ok("Posthouse ready"))
            await self._serve()
        except (OSError, _Ended):
            pass
        finally:
            self._connection.close()

    def end_soon(self) -> None:
        """For draining: at once while it waits for its client, else after the command that is under way."""
        self._ending = True
        if self._waiting and not self._connection.closing:
            self._connection.write(SHUTTING_DOWN)
            self._connection.close()

    async def _serve(self) -> None:
        while True:
            event = self._core.next_event()
            if event is None:
                await self._read()
                continue
            try:
                await self._answer(event)
            except (OSError, _Ended):
                raise
            except Exception:
                _log.exception("fault", client=self.peer.client_address, command=type(event).__name__)
                self._connection.write(responses.no("Internal error", "TRYLATER"))
            if self._ending:
                self._connection.write(SHUTTING_DOWN)
                raise _Ended
            await self._connection.drain()
            await self._turns.taken()

    async def _read(self) -> None:
        timeout_s = self._services.settings().sieve.idle_timeout_s
        if not self._core.authenticated:
            timeout_s = min(timeout_s, self._login_by_s - self._services.clock.steady())
        self._waiting = True
        try:
            if timeout_s <= 0:  # whatever it still sends
                raise TimeoutError
            data = await self._connection.read(timeout_s)
        except TimeoutError:
            self._connection.write(responses.bye("Timed out", "TRYLATER"))
            raise _Ended from None
        finally:
            self._waiting = False
        if not data:
            raise _Ended
        self._core.receive(data)

    async def _answer(self, event: Event) -> None:
        write = self._connection.write
        if isinstance(event, Refusal):
            write(event.octets)
            if event.closes:
                raise _Ended
        elif isinstance(event, cmd.Logout):
            write(responses.ok("Logging out"))
            raise _Ended
        elif isinstance(event, cmd.Capability):
            write(self._capabilities() + responses.ok())
        elif isinstance(event, cmd.Noop):
            write(responses.ok("Done", responses.tag_code(event.tag) if event.tag is not None else b""))
        elif isinstance(event, cmd.StartTls):
            await self._start_tls()
        elif isinstance(event, cmd.Authenticate):
            await self._log_in(event)
        elif isinstance(event, cmd.Unauthenticate):
            self._log_out()
            write(responses.ok())
        elif self._scripts is None:
            write(responses.no("There are no scripts here"))
        else:
            write(await self._scripts.carry_out(event))

    # Before login

    def _mechanisms(self) -> tuple[str, ...]:
        clear = self._connection.tls is None
        allowed = not clear or self.peer.is_loopback or self._services.settings().auth.plaintext
        return mechanisms(self.peer, self._services.settings()) if allowed else ()

    def _capabilities(self) -> bytes:
        """§1.7. SASL and STARTTLS only while they can be used."""
        pairs: list[tuple[str, str | None]] = [("IMPLEMENTATION", f"Posthouse {__version__}")]
        if self._core.authenticated:
            pairs += [("OWNER", self.peer.account), ("SASL", ""), ("UNAUTHENTICATE", None)]
        else:
            pairs.append(("SASL", " ".join(self._mechanisms())))
            if self._connection.tls is None and self._services.tls_context() is not None:
                pairs.append(("STARTTLS", None))
        redirects = str(self._services.settings().sieve.max_redirects)
        pairs += [("SIEVE", _SIEVE), ("NOTIFY", " ".join(NOTIFY_METHODS)), ("MAXREDIRECTS", redirects), ("VERSION", "1.0")]
        return responses.capabilities(pairs)

    async def _start_tls(self) -> None:
        context = self._services.tls_context()
        if self._connection.tls is not None or context is None:
            self._connection.write(responses.no("TLS is on already, or not available"))
            return
        self._connection.write(responses.ok("Begin TLS negotiation now"))
        self._core.tls_begins()
        try:
            self.peer.tls = await self._connection.start_tls(context)
        except (TimeoutError, ssl.SSLError) as error:
            _log.info("TLS failed", client=self.peer.client_address, cause=str(error))
            raise _Ended from error
        self._connection.write(self._capabilities() + responses.ok("TLS negotiation successful"))

    async def _log_in(self, command: cmd.Authenticate) -> None:
        if command.mechanism not in self._mechanisms():
            code = "ENCRYPT-NEEDED" if command.mechanism in MECHANISMS else ""
            self._connection.write(responses.no("That mechanism is not available", code))
            return
        try:
            account = await self._exchange(command)
        except LoginFailed as error:
            self._failures += 1
            if self._failures >= self._services.settings().auth.max_failures:
                self._connection.write(responses.bye("Too many failed logins"))
                raise _Ended from None
            self._connection.write(responses.no(error.public))
        except ExchangeRefused as error:
            self._connection.write(responses.no(str(error)))
        except MailError as error:
            _log.warning("login deferred", client=self.peer.client_address, cause=error.cause or error.public)
            self._connection.write(responses.no(error.public, "TRYLATER"))
        else:
            self._logged_in(account)
            self._connection.write(responses.ok("Logged in"))

    async def _exchange(self, command: cmd.Authenticate) -> Account:
        machine = machine_for(command.mechanism, self.peer, self._services.settings())
        assert machine is not None, "only mechanisms on offer come here"
        return await exchange(
            machine,
            command.initial,
            authenticator=self._services.authenticator,
            session=self.peer,
            respond=self._respond,
        )

    async def _respond(self, challenge: bytes) -> bytes:
        """One challenge and the client's answer to it."""
        self._connection.write(cmd.encoded(challenge))
        self._core.expect_auth_data()
        while (event := self._core.next_event()) is None:
            await self._read()
        if isinstance(event, cmd.AuthData) and event.data is not None:
            return event.data
        raise ExchangeRefused("The exchange was broken off")

    def _logged_in(self, account: Account) -> None:
        services = self._services
        self.peer.account, self.peer.account_id = str(account.address), account.account_id
        self._core.logged_in()
        if services.scripts is not None and services.scripts_writer is not None:
            self._scripts = UserScripts(services.scripts, services.scripts_writer, services.clock, account.account_id)

    def _log_out(self) -> None:
        self._core.logged_out()
        self._scripts = None
        self.peer.account, self.peer.account_id = "", 0
        self._login_by_s = self._services.clock.steady() + self._services.settings().sieve.login_timeout_s
