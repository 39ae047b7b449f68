"""What every backend of sender lists asks before it keeps more entries (interfaces/senders.py)."""

from __future__ import annotations

from posthouse.base.errors import Permanent
from posthouse.model.senders import MAX_ENTRIES, MAX_WILDCARDS


def check_room(entries: int, wildcards: int) -> None:
    """Whether one owner may have so many. Raises Permanent."""
    if entries > MAX_ENTRIES:
        raise Permanent(f"a list has at most {MAX_ENTRIES} entries", code=552, enhanced="5.2.2", imap_code="OVERQUOTA")
    if wildcards > MAX_WILDCARDS:
        text = f"a list has at most {MAX_WILDCARDS} entries with wildcards"
        raise Permanent(text, code=552, enhanced="5.2.2", imap_code="OVERQUOTA")
