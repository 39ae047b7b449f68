"""One SASL exchange, the same for every protocol: a machine of ``protocols.sasl`` on one side, the Authenticator on the other.

Whether the client may act as somebody else is the Authenticator's to say. The protocol's server brings ``respond``: it sends a
challenge in its own framing and gives the client's decoded answer.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from posthouse.directory.authenticate import Authenticator, LoginFailed
from posthouse.model.account import Account
from posthouse.model.session import Session
from posthouse.model.settings import Settings
from posthouse.protocols.sasl import (
    BearerServer,
    Challenge,
    CheckPassword,
    CheckToken,
    Done,
    NeedScram,
    SaslServer,
    ScramServer,
    server_machine,
)

_ALWAYS = ("PLAIN", "LOGIN", "SCRAM-SHA-256")
_TOKENS = ("OAUTHBEARER", "XOAUTH2")
MECHANISMS = (*_ALWAYS, "SCRAM-SHA-256-PLUS", *_TOKENS)
"""All that there are; which of them a connection is offered, ``mechanisms`` says."""


def mechanisms(session: Session, settings: Settings) -> tuple[str, ...]:
    """What can be offered on a connection where logging in is allowed. -PLUS needs TLS with something to bind to; tokens an
    issuer."""
    plus = ("SCRAM-SHA-256-PLUS",) if _bindings(session, settings) else ()
    return (*_ALWAYS, *plus, *(_TOKENS if settings.tokens.on else ()))


def machine_for(name: str, session: Session, settings: Settings) -> SaslServer | None:
    """A fresh machine for a mechanism, bound to the connection's TLS."""
    return server_machine(name, bindings=_bindings(session, settings))


def _bindings(session: Session, settings: Settings) -> Mapping[str, bytes]:
    return session.tls.bindings if session.tls is not None and settings.auth.channel_binding else {}


class ExchangeRefused(Exception):
    """The client's messages do not fit the mechanism. The text may be told."""


async def exchange(
    machine: SaslServer,
    initial: bytes | None,
    *,
    authenticator: Authenticator,
    session: Session,
    respond: Callable[[bytes], Awaitable[bytes]],
) -> Account:
    """Runs the exchange to its end. Raises LoginFailed, Temporary, ExchangeRefused, and what ``respond`` raises."""
    login, account = "", None
    step = machine.start(initial)
    while True:
        if isinstance(step, Challenge):
            step = machine.step(await respond(step.data))
        elif isinstance(step, NeedScram):
            assert isinstance(machine, ScramServer), "only SCRAM asks for a SCRAM secret"
            secret = await authenticator.scram_secret(step.login)
            login, account = step.login, secret.account
            step = machine.secret(secret.salt, secret.iterations, secret.stored_key, secret.server_key)
        elif isinstance(step, CheckPassword):
            return await authenticator.password(step.login, step.password, session, step.authzid)
        elif isinstance(step, CheckToken):
            assert isinstance(machine, BearerServer), "only these bring tokens"
            try:
                return await authenticator.token(step.login, step.token, session, as_others=machine.name == "OAUTHBEARER")
            except LoginFailed:
                tokens = authenticator.settings().tokens
                refusal = machine.refuse(scope=tokens.scope, configuration=tokens.configuration)
                await respond(refusal.data)  # whatever the client says, RFC 7628 §3.2.3
                raise
        elif isinstance(step, Done):
            return await authenticator.scram_done(login, account, session, ok=True, authzid=step.authzid)
        else:
            if step.login:
                return await authenticator.scram_done(step.login, account, session, ok=False)
            raise ExchangeRefused(step.text)
