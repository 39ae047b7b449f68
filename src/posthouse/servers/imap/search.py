"""SEARCH and UID SEARCH: the old response, ESEARCH, and the saved result (RFC 9051 §6.4.4, RFC 4731, RFC 5182, RFC 9394)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from posthouse.mailstore.search import Scope
from posthouse.mailstore.search import search as evaluate
from posthouse.mailstore.view import MailboxView
from posthouse.protocols.imap import responses, sequence
from posthouse.protocols.imap.commands import Search, SearchReturn

if TYPE_CHECKING:
    from posthouse.servers.imap.session import ImapSession


async def search(session: ImapSession, command: Search) -> str:
    """SEARCH."""
    mailbox = session.mailbox()
    if command.has_mod_seq:
        session.condstore = True
    if command.returns is not None and command.returns.save:
        session.saved = ()
    view = await mailbox.view()
    scope = Scope(
        store=session.services.store,
        mailbox_id=mailbox.mailbox_id,
        view=view,
        keywords=mailbox.keywords,
        now=session.services.clock.now(),
        saved=frozenset(session.saved),
    )
    found = await evaluate(command.key, scope)
    numbers = [view.uids[at] for at in found] if command.uid else [at + 1 for at in found]
    if command.returns is None and not session.rev2:
        session.write(responses.search_line(numbers, _highest(view, found) if command.has_mod_seq else None))
        return "SEARCH completed"
    returns = command.returns or SearchReturn(all=True)
    if returns.save:
        session.saved = tuple(view.uids[at] for at in _kept(returns, found))
    if returns != SearchReturn(save=True):
        results = _results(returns, numbers)
        if command.has_mod_seq and found:
            results.append(("MODSEQ", _highest(view, _kept(returns, found))))
        session.write(responses.esearch_line(command.tag, results, uid=command.uid))
    return "SEARCH completed"


def _results(returns: SearchReturn, numbers: Sequence[int]) -> list[tuple[str, bytes | int]]:
    results: list[tuple[str, bytes | int]] = []
    if returns.min and numbers:
        results.append(("MIN", numbers[0]))
    if returns.max and numbers:
        results.append(("MAX", numbers[-1]))
    if returns.all and numbers:
        results.append(("ALL", sequence.to_text(numbers)))
    if returns.count:
        results.append(("COUNT", len(numbers)))
    if returns.partial is not None:
        page = _page(returns.partial, numbers)
        text = sequence.to_text(page) if page else b"NIL"
        results.append(("PARTIAL", b"(%d:%d %b)" % (*returns.partial, text)))
    return results


def _page(partial: tuple[int, int], numbers: Sequence[int]) -> Sequence[int]:
    """The results from the first to the last place named; negative places count from the end (RFC 9394 §3.1)."""
    first, last = sorted(map(abs, partial))
    if partial[0] < 0:
        return numbers[max(len(numbers) - last, 0) : max(len(numbers) - first + 1, 0)]
    return numbers[first - 1 : last]


def _kept(returns: SearchReturn, found: Sequence[int]) -> Sequence[int]:
    """What SAVE saves: with only MIN or MAX or both, these; with PARTIAL, the page (RFC 5182 §2.4, RFC 9394 §3.2)."""
    if returns.all or returns.count or not found:
        return found
    if returns.partial is not None:
        return _page(returns.partial, found)
    ends = [found[0]] if returns.min else []
    if returns.max and (not ends or found[-1] != ends[0]):
        ends.append(found[-1])
    return ends or found


def _highest(view: MailboxView, indexes: Sequence[int]) -> int:
    return max((view.mod_seqs[at] for at in indexes), default=0)
