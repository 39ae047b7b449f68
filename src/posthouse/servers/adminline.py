"""The administration protocol's server (ADM-3): logins, and operations passed on to the steward.

Runs in the workers. The steward runs the operations, reached by the control socket, on behalf of the account that logged
in; its role is looked up anew for each request, so that a role taken away is gone at once. Passwords in clear text are
taken from loopback addresses only, unless the settings allow it (TLS-1).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from posthouse import __version__
from posthouse.base import log
from posthouse.base.errors import MailError
from posthouse.model.account import Account, Role
from posthouse.model.session import Service, Session
from posthouse.protocols.adminline import (
    AdminLineParser,
    Line,
    Malformed,
    TooLong,
    bare_line,
    data_line,
    ending,
    greeting,
)
from posthouse.protocols.control import Answer, FrameError, Request
from posthouse.servers.connection import Connection
from posthouse.servers.control import ControlClient
from posthouse.servers.services import Services
from posthouse.servers.turns import Turns

ADMINISTRATIVE: frozenset[Role] = frozenset(
    {"administrator", "domain-administrator", "quarantine-administrator", "help-desk", "reader"}
)
LOGIN_TIMEOUT_S = 60.0
IDLE_TIMEOUT_S = 1800.0
MAX_SESSIONS = 200
_MAX_BYTES_BEFORE_LOGIN = 8_192
_MAX_BYTES = 1 << 20
_log = log.get("adminline")


class AdminServer:
    """The server of one listening service, ``admin`` or ``admins``."""

    def __init__(self, services: Services, service: Service) -> None:
        self._services = services
        self._service = service
        self._sessions: set[AdminSession] = set()
        self._draining = False

    async def handle(self, connection: Connection) -> None:
        """One connection, to its end."""
        if self._draining or len(self._sessions) >= MAX_SESSIONS:
            connection.write(b"* NO too many connections, try again later\r\n")
            return
        session = AdminSession(self._services, connection)
        self._sessions.add(session)
        try:
            await session.run()
        finally:
            self._sessions.discard(session)
            session.client.close()

    def drain(self) -> None:
        """Ends the sessions: idle ones at once, the others when their command is done."""
        self._draining = True
        for session in self._sessions:
            session.end_soon()

    def end_account(self, account_id: int) -> None:
        """As ``listener.EndsAccounts``."""
        for session in tuple(self._sessions):
            if session.session.account_id == account_id:
                session.end_soon()


@dataclass(eq=False, slots=True)
class AdminSession:
    """One connection's state. ``domain`` is the current domain, that bare names belong to."""

    services: Services
    connection: Connection
    client: ControlClient = field(init=False)
    session: Session = field(init=False)
    parser: AdminLineParser = field(init=False)
    domain: str = ""
    failures: int = 0
    busy: bool = False
    leaving: bool = False
    turns: Turns = field(init=False)

    def __post_init__(self) -> None:
        connection = self.connection
        self.turns = Turns(connection)
        self.client = ControlClient(self.services.control_path)
        self.parser = AdminLineParser(_MAX_BYTES_BEFORE_LOGIN)
        self.session = Session(
            service=connection.service,
            client_address=connection.client_address,
            client_port=connection.client_port,
            server_address=connection.server_address,
            server_port=connection.server_port,
            connected_at=self.services.clock.now(),
            session_id=self.services.ids.new(),
            tls=connection.tls,
        )

    async def run(self) -> None:
        """Reads requests and answers each, in order, until either side leaves."""
        self.connection.write(greeting(self.services.node_name, __version__))
        try:
            while not self.leaving:
                request = self.parser.next()
                if request is None:
                    data = await self.connection.read(self._timeout_s())
                    if not data:
                        return
                    self.parser.feed(data)
                    continue
                self.busy = True
                await self._answer(request)
                await self.connection.drain()
                self.busy = False
                await self.turns.taken()
        except TooLong as error:
            self.connection.write(ending("*", ok=False, text=str(error)))
        except (TimeoutError, OSError) as error:
            _log.debug("gone", client=self.session.client_address, why=str(error))

    def _timeout_s(self) -> float:
        """Until the login all together, however slowly it comes. Raises TimeoutError."""
        if self.session.account:
            return IDLE_TIMEOUT_S
        left_s = LOGIN_TIMEOUT_S - (self.services.clock.now() - self.session.connected_at)
        if left_s <= 0:
            raise TimeoutError("no login in time")
        return left_s

    def end_soon(self) -> None:
        """See ``AdminServer.drain``."""
        self.leaving = True
        if not self.busy:
            self.connection.close()

    async def _answer(self, request: Line | Malformed) -> None:
        if isinstance(request, Malformed):
            self._count_failure()
            self.connection.write(ending(request.tag, ok=False, text=request.why))
            return
        command = request.words[0].upper()
        if command == "LOGOUT":
            self.leaving = True
            self.connection.write(ending(request.tag, ok=True))
        elif command == "VERSION" and len(request.words) == 1:
            self.connection.write(ending(request.tag, ok=True, text=__version__))
        elif command == "LOGIN":
            await self._login(request)
        elif not self.session.account:
            self._count_failure()
            self.connection.write(ending(request.tag, ok=False, text="log in first"))
        else:
            await self._operation(request)

    def _count_failure(self) -> None:
        self.failures += 1
        if not self.session.account and self.failures >= self.services.settings().auth.max_failures:
            self.leaving = True

    async def _login(self, request: Line) -> None:
        refusal = self._why_no_login(request)
        if not refusal:
            refusal = await self._check_password(*request.words[1:])
        if refusal:
            self._count_failure()
            self.connection.write(ending(request.tag, ok=False, text=refusal))
            return
        self.parser.max_bytes = _MAX_BYTES
        self.connection.write(bare_line(request.tag, self.session.session_id))
        self.connection.write(ending(request.tag, ok=True, text="User logged in"))

    def _why_no_login(self, request: Line) -> str:
        secure = self.connection.tls is not None or self.session.is_loopback
        if not secure and not self.services.settings().auth.plaintext:
            return "passwords are not taken without TLS"
        if self.session.account:
            return "already logged in"
        return "" if len(request.words) == 3 else "LOGIN takes a user and a password"

    async def _check_password(self, login: str, password: str) -> str:
        """Logs in; gives the reason why not, "" when done."""
        probe = self.session
        try:
            account = await self.services.authenticator.password(login, password, probe)
        except MailError as error:
            return error.public
        if account.role not in ADMINISTRATIVE:
            probe.account, probe.account_id = "", 0
            _log.warning("no administrator", account=str(account.address), client=probe.client_address)
            return "this account may not administer"
        own = account.role == "domain-administrator"
        self.domain = account.address.domain if own else self.services.settings().auth.default_domain
        return ""

    async def _operation(self, request: Line) -> None:
        account = await self._account()
        if account is None:
            self.leaving = True
            self.connection.write(ending(request.tag, ok=False, text="this account may not administer any more"))
            return
        words = [word.upper() for word in request.words[:2]]
        if words == ["DOMAIN", "SETCURRENT"]:
            await self._set_current(request, account)
            return
        answer = await self._ask(list(request.words), account)
        if answer.kind == "done":
            for line in answer.lines:
                if line:
                    self.connection.write(data_line(request.tag, line))
            self.connection.write(ending(request.tag, ok=True))
        else:
            self.connection.write(ending(request.tag, ok=False, text=refusal_text(answer)))

    async def _account(self) -> Account | None:
        try:
            account = await self.services.directory.account_by_id(self.session.account_id)
        except MailError:
            return None
        fits = account is not None and account.enabled and account.role in ADMINISTRATIVE
        return account if fits else None

    async def _set_current(self, request: Line, account: Account) -> None:
        wanted = request.words[2] if len(request.words) == 3 else ""
        if wanted:
            answer = await self._ask(["domain", "show", wanted], account)
            if answer.kind != "done" or not answer.lines:
                self.connection.write(ending(request.tag, ok=False, text=refusal_text(answer)))
                return
            self.domain = str(answer.lines[0][0])
        else:
            self.domain = ""
        self.connection.write(ending(request.tag, ok=True))

    async def _ask(self, words: list[str], account: Account) -> Answer:
        request = Request(
            words,
            who=str(account.address),
            role=account.role,
            via=f"protocol {self.session.client_address}",
            domain=self.domain,
            face="protocol",
        )
        try:
            return await self.client.ask(request)
        except (OSError, FrameError) as error:
            _log.error("steward not reached", why=str(error))
            return Answer("failed", text="operations cannot be run at this moment, try again later")


def refusal_text(answer: Answer) -> str:
    """The text after NO; scripts look for ``Already exists`` there."""
    if answer.code == "ALREADYEXISTS" and "Already exists" not in answer.text:
        return f"Already exists: {answer.text}"
    return answer.text
