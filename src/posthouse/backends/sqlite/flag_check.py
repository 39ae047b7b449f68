"""Do a mailbox's counters, its messages and its blocks of flags agree? For ``store check`` and ``store repair``.

Reads only, by whatever ``read`` gives the rows of a statement; the caller sees to it that all is of one moment.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from posthouse.backends.sqlite.flag_blocks import BLOCK_BITS, LAST_UID, UID_BITS, Read, block_of, counted, unpacked

MAX_NAMED = 20
_BLOCKS = "SELECT block_id, mailbox_id, mod_seq, uids, flags, mod_seqs FROM flag_block WHERE block_id BETWEEN ? AND ?"
_MAILBOXES = "SELECT mailbox_id, message_count, unseen, deleted, size_bytes, uid_next, mod_seq FROM mailbox"
_THERE = "SELECT mailbox_id FROM mailbox UNION ALL SELECT mailbox_id FROM doomed_mailbox"
STRAY_BLOCKS = f"FROM flag_block WHERE block_id >> {BLOCK_BITS} NOT IN ({_THERE})"


@dataclass(slots=True)
class Counted:
    """What a mailbox has: of its messages, and of its blocks. ``states`` are (flags, mod-sequence) by UID, as far as blocks can
    be read; ``damaged`` are blocks that cannot."""

    uids: list[int]
    size_bytes: int
    states: dict[int, tuple[int, int]] = field(default_factory=dict)
    damaged: list[int] = field(default_factory=list)

    @property
    def without_flags(self) -> list[int]:
        """Messages of which no block knows."""
        return [uid for uid in self.uids if uid not in self.states]

    @property
    def without_message(self) -> list[int]:
        """UIDs in blocks that no message has."""
        return sorted(self.states.keys() - set(self.uids))

    @property
    def counters(self) -> tuple[int, int, int, int]:
        """Messages, unseen, deleted, octets."""
        return len(self.uids), *counted([self.states.get(uid, (0, 0))[0] for uid in self.uids]), self.size_bytes


def count(read: Read, mailbox_id: int) -> Counted:
    """Looks at one mailbox."""
    rows = read("SELECT uid, size_bytes FROM message WHERE mailbox_id = ? ORDER BY uid", (mailbox_id,))
    found = Counted([row[0] for row in rows], sum(row[1] for row in rows))
    for block_id, owner, highest, *columns in read(_BLOCKS, (block_of(mailbox_id, 0), block_of(mailbox_id, LAST_UID))):
        uids, flags, mod_seqs = columns
        if not _has_form(uids, flags, mod_seqs):
            found.damaged.append(block_id)
            continue
        block = unpacked([(uids, flags, mod_seqs)])
        if owner != mailbox_id or highest != max(block.mod_seqs) or not _in_place(block_id, block.uids):
            found.damaged.append(block_id)
        found.states.update((uid, (bits, mod_seq)) for uid, bits, mod_seq in block)
    return found


def problems(read: Read) -> Iterator[tuple[int, str]]:
    """(mailbox_id, what is wrong) for all mailboxes."""
    for mailbox_id, messages, unseen, deleted, size_bytes, uid_next, mod_seq in read(_MAILBOXES, ()):
        found = count(read, mailbox_id)
        told, real = (messages, unseen, deleted, size_bytes), found.counters
        if told != real:
            first, rest = "{} messages, {} unseen, {} deleted, {} octets".format(*told), ", ".join(map(str, real))
            yield mailbox_id, f"mailbox {mailbox_id}: counts {first}; has {rest}"
        late = [uid for uid in found.uids if uid >= uid_next or found.states.get(uid, (0, 0))[1] > mod_seq]
        for text, named in (
            ("message {} has a UID or mod-sequence past the mailbox's own", late),
            ("the flags of message {} are missing", found.without_flags),
            ("flags of message {}, which is not there", found.without_message),
            ("the block {} of flags is damaged", found.damaged),
        ):
            for number in named[:MAX_NAMED]:
                yield mailbox_id, f"mailbox {mailbox_id}: " + text.format(number)


def _has_form(uids: bytes, flags: bytes, mod_seqs: bytes) -> bool:
    messages, rest = divmod(len(uids), 4)
    return (
        bool(messages) and not rest and len(flags) in (messages, 8 * messages) and len(mod_seqs) in (4 * messages, 8 * messages)
    )


def _in_place(block_id: int, uids: Sequence[int] | array[int]) -> bool:
    """Whether the UIDs ascend, and belong into this block."""
    first = (block_id << UID_BITS) & LAST_UID
    return all(a < b for a, b in pairwise(uids)) and first <= uids[0] and uids[-1] < first + (1 << UID_BITS)
