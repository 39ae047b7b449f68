"""What scripts may know of a message and its session. Part of stage ``filters``; knows the directory for a user's addresses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from posthouse.content.sieve import Facts, MessageView
from posthouse.content.sieve.lookups import Sources
from posthouse.model.address import Address
from posthouse.model.mail_authentication import AuthReport
from posthouse.model.plan import ToMailbox
from posthouse.model.script import ScriptOwner, StoredScript
from posthouse.model.settings import Settings
from posthouse.pipeline.copies import Copy
from posthouse.pipeline.transaction import Transaction


@dataclass(frozen=True, slots=True)
class Level:
    """The active scripts of one owner; ``includes`` is whose scripts ``include :global`` means."""

    owner: ScriptOwner
    includes: ScriptOwner
    scripts: tuple[StoredScript, ...]


@dataclass(frozen=True, slots=True)
class FactBook:
    """Makes ``Facts`` of a transaction; ``sources`` answer what scripts ask beyond them."""

    sources: Sources
    node_name: str
    settings: Callable[[], Settings]

    async def of(
        self, transaction: Transaction, view: MessageView, copy: Copy | None, points: float = 0.0, *, vacation: bool
    ) -> Facts:
        """What is known by now. ``copy`` None: for a script of the system, for all recipients. ``points`` come on top of the
        message's score. A user's other addresses are looked up for ``vacation`` alone, which answers only mail that names one
        of them (RFC 5230 §4.6)."""
        session, auth = transaction.session, transaction.auth or AuthReport()
        recipients = tuple(str(each.address) for each in transaction.recipients)
        destination = copy.destination if copy is not None else None
        owner = ""
        own: tuple[str, ...] = ()
        if isinstance(destination, ToMailbox):
            owner, own = destination.account, (destination.account,)
            if vacation and destination.account_id > 0:
                own = await self._addresses(owner, destination.recipient.address)
        if destination is not None:
            recipient = str(destination.recipient.address)
        else:
            recipient = recipients[0] if len(recipients) == 1 else ""
        return Facts(
            message=view,
            now=self.sources.clock.now(),
            sender=str(transaction.sender),
            recipient=recipient,
            recipients=recipients,
            envelope_auth=session.account,
            owner=owner,
            own_addresses=own,
            recipient_is_own=not owner,
            client_address=session.client_address,
            client_host=session.host,
            helo=session.helo,
            account=session.account,
            direction="out" if session.account else "in",
            score=_score(transaction, points + (copy.points if copy is not None else 0.0)),
            virus=transaction.virus,
            spf=auth.spf.result if auth.spf else "",
            dkim=auth.dkim_result,
            dmarc=auth.dmarc.result if auth.dmarc else "",
            delimiter=self.settings().route.plus_addressing,
            environment={"host": self.node_name, "domain": self.node_name.partition(".")[2]},
            steady=self.sources.clock.steady,
        )

    async def _addresses(self, owner: str, recipient: Address) -> tuple[str, ...]:
        """The account's address, the aliases that lead to it alone (a list is nobody's address), and the recipient if it is
        one of these with a detail (RFC 5233)."""
        found, directory = [owner], self.sources.directory
        for address in await directory.memberships(Address.parse(owner)):
            alias = await directory.alias(address)
            if alias is not None and len(alias.targets) == 1:
                found.append(str(address))
        base = recipient.with_local(recipient.split_detail(self.settings().route.plus_addressing)[0])
        if base.key in {address.lower() for address in found}:
            found.append(str(recipient))
        return tuple(found)


def _score(transaction: Transaction, points: float) -> float | None:
    """None while nothing has scored the message (RFC 5235's "not tested")."""
    return transaction.score if not points else (transaction.score or 0.0) + points
