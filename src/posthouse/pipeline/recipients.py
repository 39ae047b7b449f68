"""Part of stage ``envelope``: does the other host know this recipient? (INB-5, for domains that are routed elsewhere)

Whom its host has disowned of late is refused (GRY-6). More is off until sources are named: the routing table, the directory,
outside directories, the host itself; an outside directory that is used for recipients need not be named. They are asked in that
order of naming; one that knows the address is enough. Failing: as set. If none knows it and one could not be asked, the mail is
put off or taken.
"""

from __future__ import annotations

from collections.abc import Callable

from posthouse.base.clock import Clock
from posthouse.base.errors import Temporary
from posthouse.directory.resolve import RecipientResolver
from posthouse.interfaces.recipient_probe import RecipientProbe
from posthouse.interfaces.routes import Routes
from posthouse.interfaces.unknown_recipients import UnknownRecipients
from posthouse.model.address import Address
from posthouse.model.route import NextHop
from posthouse.model.settings import Settings
from posthouse.model.verdict import Continue, Defer, Reason, Refuse, Reply, Verdict

STAGE = "envelope"
NO_USER = Reply(550, "5.1.1", "No such user here")
NOT_NOW = Reply(451, "4.3.0", "The recipient cannot be checked now, try again later")


class RecipientCheck:
    """``verdict`` says whether a routed recipient is taken; its rule ``unknown-recipient`` means that nobody knows it."""

    def __init__(
        self,
        settings: Callable[[], Settings],
        recipients: RecipientResolver,
        routes: Routes,
        probe: RecipientProbe,
        unknown: UnknownRecipients,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._recipients = recipients
        self._routes = routes
        self._probe = probe
        self._unknown = unknown
        self._clock = clock

    async def verdict(self, address: Address, hop: NextHop) -> Verdict:
        """Continue, Refuse or Defer."""
        smtp = self._settings().smtp
        routed = f"{address} is routed to {hop.host}"
        if smtp.unknown_recipient_s and (said := await self._learnt(address)):
            return Refuse(NO_USER, Reason(STAGE, "unknown-recipient", f"{hop.host} has said of {address}: {said}"))
        sources = smtp.recipient_check
        if self._recipients.outside.covers(address.domain, "recipients"):
            sources = sources if "ldap" in sources else (*sources, "ldap")
        elif "ldap" in sources:
            sources = tuple(source for source in sources if source != "ldap")
        if not sources:
            return Continue(Reason(STAGE, "route", routed))
        trouble = ""
        said = ""
        for source in sources:
            try:
                known, said = await self._ask(source, address, hop)
            except Temporary as error:
                trouble = f"{source}: {error.cause or error.public}"
                continue
            if known:
                return Continue(Reason(STAGE, "route", f"{routed}; known to {said}"))
        if not trouble:
            return Refuse(NO_USER, Reason(STAGE, "unknown-recipient", f"{address} is not known to {said}"))
        if smtp.recipient_check_failure == "accept":
            return Continue(Reason(STAGE, "recipient-unchecked", f"{routed}; {trouble}"))
        return Defer(NOT_NOW, Reason(STAGE, "recipient-unchecked", f"{address}: {trouble}"))

    async def _learnt(self, address: Address) -> str:
        """What its host said before. Failing: nothing is known against it."""
        try:
            return await self._unknown.reply(address.key, self._clock.now())
        except Temporary:
            return ""

    async def _ask(self, source: str, address: Address, hop: NextHop) -> tuple[bool, str]:
        """Whether the source knows the address, and who it is. Raises Temporary."""
        if source == "routes":
            return await self._routes.names(address), "the routing table"
        if source == "directory":
            found = await self._recipients.resolve(address)
            return found.is_local and found.is_deliverable, "the directory"
        if source == "ldap":
            entry = await self._recipients.outside.find(address, "recipients")
            return entry is not None, f"LDAP server {entry.server}" if entry is not None else "LDAP"
        probed = await self._probe.ask(address, hop)
        return probed.known, f"{hop.host}, which says: {probed.reply}"
