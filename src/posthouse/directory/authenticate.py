"""Logins of every service: SMTP AUTH, IMAP, POP, the administration protocol (INB-3, DIR-6, DIR-7).

A stranger learns nothing from a refusal: unknown, disabled and wrong all give the same words after the same work, one
password hash. Failures are slowed (``slowdown.py``), right passwords are remembered for minutes (``remembered.py``), and
the same login tried by several connections at once costs one hash. SCRAM-SHA-256 needs two calls, around the exchange that
``protocols/sasl.py`` drives. Administrators may log in as users (``acting.py``), which is always logged. If the directory or
the hasher cannot be asked, the login is deferred (Temporary): closed.
Sources: RFC 4954 §6, RFC 5802, RFC 9051 §6.2.2, RFC 5530.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from posthouse.base import log
from posthouse.base.clock import Clock
from posthouse.base.errors import Permanent
from posthouse.base.metrics import LOGINS
from posthouse.directory import acting
from posthouse.directory.remembered import Remembered
from posthouse.directory.slowdown import Slowdown, network_of
from posthouse.directory.turns import FairTurns
from posthouse.interfaces.counters import Counters
from posthouse.interfaces.directory import Directory
from posthouse.interfaces.hasher import Hasher
from posthouse.interfaces.tokens import TokenRefused, TokenVerifier
from posthouse.model.account import Account
from posthouse.model.address import Address
from posthouse.model.session import Session
from posthouse.model.settings import Settings

LONGEST_LOGIN = 320
LONGEST_PASSWORD = 1024
SCRAM_ITERATIONS = 4096
"""As made for real accounts; the made-up secrets of unknown ones must not differ."""

_log = log.get("login")


async def _nobody_barred(_account_id: int) -> bool:
    return False


def _untold(_session: Session) -> None:
    """Nobody wants to know who logs in."""


@dataclass(frozen=True, slots=True)
class LoginHooks:
    """``admitted`` is told of each session that has logged in; ``barred`` says which accounts are kept out for now;
    ``tokens`` judges access tokens (None: there are none here)."""

    admitted: Callable[[Session], None] = _untold
    barred: Callable[[int], Awaitable[bool]] = _nobody_barred
    tokens: TokenVerifier | None = None


class LoginFailed(Permanent):
    """Refused, without saying why. ``cause`` is for the log."""

    def __init__(self, cause: str = "") -> None:
        super().__init__(
            "Authentication credentials invalid",
            code=535,
            enhanced="5.7.8",
            imap_code="AUTHENTICATIONFAILED",
            cause=cause,
        )


class MayNotAct(LoginFailed):
    """The password is right, but not for acting as that user, who may not even exist (RFC 5530 AUTHORIZATIONFAILED)."""

    def __init__(self, cause: str = "") -> None:
        super().__init__(cause)
        self.public = "Acting as this user is not allowed"
        self.imap_code = "AUTHORIZATIONFAILED"


@dataclass(frozen=True, slots=True)
class ScramSecret:
    """What the server's side of SCRAM-SHA-256 works with (RFC 5802 §3); ``account`` is None for a made-up one."""

    salt: bytes
    iterations: int
    stored_key: bytes
    server_key: bytes
    account: Account | None


class Authenticator:
    """``login_key``: 32 secret octets, the same in all processes of the node and after a restart, from which the salts of
    unknown logins are made. ``sleep`` waits for the given seconds (asyncio.sleep; tests pass their own)."""

    def __init__(
        self,
        directory: Directory,
        hasher: Hasher,
        counters: Counters,
        settings: Callable[[], Settings],
        clock: Clock,
        sleep: Callable[[float], Awaitable[None]],
        login_key: bytes,
        hooks: LoginHooks | None = None,
    ) -> None:
        self._directory = directory
        self._hasher = hasher
        self.settings = self._settings = settings
        self._sleep = sleep
        self._login_key = login_key
        self._hooks = hooks or LoginHooks()
        self._remembered = Remembered(clock)
        self._slowdown = Slowdown(counters, settings)
        self._turns = FairTurns()
        self._running: dict[bytes, asyncio.Task[bool]] = {}

    async def password(self, login: str, password: str, session: Session, authzid: str = "") -> Account:
        """The account that ``login`` and ``password`` open; notes it in ``session``.
        ``authzid``: whom to act as, "" for oneself.

        Raises LoginFailed, after its delay; Temporary if the directory or the hasher cannot answer.
        """
        address, account = await self._account(login)
        both = acting.split(login) if account is None and not authzid and session.service in acting.SERVICES else None
        if both is not None:
            authzid, login = both
            address, account = await self._account(login)
        secret = account.secret if account is not None and len(password) <= LONGEST_PASSWORD else ""
        digest = self._remembered.digest(login, password[: LONGEST_PASSWORD + 1], secret)
        right = self._remembered.holds(digest, self._settings().auth.remember_s)
        if not right:
            right = await self._shared(digest, secret, password[: LONGEST_PASSWORD + 1], network_of(session.client_address))
        if right and account is not None and await self.may_log_in(account):
            return await self._admit(account, session, authzid)
        cause = "unknown login" if account is None else "disabled" if right else "wrong password"
        return await self._refuse(login, address, session, cause)

    async def token(self, claimed: str, token: str, session: Session, *, as_others: bool = True) -> Account:
        """The account that an access token is for. ``claimed``: whom the client wants to be, "" for just that; someone else
        only for who may act as that one, and not at all without ``as_others``.

        Raises LoginFailed, after its delay; Temporary if the directory or the issuer's keys cannot be asked.
        """
        verifier = self._hooks.tokens
        try:
            if verifier is None:
                raise TokenRefused("logins with tokens are off")
            login = await verifier.login(token)
        except TokenRefused as refused:
            return await self._refuse(claimed, self._address(claimed), session, f"token: {refused}")
        address, account = await self._account(login)
        if claimed and not as_others:
            wanted = self._address(claimed)
            if address is None or wanted is None or wanted.key != address.key:
                return await self._refuse(claimed, wanted, session, "token: of another user")
        if account is not None and await self.may_log_in(account):
            return await self._admit(account, session, claimed)
        return await self._refuse(login, address, session, "token: unknown login" if account is None else "disabled")

    async def key(self, login: str, account: Account | None, session: Session, *, cause: str = "") -> Account:
        """Ends a login by a key that the face has looked up and compared itself; ``cause`` says why it does not fit. One that
        fits waits for nobody's failures: it cannot be guessed. Raises LoginFailed, after its delay."""
        if account is None or cause or not await self.may_log_in(account):
            return await self._refuse(login, self._address(login), session, cause or "key: disabled or unknown")
        session.account = str(account.address)
        session.account_id = account.account_id
        LOGINS.labels(session.service, "ok").inc()
        return account

    async def scram_secret(self, login: str) -> ScramSecret:
        """The stored keys of ``login``'s account; made-up ones, stable for each login, if it has none or does not exist."""
        address, account = await self._account(login)
        found = parsed_scram(account) if account is not None else None
        return found or self._made_up(address.key if address is not None else login.lower(), account)

    async def scram_done(
        self, login: str, account: Account | None, session: Session, *, ok: bool, authzid: str = ""
    ) -> Account:
        """Ends a SCRAM exchange: ``ok`` tells whether the client's proof was right. Raises LoginFailed after its delay."""
        if ok and account is not None:
            now = await self._directory.account_by_id(account.account_id)
            if now is not None and now.scram and now.scram == account.scram and await self.may_log_in(now):
                return await self._admit(now, session, authzid)
        cause = "unknown login" if account is None else "disabled or changed" if ok else "wrong password"
        return await self._refuse(login, self._address(login), session, cause)

    async def _account(self, login: str) -> tuple[Address | None, Account | None]:
        """The address that ``login`` means, and its account."""
        address = self._address(login)
        return address, await self._directory.account(address) if address is not None else None

    def _address(self, login: str) -> Address | None:
        """The account's address that ``login`` means; None if it cannot be one."""
        default_domain = self._settings().auth.default_domain
        text = login if "@" in login or not default_domain else f"{login}@{default_domain}"
        if len(text) > LONGEST_LOGIN:
            return None
        try:
            return Address.parse(text)
        except ValueError:
            return None

    async def may_log_in(self, account: Account) -> bool:
        """Whether it is on, as its domain is, and not held."""
        if not account.enabled or await self._directory.domain(account.address.domain) is None:
            return False
        return not await self._hooks.barred(account.account_id)

    async def _shared(self, digest: bytes, secret: str, password: str, network: str) -> bool:
        """Whether ``password`` fits ``secret``; the same question asked at once by several connections is asked once."""
        running = self._running.get(digest)
        if running is None:
            running = asyncio.create_task(self._check(digest, secret, password, network))
            self._running[digest] = running
        # Shielded: one impatient client must not take the answer away from the others that wait for it.
        return await asyncio.shield(running)

    async def _check(self, digest: bytes, secret: str, password: str, network: str) -> bool:
        try:
            async with self._turns.turn(network):
                right = await self._hasher.verify(secret, password) and bool(secret)
            if right:
                self._remembered.add(digest)
            return right
        finally:
            del self._running[digest]

    async def _admit(self, account: Account, session: Session, authzid: str) -> Account:
        if delay_s := self._slowdown.right(session.client_address, account.address.key):
            await self._sleep(delay_s)
        self._slowdown.succeeded(session.client_address, account.address.key)
        if authzid:
            account = await self._acting_as(authzid, account, session)
        session.account = str(account.address)
        session.account_id = account.account_id
        LOGINS.labels(session.service, "ok").inc()
        self._hooks.admitted(session)
        return account

    async def _acting_as(self, authzid: str, administrator: Account, session: Session) -> Account:
        """The account to act as; the own one under whatever name is no acting. Raises MayNotAct."""
        address, user = await self._account(authzid)
        if address is not None and address.key == administrator.address.key:
            return administrator
        allowed = session.service in acting.SERVICES and user is not None and await self.may_log_in(user)
        facts = {"service": session.service, "client": session.client_address, "administrator": str(administrator.address)}
        if not allowed or user is None or not acting.may_act(administrator, user):
            LOGINS.labels(session.service, "failed").inc()
            _log.warning("acting refused", user=authzid[:LONGEST_LOGIN], **facts)
            raise MayNotAct(f"{administrator.address} as {authzid[:LONGEST_LOGIN]}")
        _log.info("acting as a user", user=str(user.address), **facts)
        return user

    async def _refuse(self, login: str, address: Address | None, session: Session, cause: str) -> Account:
        key = address.key if address is not None else "-"
        delay_s = self._slowdown.failed(session.client_address, key)
        LOGINS.labels(session.service, "failed").inc()
        _log.info(
            "login failed",
            service=session.service,
            client=session.client_address,
            login=login[:LONGEST_LOGIN],
            cause=cause,
            delay_s=delay_s,
        )
        if delay_s:
            await self._sleep(delay_s)
        raise LoginFailed(cause)

    def _made_up(self, login: str, account: Account | None) -> ScramSecret:
        def octets(purpose: str) -> bytes:
            text = f"{purpose}:{login}".encode("utf-8", "surrogatepass")
            return hmac.new(self._login_key, text, hashlib.sha256).digest()

        return ScramSecret(octets("salt")[:16], SCRAM_ITERATIONS, octets("stored"), octets("server"), account)


def parsed_scram(account: Account) -> ScramSecret | None:
    """``Account.scram`` taken apart (RFC 5803's parts); None if it is empty or malformed."""
    parts = account.scram.split("$")
    if len(parts) != 4 or not parts[1].isascii() or not parts[1].isdigit():
        return None
    try:
        salt, stored_key, server_key = (base64.b64decode(part, validate=True) for part in (parts[0], parts[2], parts[3]))
    except binascii.Error:
        return None
    return ScramSecret(salt, int(parts[1]), stored_key, server_key, account)
