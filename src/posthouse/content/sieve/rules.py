"""Which actions do not go together (RFC 5429 §2.4, RFC 5230 §4.7)."""

from __future__ import annotations

from posthouse.content.sieve.actions import FileInto, Keep, Redirect, Reject, Vacation
from posthouse.content.sieve.errors import RunError
from posthouse.content.sieve.state import State

_DELIVERING = (Keep, FileInto, Redirect, Vacation)


def forbid_beside_reject(state: State, name: str, line: int) -> None:
    """Raises RunError if the message was refused before."""
    if any(isinstance(action, Reject) for action in state.actions):
        raise RunError(f"{name} does not go with reject", line)


def forbid_reject(state: State, line: int) -> None:
    """Raises RunError if the message was delivered, answered or refused before."""
    if any(isinstance(action, (*_DELIVERING, Reject)) for action in state.actions):
        raise RunError("reject does not go with other actions", line)
