"""Stage ``envelope``: who may send what to whom (NET-4, INB-3, INB-5, OUT-1).

Knows sender and recipients, not the message. No open relay: a recipient is accepted if its domain is ours (then it must
exist), if we route its domain, or if the peer may relay. What a local address stands for is resolved here once, and kept in
``transaction.resolved`` for route.
"""

from __future__ import annotations

from collections.abc import Callable

from posthouse.directory.resolve import Problem, RecipientResolver, Resolution, Why
from posthouse.interfaces.routes import Routes
from posthouse.model.address import Address
from posthouse.model.envelope import Recipient
from posthouse.model.networks import within
from posthouse.model.plan import ToQueue
from posthouse.model.route import NextHop
from posthouse.model.session import Session
from posthouse.model.settings import Settings
from posthouse.model.verdict import Continue, Defer, Reason, Refuse, Reply, Verdict
from posthouse.pipeline.harvest import Harvest
from posthouse.pipeline.names import HostNames
from posthouse.pipeline.onward import Onward
from posthouse.pipeline.recipients import NO_USER, NOT_NOW, RecipientCheck
from posthouse.pipeline.stage import Stage
from posthouse.pipeline.transaction import Transaction

AUTH_REQUIRED = Reply(530, "5.7.0", "Authentication required")
TLS_REQUIRED = Reply(530, "5.7.0", "Must issue a STARTTLS command first")
NO_RELAY = Reply(550, "5.7.1", "Relaying denied")
NOT_FOR_ALL = Reply(550, "5.7.1", "You may not send to this group")
LOOP = Reply(550, "5.4.6", "Routing loop detected")
GROWN = Reply(452, "4.5.3", "Too many recipients behind these addresses: send to them apart")
REFUSALS: dict[Why, Reply] = {
    "unknown": NO_USER,
    "disabled": Reply(550, "5.2.1", "Mailbox disabled, not accepting messages"),
    "loop": LOOP,
    "too deep": LOOP,
    "too many": Reply(550, "5.5.3", "Too many recipients behind this address"),
}


class Envelope(Stage):
    """Authentication and TLS where they are required; relay control; local recipients."""

    name = "envelope"

    def __init__(
        self,
        settings: Callable[[], Settings],
        recipients: RecipientResolver,
        routes: Routes,
        hosts: HostNames,
        check: RecipientCheck,
        harvest: Harvest,
    ) -> None:
        self._settings = settings
        self._recipients = recipients
        self._onward = Onward(recipients, routes, lambda: settings().route.message_router)
        self._hosts = hosts
        self._check = check
        self._harvest = harvest

    async def mail_from(self, transaction: Transaction) -> Verdict | None:
        session = transaction.session
        smtp = self._settings().smtp
        if session.service in ("submission", "submissions"):
            if not session.account:
                return Refuse(AUTH_REQUIRED, Reason(self.name, "authentication", "submission without a login"))
            return None
        if session.service == "smtp":
            if smtp.starttls == "required" and session.tls is None:
                return Refuse(TLS_REQUIRED, Reason(self.name, "starttls", "clear text where TLS is required"))
            if smtp.auth == "required" and not session.account and not session.relay:
                return Refuse(AUTH_REQUIRED, Reason(self.name, "authentication", "no login where one is required"))
        return None

    async def rcpt_to(self, transaction: Transaction, recipient: Recipient) -> Verdict | None:
        address = recipient.address
        hop = await self._onward.hop(address)
        if isinstance(hop, NextHop):
            return await self._routed(transaction, recipient, hop)
        if (full := self._full(transaction)) is not None:
            return full
        resolution = await self._recipients.resolve(address, routed=hop is not None)
        if not resolution.is_local:
            if self._recipients.outside.owns(address.domain):
                return await self._without_host(transaction.session, address)
            return await self._relay(transaction, recipient)
        transaction.grown += resolution.grown
        if (full := self._full(transaction)) is not None:
            return full
        if (rest := await self._onward.rest_of(resolution)) is not None:
            return await self._routed(transaction, recipient, rest)
        if not resolution.is_deliverable:
            return self._refuse(transaction.session, resolution.problems[0])
        if resolution.postings and (refused := await self._not_for_all(transaction, resolution)) is not None:
            return refused
        transaction.resolved[address.key] = await self._onward.resolved(recipient, resolution)
        return Continue(Reason(self.name, "recipient", _told(resolution)))

    async def _not_for_all(self, transaction: Transaction, resolution: Resolution) -> Verdict | None:
        """A group of an outside directory that says who may write to it."""
        session, sender = transaction.session, transaction.sender.address
        inside = bool(session.account or session.relay)
        posting = await self._recipients.forbids(resolution, sender, is_inside=inside)
        if posting is None:
            return None
        detail = f"{sender or '<>'} may not write to {posting.group} (LDAP server {posting.server})"
        return Refuse(NOT_FOR_ALL, Reason(self.name, "not-allowed", detail))

    def _full(self, transaction: Transaction) -> Verdict | None:
        """Whether aliases have grown the message to too many recipients; then no more is looked up for it."""
        most = self._settings().route.max_expansion
        if transaction.grown <= most:
            return None
        return Defer(GROWN, Reason(self.name, "expansion", f"more than {most} recipients behind the aliases of one message"))

    async def _routed(self, transaction: Transaction, recipient: Recipient, hop: NextHop) -> Verdict:
        """A recipient whose mail another host takes, if it is known to whom it must be (INB-5)."""
        verdict = await self._check.verdict(recipient.address, hop)
        if isinstance(verdict, Continue):
            transaction.resolved[recipient.address.key] = (ToQueue(recipient, str(hop)),)
        elif verdict.reason.rule == "unknown-recipient":
            self._harvest.note(transaction.session)
        return verdict

    async def _without_host(self, session: Session, address: Address) -> Verdict:
        """An address of an outside directory's own domain, for which nothing says where its mail goes."""
        entry = await self._recipients.outside.find(address, "routes")
        if entry is None:
            self._harvest.note(session)
            return Refuse(NO_USER, Reason(self.name, "unknown-recipient", f"{address} is in no outside directory"))
        return Defer(NOT_NOW, Reason(self.name, "no-host", f"LDAP server {entry.server} knows {address}, but not its host"))

    async def _relay(self, transaction: Transaction, recipient: Recipient) -> Verdict:
        session = transaction.session
        why = await self._relay_right(session, recipient.address)
        if not why:
            detail = f"{recipient.address.domain} is not ours, and {session.client_address} may not relay"
            return Refuse(NO_RELAY, Reason(self.name, "relay", detail))
        transaction.resolved[recipient.address.key] = (self._onward.elsewhere(recipient),)
        return Continue(Reason(self.name, "relay", f"relayed for {why}"))

    async def _relay_right(self, session: Session, address: Address) -> str:
        """Why this peer may send to ``address``; "" if it may not (NET-4)."""
        if session.account:
            return f"the account {session.account}"
        if session.relay:
            what = f"host {session.host}" if session.relay == "domain" else f"network of {session.client_address}"
            return f"the listed {what}"
        domains = self._settings().smtp.relay_domains
        if not domains:
            return ""
        if within(address.domain, domains):
            return f"the listed domain {address.domain}"
        host = (await self._hosts.of(session)).name  # fails closed: without DNS nobody is a relay-listed host
        if host and within(host, domains):
            session.relay = "domain"
            return f"the listed host {host}"
        return ""

    def _refuse(self, session: Session, problem: Problem) -> Verdict:
        if problem.why == "unknown":
            self._harvest.note(session)
        return Refuse(REFUSALS[problem.why], Reason(self.name, "recipient", f"{problem.address}: {problem.why}"))


def _told(resolution: Resolution) -> str:
    via = f" by way of {', '.join(map(str, resolution.via))}" if resolution.via else ""
    hosts = ", ".join(dict.fromkeys(str(routed.hop) for routed in resolution.routed))
    led = f", led by LDAP to {hosts}" if hosts else ""
    return f"{resolution.address} is ours{via}{led}"
