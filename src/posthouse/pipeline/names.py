"""Part of stage ``connect``: the verified name of each client's address (NET-2).

The look-up (PTR, then the A or AAAA records of the names that it gives) begins with the connection and goes on while the
client speaks; the answer to EHLO waits for it a little. Where DNS says clearly that no name fits, every further reply is held
back (tarpit). Failing: open. A name server that does not answer says nothing about the client, who is not slowed for it.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable

from posthouse.base.errors import Temporary
from posthouse.interfaces.resolver import Resolver
from posthouse.model.networks import network_list, plain_ip, within
from posthouse.model.session import HostName, Lookup, Session
from posthouse.model.settings import Settings
from posthouse.model.verdict import Continue, Reason, Verdict
from posthouse.pipeline.patience import Patience
from posthouse.pipeline.stage import Stage
from posthouse.pipeline.transaction import Transaction

MAX_NAMES = 5
"""Names of one address that are followed; whoever has more is not looked at further."""
AT_HAND_S = 0.1
"""How long is waited where nothing depends on the name: whoever is one of ours is never slowed by a slow name server."""
ASKED = frozenset({"smtp", "submission", "submissions"})
_HOST = re.compile(r"(?=.{1,253}$)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
UNKNOWN = HostName("unknown", why="DNS did not answer in time")


class HostNames:
    """Looks names up, once for each session, and notes what is sure in the session."""

    def __init__(self, resolver: Resolver, patience: Patience) -> None:
        self._resolver = resolver
        self._patience = patience

    def begin(self, session: Session) -> Lookup[HostName]:
        """Starts the look-up, or finds it started."""
        if session.host_lookup is None:
            session.host_lookup = asyncio.create_task(verified(self._resolver, session.client_address))
        return session.host_lookup

    async def of(self, session: Session, at_most_s: float | None = None) -> HostName:
        """The name of the session's client, waited for if it must be."""
        if session.host_state:
            return HostName(session.host_state, session.host, session.host_why)
        try:
            found = await self._patience.wait(session, self.begin(session), at_most_s)
        except Temporary:
            return UNKNOWN
        session.host, session.host_state, session.host_why = found.name, found.state, found.why
        return found


class Names(Stage):
    name = "names"

    def __init__(self, settings: Callable[[], Settings], hosts: HostNames) -> None:
        self._settings = settings
        self._hosts = hosts

    async def connect(self, session: Session) -> Verdict | None:
        if session.service in ASKED:
            self._hosts.begin(session)
        return None

    async def helo(self, session: Session) -> Verdict | None:
        if session.service in ASKED and not session.host_state:
            patient = session.is_stranger
            await self._hosts.of(session, self._settings().lookup.greeting_timeout_s if patient else AT_HAND_S)
        return None

    async def mail_from(self, transaction: Transaction) -> Verdict | None:
        session = transaction.session
        if not session.is_stranger:
            return None
        relay_domains = self._settings().smtp.relay_domains
        found = await self._hosts.of(session, None if relay_domains else AT_HAND_S)
        if found.state == "verified":
            if within(found.name, relay_domains):
                session.relay = "domain"
            return Continue(Reason(self.name, "verified", f"{session.client_address} is {found.name}"))
        slowed = f"; replies wait {wait_s:g} s" if (wait_s := self.delay(session)) else ""
        return Continue(Reason(self.name, found.state, f"{session.client_address}: {found.why}{slowed}"))

    def delay(self, session: Session) -> float:
        if session.host_state != "failed" or not session.is_stranger:
            return 0.0
        smtp = self._settings().smtp
        return 0.0 if session.client_address in network_list(smtp.trusted_networks) else smtp.tarpit_s


async def verified(resolver: Resolver, address: str) -> HostName:
    """Asks DNS both ways: RFC 1912 §2.1. Names are a stranger's text: what is no host name is as good as none."""
    try:
        names = [name.lower() for name in (await resolver.ptr(address))[:MAX_NAMES]]
    except Temporary as error:
        return HostName("unknown", why=error.cause)
    usable = [name for name in names if _HOST.fullmatch(name)]
    if not usable:
        return HostName("failed", why="its name in DNS is no host name" if names else "it has no name in DNS")
    if len(usable) == 1:
        found = [await _leads_back(resolver, usable[0], address)]
    else:
        found = await asyncio.gather(*(_leads_back(resolver, name, address) for name in usable))
    for name, fits in zip(usable, found, strict=True):
        if fits:
            return HostName("verified", name)
    if None in found:
        return HostName("unknown", why="DNS did not answer for the addresses of its name")
    return HostName("failed", why=f"{usable[0]} does not lead back to it")


async def _leads_back(resolver: Resolver, name: str, address: str) -> bool | None:
    """Whether ``name`` has this address; None if DNS does not say."""
    wanted = plain_ip(address)
    try:
        found = await (resolver.aaaa(name) if wanted is not None and wanted.version == 6 else resolver.a(name))
    except Temporary:
        return None
    return any(plain_ip(one) == wanted for one in found)
