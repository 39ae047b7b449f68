"""Part of stage ``envelope``: the domain of MAIL FROM must be able to take the mail's bounces (INB-4).

For strangers only. A domain without MX, A and AAAA records, or with a null MX (RFC 7505 §4.2), is refused for good. Failing:
defer. While DNS does not answer, the sender is asked to come back.
"""

from __future__ import annotations

from collections.abc import Callable

from posthouse.base.errors import Temporary
from posthouse.interfaces.directory import Directory
from posthouse.interfaces.resolver import Resolver
from posthouse.model.settings import Settings
from posthouse.model.verdict import Continue, Defer, Reason, Refuse, Reply, Verdict
from posthouse.pipeline.patience import Patience
from posthouse.pipeline.stage import Stage
from posthouse.pipeline.transaction import Transaction

NO_DOMAIN = Reply(550, "5.1.8", "The domain of the sender's address does not exist or takes no mail")
NULL_MX = Reply(550, "5.7.27", "The domain of the sender's address says that it takes no mail")
NOT_NOW = Reply(451, "4.4.3", "The domain of the sender's address cannot be looked up now, try again later")


class SenderDomain(Stage):
    name = "sender"

    def __init__(self, settings: Callable[[], Settings], directory: Directory, resolver: Resolver, patience: Patience) -> None:
        self._settings = settings
        self._directory = directory
        self._resolver = resolver
        self._patience = patience

    async def mail_from(self, transaction: Transaction) -> Verdict | None:
        address = transaction.sender.address
        if address is None or not self._settings().smtp.sender_check or not transaction.session.is_stranger:
            return None
        domain = address.domain
        if not domain or domain.startswith("[") or await self._directory.domain(domain) is not None:
            return None
        try:
            return await self._patience.wait(transaction.session, self._checked(domain))
        except Temporary as error:
            return Defer(NOT_NOW, Reason(self.name, "dns", f"{domain}: {error.cause}"))

    async def _checked(self, domain: str) -> Verdict:
        records = await self._resolver.mx(domain)
        if any(record.host == "." for record in records):
            return Refuse(NULL_MX, Reason(self.name, "null-mx", f"{domain} has a null MX"))
        if records or await self._resolver.addresses(domain):
            return Continue(Reason(self.name, "domain", f"{domain} is there"))
        what = "has no MX, A or AAAA record" if await self._resolver.exists(domain) else "does not exist"
        return Refuse(NO_DOMAIN, Reason(self.name, "domain", f"{domain} {what}"))
