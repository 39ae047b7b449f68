"""One SASL exchange, the same for every protocol: a machine of ``protocols.sasl`` on one side, the Authenticator on the other.

Whether the client may act as somebody else is the Authenticator's to say. The protocol's server brings ``respond``: it sends a
challenge in its own framing and gives the client's decoded answer.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from posthouse.directory.authenticate import Authenticator
from posthouse.model.account import Account
from posthouse.model.session import Session
from posthouse.protocols.sasl import Challenge, CheckPassword, Done, NeedScram, SaslServer, ScramServer

MECHANISMS = ("PLAIN", "LOGIN", "SCRAM-SHA-256")


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
        elif isinstance(step, Done):
            return await authenticator.scram_done(login, account, session, ok=True, authzid=step.authzid)
        else:
            if step.login:
                return await authenticator.scram_done(step.login, account, session, ok=False)
            raise ExchangeRefused(step.text)
