"""Part of stage ``connect``: the site's own reject list (NET-3).

A listed address is refused when it connects, before a word is spoken. Names need the conversation: the verified name of the
client and the domain of MAIL FROM are looked up in the list when they are known. Who has logged in is not asked. What is listed
is refused even from this machine and from the relay list, since somebody wrote it down. Failing: open; a list that cannot be
read, and a name that DNS does not tell in time, refuse nobody.
"""

from __future__ import annotations

from posthouse.base.errors import MailError
from posthouse.interfaces.reject_list import RejectList
from posthouse.model.reject import RejectEntry
from posthouse.model.session import Session
from posthouse.model.verdict import Continue, Reason, Refuse, Reply, Verdict
from posthouse.pipeline.names import HostNames
from posthouse.pipeline.stage import Stage
from posthouse.pipeline.transaction import Transaction

NOT_FROM_YOU = Reply(554, "5.7.1", "No mail is taken from your address")
NOT_FROM_HOST = Reply(554, "5.7.1", "No mail is taken from your host")
NOT_FROM_DOMAIN = Reply(554, "5.7.1", "No mail is taken from this sender's domain")


class Rejects(Stage):
    name = "reject-list"

    def __init__(self, rejected: RejectList, hosts: HostNames) -> None:
        self._rejected = rejected
        self._hosts = hosts

    async def connect(self, session: Session) -> Verdict | None:
        if session.service != "smtp":
            return None
        try:
            entry = await self._rejected.network_of(session.client_address)
        except MailError:
            return None  # mail_from says that the list cannot be read
        return self._refusal(NOT_FROM_YOU, "address", session.client_address, entry) if entry is not None else None

    async def mail_from(self, transaction: Transaction) -> Verdict | None:
        session, sender = transaction.session, transaction.sender.address
        if session.service != "smtp" or session.account:
            return None
        try:
            if not await self._rejected.has_domains():
                return None
            if sender is not None and (entry := await self._rejected.domain_of(sender.domain)) is not None:
                return self._refusal(NOT_FROM_DOMAIN, "sender", str(sender), entry)
            host = (await self._hosts.of(session)).name
            if host and (entry := await self._rejected.domain_of(host)) is not None:
                return self._refusal(NOT_FROM_HOST, "host", host, entry)
        except MailError as error:
            return Continue(Reason(self.name, "not-read", f"the reject list cannot be read: {error.cause or error.public}"))
        return None

    def _refusal(self, reply: Reply, rule: str, what: str, entry: RejectEntry) -> Verdict:
        note = f": {entry.note}" if entry.note else ""
        return Refuse(reply, Reason(self.name, rule, f"{what} is in {entry.target}{note}"))
