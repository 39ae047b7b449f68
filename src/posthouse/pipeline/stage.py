"""What a stage is: a name and a few hooks, each answering with a Verdict, several, or nothing to say."""

from __future__ import annotations

from collections.abc import Sequence

from posthouse.model.envelope import Recipient
from posthouse.model.session import Session
from posthouse.model.verdict import Verdict
from posthouse.pipeline.transaction import Transaction


class Stage:
    """Override the hooks that you need; the driver never calls the others.

    None means: nothing to say, go on. A verdict in ``model.verdict.Final`` ends the asking. A stage keeps no state about
    sessions: what it learns it writes into the session or the transaction. Raises: MailError only, which the driver
    turns into Defer or Refuse with the error's public text.
    """

    name = ""
    is_check = False
    """Judges content or decides where it goes: not asked when a system filter has said ``delivernow``."""
    carries_out = False
    """Asked even when the message is held."""

    async def connect(self, session: Session) -> Verdict | None:
        """A peer has connected; nothing was said yet."""
        return None

    async def helo(self, session: Session) -> Verdict | None:
        """The peer has greeted: ``session.helo`` is its word. Asked for each greeting, also after STARTTLS."""
        return None

    def delay(self, session: Session) -> float:
        """Seconds by which every further reply to this stranger is held back. Cheap: asked before each reply to one."""
        return 0.0

    async def mail_from(self, transaction: Transaction) -> Verdict | None:
        """``transaction.sender`` is known."""
        return None

    async def rcpt_to(self, transaction: Transaction, recipient: Recipient) -> Verdict | None:
        """One recipient is proposed; it joins ``transaction.recipients`` if no stage objects."""
        return None

    async def message(self, transaction: Transaction) -> Sequence[Verdict]:
        """The whole message is there; the reply to DATA depends on the verdicts."""
        return ()
