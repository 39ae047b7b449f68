"""Units of work on quarantines: release, delete, postpone, expire (QTN-1). Messages enter them by ``units_accept``.

A release takes the message out and accepts what becomes of it in one unit, so that it is delivered exactly once whatever
happens in between. Every unit that takes one out loosens its body.
"""

from __future__ import annotations

from typing import Any

from posthouse.backends.sqlite.units_accept import accept
from posthouse.backends.sqlite.work import Work


def release(work: Work, arguments: list[Any]) -> bool:
    """``[held_id, [arguments of accept, ...]]``; False if it is not there any more, and then nothing is accepted."""
    held_id, acceptances = arguments
    if not _take(work, held_id):
        return False
    for each in acceptances:
        accept(work, each)
    return True


def delete(work: Work, arguments: list[Any]) -> int:
    """``[held_id, ...]``; gives how many there were."""
    return sum(_take(work, held_id) for held_id in arguments)


def postpone(work: Work, arguments: list[Any]) -> None:
    """``[held_id, release_at]``."""
    held_id, release_at = arguments
    work.execute("UPDATE held SET release_at = ? WHERE held_id = ?", (release_at, held_id))


def repair_held(work: Work, arguments: list[Any]) -> list[str]:
    """``[held_id, ...]``: sizes are taken from the bodies; what has lost its content goes."""
    lines = []
    for held_id in arguments:
        row = work.one("SELECT b.size_bytes FROM held LEFT JOIN body AS b USING (body_id) WHERE held_id = ?", (held_id,))
        if row is not None and row[0] is None:
            _take(work, held_id)
            lines.append(f"quarantine: message {held_id} taken out: its content is lost")
        elif row is not None:
            work.execute("UPDATE held SET size_bytes = ? WHERE held_id = ?", (row[0], held_id))
            lines.append(f"quarantine: message {held_id}: its size put right")
    return lines


def _take(work: Work, held_id: int) -> bool:
    row = work.one("DELETE FROM held WHERE held_id = ? RETURNING body_id", (held_id,))
    if row is None:
        return False
    work.loosen([row[0]])
    return True
