"""SORT and THREAD with their UID forms (RFC 5256, RFC 5267 ESORT, RFC 5957 SORT=DISPLAY)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from posthouse.mailstore import sorting, threads
from posthouse.mailstore.search import search as evaluate
from posthouse.mailstore.thread_data import letters
from posthouse.mailstore.threads import NOBODY, Node
from posthouse.protocols.imap import responses
from posthouse.protocols.imap.sort_commands import Sort, Thread
from posthouse.servers.imap import contexts
from posthouse.servers.imap.numbers import refuse_numbers
from posthouse.servers.imap.scopes import scope_of
from posthouse.servers.imap.search import highest, kept, relevancies, results

if TYPE_CHECKING:
    from posthouse.servers.imap.session import ImapSession

_IN_THREAD_FROM = 500


async def sort(session: ImapSession, command: Sort) -> str:
    """SORT: the numbers in order, or what RETURN asks for of them."""
    refuse_numbers(session, command.key, uid=command.uid)
    contexts.admit(session, command)
    mailbox = session.mailbox()
    if command.has_mod_seq:
        session.condstore = True
    if command.returns is not None and command.returns.save:
        session.saved = ()
    view = await mailbox.view()
    scope = scope_of(session, view)
    found = await evaluate(command.key, scope)
    store, told = session.services.store, session.progress
    order = await sorting.in_order(store, mailbox.mailbox_id, view, found, command.criteria, told, scope.relevancy)
    numbers = [view.uids[at] for at in order] if command.uid else [at + 1 for at in order]
    returns = command.returns
    if returns is None:
        ending = b" (MODSEQ %d)" % highest(view, order) if command.has_mod_seq and order else b""
        session.write(b"* SORT%b%b\r\n" % (b"".join([b" %d" % number for number in numbers]), ending))
        return "SORT completed"
    await contexts.begin(session, command, view, order, "")
    if returns.save:
        session.saved = tuple(sorted(view.uids[at] for at in kept(returns, order)))
    shown = results(returns, numbers)
    if returns.relevancy and order:
        shown.append(relevancies(scope, kept(returns, order)))
    if command.has_mod_seq and order:
        shown.append(("MODSEQ", highest(view, kept(returns, order))))
    if shown or not returns.save:
        session.write(responses.esearch_line(command.tag, shown, uid=command.uid))
    return "SORT completed"


async def thread(session: ImapSession, command: Thread) -> str:
    """THREAD: trees of numbers."""
    refuse_numbers(session, command.key, uid=command.uid)
    mailbox = session.mailbox()
    view = await mailbox.view()
    found = await evaluate(command.key, scope_of(session, view))
    references = command.algorithm == "REFERENCES"
    read = await letters(
        session.services.store, mailbox.mailbox_id, view, found, references=references, progress=session.progress
    )
    tie = threads.by_references if references else threads.by_subject
    roots = await asyncio.to_thread(tie, read) if len(read) > _IN_THREAD_FROM else tie(read)
    numbers: Sequence[int] = view.uids if command.uid else range(1, len(view) + 1)
    session.write(b"* THREAD%b\r\n" % _rendered(roots, numbers))
    return "THREAD completed"


def _rendered(roots: Sequence[Node], numbers: Sequence[int]) -> bytes:
    """`` (1 2)(3 (4)(5))``; without recursion, since threads can be deep."""
    out: list[bytes] = [b" "] if roots else []
    waiting: list[Node | bytes] = []
    for root in reversed(roots):
        waiting += (b")", root, b"(")
    while waiting:
        node = waiting.pop()
        if isinstance(node, bytes):
            out.append(node)
            continue
        there = node.at != NOBODY
        if there:
            out.append(b"%d" % numbers[node.at])
        if len(node.children) == 1:
            waiting += (node.children[0], b" ") if there else (node.children[0],)
            continue
        for child in reversed(node.children):
            waiting += (b")", child, b"(")
        if there and node.children:
            waiting.append(b" ")
    return b"".join(out)
