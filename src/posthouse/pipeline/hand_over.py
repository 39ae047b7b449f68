"""Stage ``hand-over``: a gateway gives mail to the host behind it while the sender still waits (GRY-6, INB-9).

With ``route.hand_over`` set to ``in-session``, what goes to one routed host is given to it before the sender is answered, and
its refusal is the sender's answer: no bounce is written to an address that may be forged. What that host puts off is put off
for the sender, too. Failing: to the queue. A host that cannot be reached gets the mail later, as if this stage did not
exist; so does mail with several destinations or forms, and mail whose sender wants a notice or verified TLS.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence

from posthouse.base.clock import Clock
from posthouse.base.errors import MailError
from posthouse.interfaces.courier import Answer, Parcel
from posthouse.interfaces.unknown_recipients import UnknownRecipients
from posthouse.model.plan import ToNowhere, ToQueue
from posthouse.model.settings import Settings
from posthouse.model.verdict import Continue, Defer, Reason, Reply, Verdict
from posthouse.pipeline.copies import Copy
from posthouse.pipeline.stage import Stage
from posthouse.pipeline.trace_header import put_late_tags
from posthouse.pipeline.transaction import Transaction
from posthouse.queue.causes import cause_of

Deliver = Callable[[str, Parcel], Awaitable[tuple[Sequence[Answer], str]]]
LATE = Reply(451, "4.4.2", "The host behind this one did not answer in time, try again later")
_SAID = re.compile(r"\d{3}(?: ([245]\.\d{1,3}\.\d{1,3}))? ?(.*)", re.S)


class HandOver(Stage):
    """``deliver`` gives a parcel to a next hop; ``unknown`` learns whom that host does not have."""

    name = "hand-over"

    def __init__(self, settings: Callable[[], Settings], deliver: Deliver, unknown: UnknownRecipients, clock: Clock) -> None:
        self._settings = settings
        self._deliver = deliver
        self._unknown = unknown
        self._clock = clock

    async def message(self, transaction: Transaction) -> Sequence[Verdict]:
        settings = self._settings()
        if settings.route.hand_over != "in-session" or transaction.session.service != "smtp":
            return ()
        next_hop = _next_hop(transaction)
        if not next_hop:
            return ()
        await put_late_tags(transaction)
        copies = list(transaction.copies)
        parcel = Parcel(
            transaction.sender, tuple(copy.destination.recipient for copy in copies), _without_return_path(transaction.content)
        )
        try:
            async with asyncio.timeout(settings.route.hand_over_timeout_s):
                answers, host = await self._deliver(next_hop, parcel)
        except TimeoutError:
            detail = f"{next_hop} did not answer within {settings.route.hand_over_timeout_s:g} s"
            return (Defer(LATE, Reason(self.name, "late", detail)),)
        if not host:
            return (Continue(Reason(self.name, "later", f"{next_hop} gets it from the queue: {answers[0].text}")),)
        return await self._take(transaction, copies, answers, host)

    async def _take(
        self, transaction: Transaction, copies: Sequence[Copy], answers: Sequence[Answer], host: str
    ) -> Sequence[Verdict]:
        """What the host said of each recipient: taken, refused, or left to the queue while others took it."""
        if all(answer.code // 100 == 4 for answer in answers):
            return (Defer(_reply(answers[0]), Reason(self.name, host, answers[0].text)),)
        told: list[Verdict] = []
        for copy, answer in zip(copies, answers, strict=True):
            told.append(Continue(Reason(self.name, host, f"{copy.destination.recipient}: {answer.text}"[:500])))
            if answer.code // 100 == 2:
                copy.destination, copy.is_open = ToNowhere(copy.destination.recipient, f"handed to {host}"), False
                transaction.handed_over += 1
            elif answer.code // 100 == 5:
                await self._learn(copy, answer)
                transaction.refuse(copy, _reply(answer), f"refused by {host}")
        return (*told, *(() if transaction.handed_over else transaction.nobody_keeps(self.name)))

    async def _learn(self, copy: Copy, answer: Answer) -> None:
        """Failing: it is not learnt, and its next mail is asked about again."""
        keep_s = self._settings().smtp.unknown_recipient_s
        if keep_s and cause_of(answer.text) == "unknown-user":
            try:
                address = copy.destination.recipient.address.key
                await self._unknown.learn(address, answer.text, self._clock.now() + keep_s)
            except MailError:
                return


def _next_hop(transaction: Transaction) -> str:
    """The one host that takes all of it, "" if it is not so simple."""
    copies = transaction.copies
    if transaction.held or transaction.held_id or transaction.afterwards or transaction.sender.require_tls:
        return ""
    if len({id(copy.form) for copy in copies}) != 1:
        return ""
    hops = set()
    for copy in copies:
        going = copy.destination
        if (
            not isinstance(going, ToQueue)
            or going.original
            or "SUCCESS" in going.recipient.notify
            or going.recipient.verified_tls
        ):
            return ""
        hops.add(going.next_hop)
    return hops.pop() if len(hops) == 1 else ""


def _reply(answer: Answer) -> Reply:
    """The host's answer as ours: one line, in its own words."""
    match = _SAID.fullmatch(answer.text)
    enhanced, text = (match[1] or "", match[2]) if match else ("", answer.text)
    line = "".join(char if char.isprintable() and char.isascii() else "?" for char in text)[:400]
    return Reply(answer.code, enhanced or f"{answer.code // 100}.0.0", line or "refused")


def _without_return_path(content: bytes) -> bytes:
    """Relayed mail carries no Return-Path of ours (docs/adr/0003)."""
    return content[content.find(b"\n") + 1 :] if content[:12].lower() == b"return-path:" else content
