"""Who visits the pages: login, the session's cookie, the keys of forms, logout (ADM-4).

A session is a key of its own in the key ring, made anew at each login, so that none can be foisted on anybody; it ends when it
was idle, with its longest time, by logout, with a new password, and when its account may no longer administer. The cookie is
for this site alone (SameSite=Strict, HttpOnly, over TLS Secure and ``__Host-``), and never stands in a URL. Each form carries a
key bound to the session and the form; one that comes from another site has neither. RFC 6265.
"""

from __future__ import annotations

import hmac
import os
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from posthouse.base.errors import MailError
from posthouse.model.account import Account
from posthouse.model.api_token import ApiToken
from posthouse.servers.adminline import ADMINISTRATIVE
from posthouse.servers.http.access import Access
from posthouse.servers.http.problems import Problem, of_error
from posthouse.servers.services import Services

KEY_FIELD = "form_key"
_NONCE_OCTETS = 16


@dataclass(frozen=True, slots=True)
class Visit:
    """One request of somebody who is logged in."""

    account: Account
    session: ApiToken
    client: str


class Visits:
    """Of one worker."""

    def __init__(self, services: Services, access: Access) -> None:
        assert services.key_ring is not None, "this node serves HTTP"
        self._services = services
        self._ring = services.key_ring
        self._access = access

    async def visit(self, request: Request) -> Visit | None:
        """Who asks; None: nobody who is logged in. Raises Problem."""
        session = await self._session(request)
        if session is None:
            return None
        try:
            account = await self._services.directory.account_by_id(session.account_id)
            fits = account is not None and self._may_visit(account) and self._ring.still_fits(session, account)
            if account is None or not fits or not await self._services.authenticator.may_log_in(account):
                await self._ring.writer.delete_api_token(session.token_id)
                return None
            settings = self._services.settings().web
            await self._ring.seen(session, settings.idle_s, settings.session_s)
        except MailError as error:
            raise of_error(error) from None
        self._access.count(account)
        return Visit(account, session, request.client.host if request.client else "")

    async def log_in(self, request: Request, login: str, password: str) -> tuple[Account, str]:
        """A new session for who knows the password; an old one ends. Gives its text for the cookie. Raises MailError."""
        connection = self._access.session(request)
        account = await self._services.authenticator.password(login, password, connection)
        if not self._may_visit(account):
            raise Problem("not-allowed", "this account may not administer")
        await self.log_out(request)
        settings = self._services.settings().web
        lifetime_s = min(settings.idle_s, settings.session_s)
        text, _ = await self._ring.issue(account, connection.client_address, kind="session", lifetime_s=lifetime_s)
        return account, text

    async def log_out(self, request: Request) -> None:
        """Ends the session, if there is one. Raises MailError."""
        session = await self._session(request)
        if session is not None:
            await self._ring.writer.delete_api_token(session.token_id)

    def form_key(self, visit: Visit, form: str) -> str:
        """See ``require_form_key``."""
        return self._ring.form_key(visit.session, form)

    def require_form_key(self, visit: Visit, form: str, given: str) -> None:
        """Raises Problem if the form is not one that this session was given."""
        if not hmac.compare_digest(self.form_key(visit, form).encode(), given.encode("utf-8", "replace")):
            raise Problem("not-allowed", "this form is not from your session; go back and try again")

    def login_key(self, nonce: str) -> str:
        """The key of a login form, which goes with a cookie of its own."""
        return self._ring.sealed(f"login {nonce}")

    def require_login_key(self, request: Request, given: str) -> None:
        """Raises Problem if the login form was not asked for by this browser."""
        nonce = request.cookies.get(cookie_name(request, "login"), "")
        if not nonce or not hmac.compare_digest(self.login_key(nonce).encode(), given.encode("utf-8", "replace")):
            raise Problem("not-allowed", "the login page was open for too long, or cookies are off; try again")

    def _may_visit(self, account: Account) -> bool:
        return account.role in ADMINISTRATIVE or (account.role == "user" and self._services.settings().web.users)

    async def _session(self, request: Request) -> ApiToken | None:
        try:
            return await self._ring.find(request.cookies.get(cookie_name(request), ""), "session")
        except MailError as error:
            raise of_error(error) from None


def require_same_site(request: Request) -> None:
    """Raises Problem if a browser says that another site has sent this form."""
    site = request.headers.get("sec-fetch-site", "same-origin")
    origin = request.headers.get("origin")
    if site != "same-origin" or (origin is not None and origin.partition("://")[2] != request.headers.get("host")):
        raise Problem("not-allowed", "forms of other sites are not taken")


def cookie_name(request: Request, which: str = "session") -> str:
    """Over TLS a name that browsers give to nobody else's cookies."""
    return ("__Host-" if request.url.scheme == "https" else "") + f"posthouse-{which}"


def set_cookie(request: Request, response: Response, value: str, which: str = "session") -> None:
    """``value`` "" takes it back."""
    response.set_cookie(
        cookie_name(request, which),
        value,
        max_age=None if value else 0,
        path="/",
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )


def nonce() -> str:
    """Something that nobody can guess."""
    return os.urandom(_NONCE_OCTETS).hex()
