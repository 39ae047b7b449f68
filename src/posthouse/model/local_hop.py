"""The next hop of a copy that waits in the queue for a mailbox here (RFC 4865): ``mailbox:/7/Work/Plans?\\Seen``.

The plan for it was made when it came in: account, mailbox and flags stand in the hop, percent-encoded where that is needed.
No host can be written like this, so that no route or filter leads into a mailbox.
"""

from __future__ import annotations

from urllib.parse import quote, unquote

from posthouse.model.envelope import Recipient
from posthouse.model.plan import ToMailbox

_SCHEME = "mailbox:/"


def local_hop(destination: ToMailbox) -> str:
    """See ``mailbox_of``."""
    flags = ",".join(quote(flag, safe="\\$") for flag in destination.flags)
    return f"{_SCHEME}{destination.account_id}/{quote(destination.mailbox, safe='/')}" + (f"?{flags}" if flags else "")


def is_local(next_hop: str) -> bool:
    """Whether a next hop is one of these."""
    return next_hop.startswith(_SCHEME)


def mailbox_of(next_hop: str, recipient: Recipient) -> ToMailbox:
    """The destination that ``local_hop`` was made from. Raises ValueError."""
    account, _, rest = next_hop.removeprefix(_SCHEME).partition("/")
    mailbox, _, flags = rest.partition("?")
    return ToMailbox(recipient, int(account), unquote(mailbox), tuple(unquote(flag) for flag in flags.split(",") if flag))
