"""Who asks the HTTP API: a bearer token or a password, judged like every other login (ADM-6, TLS-1).

Nothing secret is taken in clear text from other machines, unless it is set. Failures are slowed and counted by the same
``Authenticator`` as everywhere. RFC 6750 (Bearer), RFC 7617 (Basic). If the directory cannot be asked: 503, closed.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass

from starlette.requests import Request

from posthouse.base.errors import MailError
from posthouse.directory.authenticate import LoginFailed
from posthouse.directory.key_ring import KeyRing
from posthouse.model.account import Account
from posthouse.model.api_token import parsed_token
from posthouse.model.networks import is_loopback
from posthouse.model.session import Service, Session
from posthouse.servers.adminline import ADMINISTRATIVE
from posthouse.servers.http.problems import Problem, of_error
from posthouse.servers.services import Services

MINUTE_S = 60.0
_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="posthouse", Basic realm="posthouse", charset="UTF-8"'}


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. ``scopes`` None: it is no token. ``via`` is what the audit trail says."""

    account: Account
    via: str
    scopes: tuple[str, ...] | None = None


class Access:
    """Of one worker."""

    def __init__(self, services: Services, ring: KeyRing) -> None:
        self._services = services
        self._ring = ring

    def is_safe(self, request: Request) -> bool:
        """Whether secrets may travel over this connection."""
        if request.url.scheme == "https" or self._services.settings().auth.plaintext:
            return True
        return request.client is not None and is_loopback(request.client.host)

    def require_safe(self, request: Request) -> None:
        """Raises Problem."""
        if not self.is_safe(request):
            raise Problem("tls-needed", "use https")

    def session(self, request: Request) -> Session:
        """The connection, as logins know it."""
        client, server = request.client, request.scope.get("server") or ("", 0)
        service: Service = "https" if request.url.scheme == "https" else "http"
        return Session(
            service=service,
            client_address=client.host if client else "",
            client_port=client.port if client else 0,
            server_address=server[0],
            server_port=server[1] or 0,
            connected_at=self._services.clock.now(),
            session_id=self._services.ids.new(),
        )

    async def caller(self, request: Request) -> Caller:
        """Who asks. Raises Problem."""
        self.require_safe(request)
        scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
        try:
            if scheme.lower() == "bearer":
                caller = await self._by_token(credentials.strip(), self.session(request))
            elif scheme.lower() == "basic":
                caller = await self._by_password(credentials.strip(), self.session(request))
            else:
                raise Problem("login-needed", "give a token or a password in Authorization", _CHALLENGE)
        except LoginFailed as error:
            raise Problem("login-needed", error.public, _CHALLENGE) from None
        except MailError as error:
            raise of_error(error) from None
        if caller.account.role not in ADMINISTRATIVE:
            raise Problem("not-allowed", "this account may not administer")
        self.count(caller.account)
        return caller

    def count(self, account: Account) -> None:
        """One more request of this account. Raises Problem when it makes too many."""
        made = self._services.counters.hit(f"web:{account.account_id}", MINUTE_S)
        if made > self._services.settings().web.requests_per_minute:
            raise Problem("too-many", "this account asks too often", {"Retry-After": f"{MINUTE_S:.0f}"})

    async def _by_token(self, text: str, session: Session) -> Caller:
        authenticator, directory = self._services.authenticator, self._services.directory
        if not text.startswith("ph_"):
            account = await authenticator.token("", text, session, as_others=False)
            return Caller(account, f"api {session.client_address}")
        token = await self._ring.find(text, "token")
        if token is None:
            parts = parsed_token(text)
            await authenticator.key(parts[0] if parts else "-", None, session, cause="key: unknown, wrong or over")
            raise LoginFailed
        account_ = await directory.account_by_id(token.account_id)
        account = await authenticator.key(str(account_.address) if account_ else "-", account_, session)
        return Caller(account, f"api {session.client_address} token {token.name}", token.scopes)

    async def _by_password(self, credentials: str, session: Session) -> Caller:
        try:
            login, colon, password = base64.b64decode(credentials, validate=True).decode().partition(":")
        except ValueError:
            raise Problem("login-needed", "malformed credentials", _CHALLENGE) from None
        if not colon or not login or not password:
            raise Problem("login-needed", "malformed credentials", _CHALLENGE)
        account = await self._services.authenticator.password(login, password, session)
        return Caller(account, f"api {session.client_address}")
