"""Getting deleted messages back, and dropping them for good (STO-2): what the operations on the shadow tree do.

Clients do the same by MOVE and RENAME out of ``Deleted Messages``; here many mailboxes are gone through at once.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from posthouse.base.errors import NotFound
from posthouse.interfaces.mailstore import MailStore
from posthouse.model.mailbox import SEPARATOR, MailboxInfo
from posthouse.model.undelete import is_shadow, live_name, shadow_name

AT_A_TIME = 500


@dataclass(frozen=True, slots=True)
class Choice:
    """Which deleted messages: of ``mailbox`` (as it was called) and all below it, "" for all; deleted at ``since`` or later;
    with these UIDs, if any are given."""

    mailbox: str = ""
    since: float = 0.0
    uids: Collection[int] = ()


async def shadows(store: MailStore, account_id: int, choice: Choice) -> Sequence[MailboxInfo]:
    """The shadow mailboxes that can be selected, among those chosen, sorted by name."""
    boxes = [box for box in await store.mailboxes(account_id) if is_shadow(box.name) and box.selectable]
    if not choice.mailbox:
        return boxes
    top = choice.mailbox if is_shadow(choice.mailbox) else shadow_name(choice.mailbox)
    return [box for box in boxes if box.name == top or box.name.startswith(top + SEPARATOR)]


async def restore(store: MailStore, account_id: int, choice: Choice) -> int:
    """Moves the chosen messages to where they came from; gives how many. Raises NotFound (nothing of that name), OVERQUOTA."""
    boxes = await shadows(store, account_id, choice)
    if not boxes:
        raise NotFound("there are no such deleted messages")
    restored = 0
    for box in boxes:
        uids = await _chosen(store, box, choice)
        name = live_name(box.name)
        if not name or (not uids and box.exists):
            continue
        live = await store.mailbox(account_id, name)
        if live is None or not live.selectable:
            live = await store.create(account_id, name)
        for start in range(0, len(uids), AT_A_TIME):
            copied = await store.copy(box.mailbox_id, uids[start : start + AT_A_TIME], live.mailbox_id, move=True)
            restored += len(copied.source_uids)
    return restored


async def purge(store: MailStore, account_id: int, choice: Choice) -> int:
    """Drops the chosen deleted messages for good; gives how many."""
    purged = 0
    for box in await shadows(store, account_id, choice):
        uids = await _chosen(store, box, choice)
        for start in range(0, len(uids), AT_A_TIME):
            purged += len(await store.expunge(box.mailbox_id, uids[start : start + AT_A_TIME], unmarked=True))
    return purged


async def _chosen(store: MailStore, box: MailboxInfo, choice: Choice) -> list[int]:
    _, rows = await store.rows(box.mailbox_id)
    uids = [row.uid for row in rows if not choice.uids or row.uid in choice.uids]
    if not choice.since:
        return uids
    late: list[int] = []
    for start in range(0, len(uids), AT_A_TIME):
        facts = await store.facts(box.mailbox_id, uids[start : start + AT_A_TIME])
        late += [fact.uid for fact in facts if fact.saved_at >= choice.since]
    return late
