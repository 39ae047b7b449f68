"""Takes messages back out of mailboxes here: those that a stolen account has sent to people here (OUT-5).

A message is known by the moment of its acceptance, which its mailbox keeps, and by the trace id in its Received field. Only the
newest part of each mailbox is looked at, in batches. What is taken goes where deleted messages go, so that it can be got back.
Copies that a user has filed elsewhere by APPEND, or that a filter sent on, are not found.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from posthouse.interfaces.mailstore import MailStore
from posthouse.model.address import Address
from posthouse.model.envelope import Recipient
from posthouse.model.mailbox import SEEN, MailboxInfo, MessageRow
from posthouse.model.plan import Destination, ToMailbox
from posthouse.model.trace import TraceRecord
from posthouse.model.undelete import is_shadow

BATCH = 200
SLACK_S = 0.002
"""Times go through text and floating point."""
_HEAD = 4096

Onward = Callable[[Recipient], Awaitable[Sequence[Destination]]]


@dataclass(frozen=True, slots=True)
class Recalled:
    """One copy. ``taken``: it was removed; else the recipient has read it, and that was not wanted."""

    trace_id: str
    account_id: int
    account: str
    mailbox: str
    uid: int
    taken: bool


async def recall(
    store: MailStore, onward: Onward, sent: Sequence[TraceRecord], *, seen: bool, domain: str = ""
) -> Sequence[Recalled]:
    """Removes what is found of the messages of these records. ``seen``: also what was read; ``domain``: only from mailboxes of
    accounts of this domain. Raises MailError; what was removed by then stays removed."""
    found: list[Recalled] = []
    for (account_id, account), wanted in (await _wanted(onward, sent, domain)).items():
        for box in await store.mailboxes(account_id):
            if box.selectable and box.exists and not is_shadow(box.name):
                found += await _from_mailbox(store, box, account, wanted, seen=seen)
    return found


async def _wanted(onward: Onward, sent: Sequence[TraceRecord], domain: str) -> Mapping[tuple[int, str], Mapping[str, float]]:
    """Accounts here, each with the trace ids and moments of what they got."""
    leads: dict[str, list[tuple[int, str]]] = {}
    wanted: dict[tuple[int, str], dict[str, float]] = {}
    for record in sent:
        for text in record.recipients:
            if text not in leads:
                leads[text] = await _led_to(onward, text)
            for account in leads[text]:
                if not domain or account[1].rpartition("@")[2].lower() == domain:
                    wanted.setdefault(account, {})[record.trace_id] = record.at
    return wanted


async def _led_to(onward: Onward, recipient: str) -> list[tuple[int, str]]:
    try:
        ends = await onward(Recipient(Address.parse(recipient)))
    except ValueError:
        return []  # it was refused, or it is a bare name
    return [(end.account_id, end.account) for end in ends if isinstance(end, ToMailbox)]


async def _from_mailbox(
    store: MailStore, box: MailboxInfo, account: str, wanted: Mapping[str, float], *, seen: bool
) -> list[Recalled]:
    found: list[Recalled] = []
    async for rows in _fitting(store, box, sorted(wanted.values())):
        candidates = {row.uid: row for row in rows}
        for uid, head in await store.heads(box.mailbox_id, sorted(candidates)):
            if trace_id := _trace_id(head, wanted):
                taken = seen or not candidates[uid].flags & SEEN
                found.append(Recalled(trace_id, box.account_id, account, box.name, uid, taken))
    uids = sorted(each.uid for each in found if each.taken)
    for start in range(0, len(uids), BATCH):
        await store.expunge(box.mailbox_id, uids[start : start + BATCH], unmarked=True)
    return found


async def _fitting(store: MailStore, box: MailboxInfo, moments: Sequence[float]) -> AsyncIterator[list[MessageRow]]:
    """Messages that were accepted at one of these moments, newest first, in batches; lets others work in between."""
    _, rows = await store.rows(box.mailbox_id)
    for end in range(len(rows), 0, -BATCH):
        batch = {row.uid: row for row in rows[max(0, end - BATCH) : end]}
        facts = await store.some_facts(box.mailbox_id, sorted(batch), ("received_at", "saved_at"))
        if fitting := [batch[uid] for uid, received_at, _ in facts if _among(moments, received_at)]:
            yield fitting
        if all(saved_at < moments[0] - SLACK_S for _, _, saved_at in facts):
            return
        await asyncio.sleep(0)


def _among(moments: Sequence[float], at: float) -> bool:
    place = bisect_left(moments, at - SLACK_S)
    return place < len(moments) and moments[place] <= at + SLACK_S


def _trace_id(head: bytes, wanted: Mapping[str, float]) -> str:
    """Which of the wanted messages begins so; "" if none. A Received field of ours says ``id TRACE``."""
    words = head.partition(b"\r\n\r\n")[0].split()
    named = (words[place + 1].rstrip(b";").decode("ascii", "replace") for place, word in enumerate(words[:-1]) if word == b"id")
    return next((name for name in named if name in wanted), "")
