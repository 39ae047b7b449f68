"""Which recipients are in memory, in the lines or under way, and whether another message may join them (OUT-6).

Bounded, and no sender may fill it alone: past the usual size only those join who have little in it, or whose mail is urgent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from posthouse.model.queued import QueuedMessage, QueuedRecipient

USUAL = 8_000
MOST = USUAL + USUAL // 2
SHARE = USUAL // 20


class Window:
    """One recipient is in it at most once."""

    def __init__(self) -> None:
        self._senders: dict[int, tuple[str, int]] = {}
        self._counts: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._senders)

    def __contains__(self, recipient_id: int) -> bool:
        return recipient_id in self._senders

    @property
    def is_full(self) -> bool:
        """Whether it is as large as it should be."""
        return len(self) >= USUAL

    @property
    def is_crammed(self) -> bool:
        """Whether nobody else may join."""
        return len(self) >= MOST

    @property
    def is_half_empty(self) -> bool:
        """Whether it is time to look for more."""
        return len(self) <= USUAL // 2

    def is_behind(self, recipient: QueuedRecipient) -> bool:
        """Whether a recipient that is in it was attempted meanwhile, as the spool has it: its attempt is about to end, and
        nobody else will say that it is due again."""
        return self._senders[recipient.recipient_id][1] != recipient.attempts

    def takes(self, message: QueuedMessage) -> bool:
        """Whether this message may join."""
        if not self.is_full:
            return True
        return not self.is_crammed and (message.sender.priority > 0 or self._counts[message.who] < SHARE)

    def add(self, message: QueuedMessage) -> None:
        """The recipients of ``message`` join."""
        sender = message.who
        for recipient in message.recipients:
            self._senders[recipient.recipient_id] = (sender, recipient.attempts)
        self._counts[sender] += len(message.recipients)

    def remove(self, recipient_ids: Sequence[int]) -> None:
        """They are not in it any more."""
        for recipient_id in recipient_ids:
            found = self._senders.pop(recipient_id, None)
            if found is not None:
                sender = found[0]
                self._counts[sender] -= 1
                if not self._counts[sender]:
                    del self._counts[sender]
