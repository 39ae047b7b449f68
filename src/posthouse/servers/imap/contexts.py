"""Searches and sorts that go on: ESEARCH with ADDTO and REMOVEFROM as the mailbox changes, CANCELUPDATE (RFC 5267 §4.3).

What goes because its message is expunged is told before the numbers move; what comes and goes otherwise, after the new numbers
are told (§4.3.3, §4.3.4). Only messages that changed since the last look are asked about.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from posthouse.mailstore import sorting
from posthouse.mailstore.live_results import LiveSearch, LiveSort, Run, can_live
from posthouse.mailstore.search import search as evaluate
from posthouse.mailstore.selected import Update
from posthouse.mailstore.view import MailboxView
from posthouse.protocols.imap import responses, sequence
from posthouse.protocols.imap.commands import CancelUpdate, Search
from posthouse.protocols.imap.search_keys import SearchKey
from posthouse.protocols.imap.sort_commands import Sort, SortKey
from posthouse.servers.imap.refusal import Refused
from posthouse.servers.imap.scopes import scope_of

if TYPE_CHECKING:
    from posthouse.servers.imap.session import ImapSession

MAX_CONTEXTS = 16
MAX_RESULTS = 100_000


@dataclass(slots=True)
class Context:
    """One that goes on, as of ``mod_seq``. ``uid``: its results are told by their UIDs; ``criteria`` are a sort's."""

    key: SearchKey
    uid: bool
    criteria: Sequence[SortKey]
    result: LiveSearch
    mod_seq: int


def admit(session: ImapSession, command: Search | Sort) -> None:
    """Before a search: a tag names one that goes on for as long as it does (§4.3). Raises Refused."""
    if command.returns is not None and command.returns.update and command.tag in session.contexts:
        raise Refused("Tag reuse", status="BAD")


async def begin(session: ImapSession, command: Search | Sort, view: MailboxView, order: Sequence[int], why_not: str) -> None:
    """Has a search of ``view`` with this result, as indexes in their order, go on if UPDATE is asked for. ``why_not``: or else
    why that cannot be."""
    if command.returns is None or not command.returns.update:
        return
    criteria = command.criteria if isinstance(command, Sort) else ()
    why_not = why_not or _why_not(session, command.key, criteria, len(order))
    if why_not:
        session.write(responses.untagged("NO", why_not, b"NOUPDATE " + responses.string(command.tag)))
        return
    uids = [view.uids[at] for at in order]
    result = LiveSearch(uids)
    if criteria:
        values = await sorting.values(session.services.store, session.mailbox().mailbox_id, uids, criteria)
        result = LiveSort([uid for uid in uids if uid in values], criteria, values)
    session.contexts[command.tag] = Context(command.key, command.uid, criteria, result, view.mod_seq)


def _why_not(session: ImapSession, key: SearchKey, criteria: Sequence[SortKey], results: int) -> str:
    if len(session.contexts) >= MAX_CONTEXTS or results > MAX_RESULTS:
        return "Too many contexts" if results <= MAX_RESULTS else "Too many results"
    if not can_live(key) or any(one.field == "RELEVANCY" for one in criteria):
        return "Such a search cannot go on"
    return ""


async def cancel(session: ImapSession, command: CancelUpdate) -> str:
    """CANCELUPDATE."""
    if unknown := [tag for tag in command.tags if tag not in session.contexts]:
        raise Refused(f"No updates are under way for {unknown[0].decode('ascii', 'replace')}", status="BAD")
    for tag in dict.fromkeys(command.tags):
        del session.contexts[tag]
    return "CANCELUPDATE completed"


def tell_expunged(session: ImapSession, update: Update) -> None:
    """Before EXPUNGE and VANISHED: by the numbers that hold until then."""
    if not update.gone_uids:
        return
    numbers = dict(zip(update.gone_uids, reversed(update.expunged), strict=True))
    for tag, context in session.contexts.items():
        runs = context.result.leave(update.gone_uids)
        _tell(session, tag, context, runs, (), numbers.__getitem__)


async def tell_changes(session: ImapSession) -> None:
    """After all else was told: what came to match, and what does no more."""
    mailbox = session.mailbox()
    view = await mailbox.view()
    for tag, context in list(session.contexts.items()):
        if view.mod_seq <= context.mod_seq:
            continue
        since, context.mod_seq = context.mod_seq, view.mod_seq
        changed = [at for at, mod_seq in enumerate(view.mod_seqs) if mod_seq > since]
        matching = {view.uids[at] for at in await evaluate(context.key, scope_of(session, view), changed)}
        left = context.result.leave([uid for uid in (view.uids[at] for at in changed) if uid not in matching])
        new = matching - context.result.members
        if new and isinstance(context.result, LiveSort):
            store = session.services.store
            context.result.know(await sorting.values(store, mailbox.mailbox_id, sorted(new), context.criteria))
        _tell(session, tag, context, left, context.result.join(new), lambda uid: view.index(uid) + 1)


def _tell(
    session: ImapSession,
    tag: bytes,
    context: Context,
    left: Sequence[Run],
    joined: Sequence[Run],
    number: Callable[[int], int],
) -> None:
    items = [(name, _pairs(context, runs, number)) for name, runs in (("REMOVEFROM", left), ("ADDTO", joined)) if runs]
    if items:
        session.write(responses.esearch_line(tag, items, uid=context.uid))


def _pairs(context: Context, runs: Sequence[Run], number: Callable[[int], int]) -> bytes:
    shown = [(run.position, run.uids if context.uid else [number(uid) for uid in run.uids]) for run in runs]
    return b"(%b)" % b" ".join([b"%d %b" % (position, sequence.to_text(numbers)) for position, numbers in shown])
