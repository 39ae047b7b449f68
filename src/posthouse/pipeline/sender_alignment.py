"""Whether an allowed sender is who it says it is: a domain that publishes a DMARC policy must pass it (CON-12).

Part of stage ``junk``. For the From address DMARC's own result counts; for the envelope's sender its domain is asked in the
same way. A sender of ours, and mail of hosts whose word counts, is not asked. Failing: closed: without an answer from DNS the
entry does not count, and the points decide.
"""

from __future__ import annotations

import asyncio

from posthouse.interfaces.resolver import Resolver
from posthouse.mailauth import dmarc
from posthouse.model.address import Address
from posthouse.model.mail_authentication import AuthReport, DmarcResult


class Alignment:
    """For one message; ``report`` None: this peer is not checked."""

    def __init__(self, resolver: Resolver, report: AuthReport | None, timeout_s: float) -> None:
        self._resolver = resolver
        self._report = report
        self._timeout_s = timeout_s
        self._known: dict[str, str] = {}

    async def objection(self, address: Address) -> str:
        """Why an entry that matched this address does not count; "" if it does."""
        if self._report is None or address.domain.startswith("["):
            return ""
        if address.domain not in self._known:
            self._known[address.domain] = await self._asked(address.domain, self._report)
        return self._known[address.domain]

    async def _asked(self, domain: str, report: AuthReport) -> str:
        result = report.dmarc
        if result is None or result.domain != domain:
            result = await self._evaluated(domain, report)
        elif report.forwarded_by:
            return ""
        if result.result in ("none", "pass"):
            return ""
        if result.result == "fail":
            return f"{domain} publishes a DMARC policy, which this message does not pass"
        return f"whether {domain} stands behind it could not be found out ({result.result})"

    async def _evaluated(self, domain: str, report: AuthReport) -> DmarcResult:
        walks = dmarc.TreeWalks(self._resolver)
        try:
            async with asyncio.timeout(self._timeout_s):
                return await dmarc.evaluate(domain, report.spf, report.dkim, self._resolver, walks)
        except TimeoutError:
            return DmarcResult("temperror", domain)
