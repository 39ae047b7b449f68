"""Which messages a command means: sequence sets and UID sets against the client's view (RFC 9051 §6.4.9, RFC 5182)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from posthouse.mailstore.view import MailboxView
from posthouse.protocols.imap.search_keys import SearchKey, numbers_used
from posthouse.protocols.imap.sequence import STAR, SequenceSet
from posthouse.servers.imap.refusal import Refused

if TYPE_CHECKING:
    from posthouse.servers.imap.session import ImapSession


NUMBERS_ARE_OFF = "Message numbers are off"


def refuse_numbers(session: ImapSession, key: SearchKey, *, uid: bool) -> None:
    """Raises Refused if UIDONLY is on and a search gives or uses message numbers (RFC 9586 §3)."""
    if session.uid_only and (not uid or numbers_used(key)):
        raise Refused(NUMBERS_ARE_OFF, code="UIDREQUIRED", status="BAD")


async def chosen(session: ImapSession, numbers: SequenceSet, *, uid: bool) -> tuple[MailboxView, Sequence[int]]:
    """The view and the indexes in it that the set names, ascending.

    UIDs that do not exist are left out; a message number that does not exist is refused (BAD) only when the client named it
    alone or as a range's beginning: clients guess at ranges' ends, and ask for ``1:*`` of an empty mailbox.
    """
    if session.uid_only and not (uid or numbers.saved):
        raise Refused(NUMBERS_ARE_OFF, code="UIDREQUIRED", status="BAD")
    mailbox = session.mailbox()
    view = await mailbox.view()
    if numbers.saved:
        return view, [at for at in map(view.index, session.saved) if at >= 0]
    count = len(view)
    if uid:
        if len(numbers.ranges) == 1:
            low, high = numbers.ranges[0]
            last = view.uids[-1] if count else 0
            low, high = low or last, high or last
            return view, view.span(min(low, high), max(low, high))
        return view, [view.index(one) for one in numbers.among(view.uids)]
    if any(STAR not in pair and min(pair) > count for pair in numbers.ranges):
        raise Refused("There is no message of that number", status="BAD")
    ranges = numbers.resolve(count)
    if len(ranges) == 1:
        return view, range(ranges[0][0] - 1, ranges[0][1])
    return view, [number - 1 for low, high in ranges for number in range(low, high + 1)]
