"""Message octets that clients are sending in by APPEND, of all sessions of a process: bounded, and shared fairly.

One account has at most half of the room, however many connections it opens, so that nobody keeps all others from saving mail.
Past the bound a message is refused for the moment, and what had come of it is let go of.
"""

from __future__ import annotations

from collections.abc import Callable


class Incoming:
    """``budget_bytes()`` is the setting's value."""

    def __init__(self, budget_bytes: Callable[[], int]) -> None:
        self._budget_bytes = budget_bytes
        self._of_account: dict[int, int] = {}
        self.held_bytes = 0

    def change(self, account_id: int, octets: int) -> None:
        """So many more are held for the account, or fewer."""
        self.held_bytes += octets
        held = self._of_account.get(account_id, 0) + octets
        if held > 0:
            self._of_account[account_id] = held
        else:
            self._of_account.pop(account_id, None)

    def room_bytes(self, account_id: int) -> int:
        """How many more may come; negative when there are too many."""
        budget = self._budget_bytes()
        return min(budget - self.held_bytes, budget // 2 - self._of_account.get(account_id, 0))
