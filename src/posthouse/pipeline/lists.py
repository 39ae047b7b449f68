"""Part of stage ``envelope``: DNS block lists (NET-5), of addresses from the connection on, of domains from MAIL FROM on.

What a list with the action ``reject`` names is refused at RCPT, so that the trace shows whose mail it would have been; mail for
postmaster passes (RFC 5321 §4.5.1), so that whoever is listed can ask why. All listings that do not refuse are told in a field
and count on the spam scale; they stay on session and transaction for the scorer and for filters. Clients of ours are not
looked up. Failing: open, as ``interfaces.blocklists`` says.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from posthouse.base.errors import Temporary
from posthouse.interfaces.blocklists import BlockLists
from posthouse.model.block_list import ListHit
from posthouse.model.envelope import Recipient
from posthouse.model.session import Session
from posthouse.model.verdict import Continue, Reason, Refuse, Reply, Score, Tag, Verdict
from posthouse.pipeline.patience import Patience
from posthouse.pipeline.stage import Stage
from posthouse.pipeline.transaction import Transaction

FIELD = "X-RBL-Warning"
GRACE_S = 0.5
"""The lists keep to a check's time themselves, each for itself; what some of them have said by then is not to be missed."""
THIS_MACHINE = ("127.0.0.1", "::1")
"""Not looked up; other loopback addresses are: RFC 5782 §5 has 127.0.0.2 in every list, for tests."""


class Lists(Stage):
    name = "block-lists"

    def __init__(self, lists: BlockLists, patience: Patience) -> None:
        self._lists = lists
        self._patience = patience

    async def connect(self, session: Session) -> Verdict | None:
        if _is_asked_about(session) and await self._lists.any_for("address"):
            self._begin(session)
        return None

    async def mail_from(self, transaction: Transaction) -> Verdict | None:
        session = transaction.session
        if _is_asked_about(session) and await self._lists.any_for("domain"):
            domain = transaction.sender.address.domain if transaction.sender.address else ""
            names = [name for name in (domain, session.helo) if name]
            transaction.lists = asyncio.create_task(self._names(names))
        return None

    async def rcpt_to(self, transaction: Transaction, recipient: Recipient) -> Verdict | None:
        session = transaction.session
        if not _is_asked_about(session):
            return None
        longest_s = self._patience.check_s + GRACE_S
        try:
            if session.lists_lookup is not None or await self._lists.any_for("address"):
                session.listed = await self._patience.wait(session, self._begin(session), longest_s)
            if transaction.lists is not None:
                transaction.listed = await self._patience.wait(session, transaction.lists, longest_s)
        except Temporary as error:
            return Continue(Reason(self.name, "late", error.cause))
        refusing = next((hit for hit in (*session.listed, *transaction.listed) if hit.action == "reject"), None)
        if refusing is None:
            return None
        if recipient.address.local.lower() == "postmaster":
            return Continue(Reason(self.name, refusing.zone, f"{_told(refusing)}; but postmaster hears everybody"))
        return Refuse(_reply(refusing), Reason(self.name, refusing.zone, _told(refusing)))

    async def message(self, transaction: Transaction) -> Sequence[Verdict]:
        verdicts: list[Verdict] = []
        for hit in (*transaction.session.listed, *transaction.listed):
            reason = Reason(self.name, hit.zone, _told(hit))
            verdicts += [Tag(FIELD, _told(hit), reason), Score(hit.points, reason)]
        return verdicts

    def _begin(self, session: Session) -> asyncio.Task[tuple[ListHit, ...]]:
        if session.lists_lookup is None:
            session.lists_lookup = asyncio.create_task(self._address(session.client_address))
        task = session.lists_lookup
        assert isinstance(task, asyncio.Task), "only this stage begins the look-up"
        return task

    async def _address(self, address: str) -> tuple[ListHit, ...]:
        return tuple(await self._lists.address(address))

    async def _names(self, names: Sequence[str]) -> tuple[ListHit, ...]:
        return tuple(await self._lists.domain(*names))


def _is_asked_about(session: Session) -> bool:
    return (
        session.service == "smtp" and not session.account and not session.relay and session.client_address not in THIS_MACHINE
    )


def _told(hit: ListHit) -> str:
    return f"{hit.what} is listed by {hit.zone} ({hit.code})" + (f": {hit.text}" if hit.text else "")


def _reply(hit: ListHit) -> Reply:
    text = f"; {hit.text}" if hit.text else ""
    return Reply(554, "5.7.1", f"Service unavailable; {hit.what} blocked using {hit.zone}{text}")
