"""SEARCH and UID SEARCH: the old response, ESEARCH, and the saved result (RFC 9051 §6.4.4, RFC 4731, RFC 5182, RFC 6203,
RFC 9394); ``contexts`` has those that go on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from posthouse.mailstore.search import Scope
from posthouse.mailstore.search import search as evaluate
from posthouse.mailstore.view import MailboxView
from posthouse.protocols.imap import responses, sequence
from posthouse.protocols.imap.commands import Search, SearchReturn
from posthouse.protocols.imap.search_keys import And, UidKey
from posthouse.protocols.imap.sequence import STAR, SequenceSet
from posthouse.servers.imap import contexts
from posthouse.servers.imap.message_limit import newest
from posthouse.servers.imap.numbers import refuse_numbers
from posthouse.servers.imap.routes import Done
from posthouse.servers.imap.scopes import scope_of

if TYPE_CHECKING:
    from posthouse.servers.imap.session import ImapSession


async def search(session: ImapSession, command: Search) -> Done:
    """SEARCH."""
    refuse_numbers(session, command.key, uid=command.uid)
    contexts.admit(session, command)
    mailbox = session.mailbox()
    if command.has_mod_seq:
        session.condstore = True
    if command.returns is not None and command.returns.save:
        session.saved = ()
    view = await mailbox.view()
    scope = scope_of(session, view)
    newest_ones, limited = newest(session, view, range(len(view)))
    key = And((UidKey(SequenceSet(((view.uids[newest_ones[0]], STAR),))), command.key)) if limited else command.key
    found = await evaluate(key, scope)
    numbers = [view.uids[at] for at in found] if command.uid else [at + 1 for at in found]
    if command.returns is None and not session.rev2:
        session.write(responses.search_line(numbers, highest(view, found) if command.has_mod_seq else None))
        return "SEARCH completed", limited
    await contexts.begin(session, command, view, found, "Not all messages were looked at" if limited else "")
    returns = command.returns or SearchReturn(all=True)
    if returns.save:
        session.saved = tuple(view.uids[at] for at in kept(returns, found))
    if returns != SearchReturn(save=True):
        shown = results(returns, numbers)
        if returns.relevancy and found:
            shown.append(relevancies(scope, kept(returns, found)))
        if command.has_mod_seq and found:
            shown.append(("MODSEQ", highest(view, kept(returns, found))))
        session.write(responses.esearch_line(command.tag, shown, uid=command.uid))
    return "SEARCH completed", limited


def results(returns: SearchReturn, numbers: Sequence[int]) -> list[tuple[str, bytes | int]]:
    """What ESEARCH tells of ``numbers``, which are in their order, but for MODSEQ and RELEVANCY (RFC 4731, RFC 9394)."""
    out: list[tuple[str, bytes | int]] = []
    if returns.min and numbers:
        out.append(("MIN", numbers[0]))
    if returns.max and numbers:
        out.append(("MAX", numbers[-1]))
    if returns.all and numbers:
        out.append(("ALL", sequence.to_text(numbers)))
    if returns.count:
        out.append(("COUNT", len(numbers)))
    if returns.partial is not None:
        page = _page(returns.partial, numbers)
        text = sequence.to_text(page) if page else b"NIL"
        out.append(("PARTIAL", b"(%d:%d %b)" % (*returns.partial, text)))
    return out


def relevancies(scope: Scope, indexes: Sequence[int]) -> tuple[str, bytes]:
    """The scores of these messages in their order, for ESEARCH (RFC 6203 §4)."""
    return "RELEVANCY", b"(%b)" % b" ".join([b"%d" % scope.relevancy(scope.view.uids[at]) for at in indexes])


def _page(partial: tuple[int, int], numbers: Sequence[int]) -> Sequence[int]:
    """The results from the first to the last place named; negative places count from the end (RFC 9394 §3.1)."""
    first, last = sorted(map(abs, partial))
    if partial[0] < 0:
        return numbers[max(len(numbers) - last, 0) : max(len(numbers) - first + 1, 0)]
    return numbers[first - 1 : last]


def kept(returns: SearchReturn, found: Sequence[int]) -> Sequence[int]:
    """What SAVE saves: with only MIN or MAX or both, these; with PARTIAL, the page (RFC 5182 §2.4, RFC 9394 §3.2)."""
    if returns.all or returns.count or not found:
        return found
    if returns.partial is not None:
        return _page(returns.partial, found)
    ends = [found[0]] if returns.min else []
    if returns.max and (not ends or found[-1] != ends[0]):
        ends.append(found[-1])
    return ends or found


def highest(view: MailboxView, indexes: Sequence[int]) -> int:
    """The highest mod-sequence of these messages."""
    return max((view.mod_seqs[at] for at in indexes), default=0)
