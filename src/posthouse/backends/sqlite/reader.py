"""Reading ``mail.db`` over one read-only connection: plain functions, each one transaction that ends before it returns.

The callers are ``mailstore.py`` and ``spool.py``, which decide on which thread it runs. A transaction is begun only where two
statements must see the same moment; a single statement is consistent by itself. Raises NotFound, Temporary.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw

from posthouse.backends.sqlite import ready_made
from posthouse.backends.sqlite.coding import HEAD_SLACK_BYTES, Damaged, Decoder
from posthouse.backends.sqlite.database import mail_error
from posthouse.backends.sqlite.flag_blocks import UID_BITS, all_rows, changed, unpacked
from posthouse.backends.sqlite.mail_schema import open_mail_reader
from posthouse.backends.sqlite.parcels import IN_FILE_BYTES
from posthouse.backends.sqlite.uid_sets import Chosen, to_ranges
from posthouse.base import log
from posthouse.base.errors import NotFound
from posthouse.interfaces.mailstore import HEAD_BYTES
from posthouse.model.mailbox import Changes, MailboxInfo, MessageFacts, MessageSize, email_id
from posthouse.model.message_rows import MessageRows

_INFO = (
    "SELECT mailbox_id, account_id, name, uid_validity, uid_next, mod_seq, message_count, unseen, deleted, size_bytes,"
    " keywords, special_use, EXISTS (SELECT 1 FROM subscription AS s WHERE s.account_id = m.account_id AND s.name = m.name),"
    " object_id, selectable FROM mailbox AS m "
)
_FACTS = (
    "SELECT uid, m.body_id, m.size_bytes, received_at, saved_at, envelope, body, bodystructure, digest"
    " FROM message AS m JOIN body AS b ON b.body_id = m.body_id WHERE m.mailbox_id = ? AND {} ORDER BY uid"
)


ALL_CHANGES = 1 << 40
CONTENT_BYTES = IN_FILE_BYTES  # no content in the database is larger
# One statement, so that all is of one moment: the mailbox, its changed blocks, what is gone.
_CHANGES = (
    "SELECT 0, mod_seq, uid_next, keywords, vanished_floor > ?2 FROM mailbox WHERE mailbox_id = ?1 AND selectable"
    " UNION ALL SELECT * FROM (SELECT 1, block_id, uids, flags, mod_seqs FROM flag_block"
    " WHERE mailbox_id = ?1 AND mod_seq > ?2 LIMIT ?3)"
    " UNION ALL SELECT * FROM (SELECT 2, uid, 0, 0, 0 FROM vanished WHERE mailbox_id = ?1 AND mod_seq > ?2 LIMIT ?4)"
)
_WHOLE_BYTES = 32_768  # up to here a content is read whole and cut, beyond it is opened to read its beginning alone
_HEADS = (
    "SELECT uid, iif(m.size_bytes > ?, NULL, iif(coding, octets, substr(octets, 1, ?))), in_file, m.body_id, coding"
    " FROM message AS m JOIN body AS b ON b.body_id = m.body_id LEFT JOIN content AS c ON c.body_id = m.body_id"
    " WHERE m.mailbox_id = ? AND {} ORDER BY uid"
)


class MailReading:
    """One connection, opened at the first read; for one thread at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: apsw.Connection | None = None
        self._decoder = Decoder(self.dictionary)
        self._log = log.get("store")

    def open(self) -> apsw.Connection:
        """The connection. Raises Temporary while the writer has not made the file yet."""
        if self._connection is None:
            self._connection = open_mail_reader(self._path)
        return self._connection

    def close(self) -> None:
        """Closes the connection; a later read opens it again."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def all(self, sql: str, bindings: tuple[Any, ...]) -> list[Any]:
        """All rows of one statement."""
        try:
            return self.open().execute(sql, bindings).fetchall()
        except apsw.Error as error:
            raise mail_error(error) from error

    @contextmanager
    def moment(self) -> Iterator[None]:
        """One transaction: all statements inside see the same state."""
        self.all("BEGIN", ())
        try:
            yield
        finally:
            self.all("COMMIT", ())

    # --- mailboxes

    def mailboxes(self, account_id: int) -> list[MailboxInfo]:
        """INBOX first, then by name."""
        rows = self.all(_INFO + "WHERE account_id = ? ORDER BY name <> 'INBOX', name", (account_id,))
        return [_info(row) for row in rows]

    def mailbox(self, account_id: int, name: str) -> MailboxInfo | None:
        """``name`` in normal form."""
        rows = self.all(_INFO + "WHERE account_id = ? AND name = ?", (account_id, name))
        return _info(rows[0]) if rows else None

    def mailbox_by_id(self, mailbox_id: int) -> MailboxInfo | None:
        """None once it is deleted."""
        rows = self.all(_INFO + "WHERE mailbox_id = ?", (mailbox_id,))
        return _info(rows[0]) if rows else None

    def mailboxes_by_ids(self, mailbox_ids: Sequence[int]) -> list[MailboxInfo]:
        """By owner, INBOX first, then by name."""
        order = "WHERE mailbox_id IN (SELECT value FROM json_each(?)) ORDER BY account_id, name <> 'INBOX', name"
        return [_info(row) for row in self.all(_INFO + order, (json.dumps(mailbox_ids),))]

    def owner(self, mailbox_id: int) -> int:
        """The account_id; 0 once the mailbox is deleted."""
        rows = self.all("SELECT account_id FROM mailbox WHERE mailbox_id = ?", (mailbox_id,))
        return int(rows[0][0]) if rows else 0

    def has_mailboxes(self, account_id: int) -> bool:
        """Whether the account has any."""
        return bool(self.all("SELECT 1 FROM mailbox WHERE account_id = ? LIMIT 1", (account_id,)))

    def subscriptions(self, account_id: int) -> list[str]:
        """INBOX first, then sorted."""
        sql = "SELECT name FROM subscription WHERE account_id = ? ORDER BY name <> 'INBOX', name"
        return [name for (name,) in self.all(sql, (account_id,))]

    # --- messages

    def rows(self, mailbox_id: int) -> tuple[MailboxInfo, MessageRows]:
        """The whole mailbox at one moment."""
        with self.moment():
            info = self.selectable(mailbox_id)
            return info, all_rows(self.all, mailbox_id)

    def changes(self, mailbox_id: int, since_mod_seq: int, limit: int) -> Changes | None:
        """What happened since; None when there is much to look at (ask again in a thread, with ``ALL_CHANGES``)."""
        bindings = (mailbox_id, since_mod_seq, (limit >> UID_BITS) + 1, limit + 1)
        kinds: tuple[list[Any], list[Any], list[Any]] = ([], [], [])
        for row in self.all(_CHANGES, bindings):
            kinds[row[0]].append(row)
        facts, blocks, gone = kinds
        if not facts:
            raise NotFound("There is no such mailbox")
        if len(gone) > limit or len(blocks) << UID_BITS > limit:
            return None
        _, mod_seq, uid_next, words, forgotten = facts[0]
        blocks.sort()
        rows = changed(unpacked([row[2:] for row in blocks]), since_mod_seq)
        vanished = sorted(row[1] for row in gone)
        if forgotten and mod_seq > since_mod_seq:
            vanished = self._all_vanished(mailbox_id, limit)
            if len(vanished) > limit:
                return None
        return Changes(mod_seq, uid_next, rows, tuple(vanished), tuple(words.split()))

    def _all_vanished(self, mailbox_id: int, limit: int) -> list[int]:
        with self.moment():
            return self.vanished(self.selectable(mailbox_id), 0, limit)

    def vanished(self, info: MailboxInfo, since_mod_seq: int, limit: int = ALL_CHANGES) -> list[int]:
        """The UIDs that went since, in order; some more than ``limit`` when there are. Inside ``moment``.

        When what went so long ago is forgotten, these are all UIDs that are not there (RFC 7162 §3.2.5 allows for it)."""
        sql = (
            "SELECT uid FROM (SELECT uid FROM vanished WHERE mailbox_id = ?1 AND mod_seq > ?2 LIMIT ?3)"
            " UNION ALL SELECT 0 FROM mailbox WHERE mailbox_id = ?1 AND vanished_floor > ?2"
        )
        found = sorted(uid for (uid,) in self.all(sql, (info.mailbox_id, since_mod_seq, limit + 1)))
        if not found or found[0]:
            return found
        if info.uid_next > limit:
            return list(range(1, limit + 2))
        there = {uid for (uid,) in self.all("SELECT uid FROM message WHERE mailbox_id = ?", (info.mailbox_id,))}
        return [uid for uid in range(1, info.uid_next) if uid not in there]

    def facts(self, mailbox_id: int, uids: Sequence[int]) -> list[MessageFacts]:
        """Of the messages that exist."""
        if not uids:
            return []
        chosen = Chosen.of(to_ranges(uids))
        found = self.all(_FACTS.format(chosen.condition), (mailbox_id, *chosen.bindings))
        return [
            MessageFacts(uid, body_id, size, received, saved, envelope, body, structure, email_id(digest))
            for uid, body_id, size, received, saved, envelope, body, structure, digest in found
        ]

    def sizes(self, mailbox_id: int) -> list[MessageSize]:
        """Of the whole mailbox at one moment."""
        with self.moment():
            self.selectable(mailbox_id)
            found = self.all("SELECT uid, body_id, size_bytes FROM message WHERE mailbox_id = ? ORDER BY uid", (mailbox_id,))
        return [MessageSize(*row) for row in found]

    def heads(self, mailbox_id: int, uids: Sequence[int]) -> list[tuple[int, bytes | None, int]]:
        """(UID, octets or None when they stand in a file, body_id) of the messages that exist.

        The beginning of a large content is read without the rest of it."""
        chosen = Chosen.of(to_ranges(uids))
        found = self.all(_HEADS.format(chosen.condition), (_WHOLE_BYTES, HEAD_BYTES, mailbox_id, *chosen.bindings))
        return [
            (uid, None if in_file else self._head(body_id, coding, octets), body_id)
            for uid, octets, in_file, body_id, coding in found
        ]

    def _head(self, body_id: int, coding: int | None, octets: bytes | None) -> bytes:
        if coding is None:
            raise self._told(body_id, Damaged("the content is missing"))
        try:
            if octets is not None:
                return self._decoder.decode(coding, octets, CONTENT_BYTES)[:HEAD_BYTES]
            with self.open().blob_open("main", "content", "octets", body_id, False) as blob:
                beginning: bytes = blob.read(HEAD_BYTES + HEAD_SLACK_BYTES)
            return self._decoder.head(coding, beginning)
        except Damaged as error:
            raise self._told(body_id, error) from error
        except apsw.Error as error:
            raise mail_error(error) from error

    def contents(self, mailbox_id: int, uids: Sequence[int]) -> list[tuple[int, int, bytes | None]]:
        """(UID, body_id, octets or None when they stand in a file) of the messages that exist."""
        found = ready_made.contents(self.all, mailbox_id, uids)
        return [
            (uid, body_id, None if octets is None or coding is None else self._decoded(body_id, coding, octets))
            for uid, body_id, coding, octets in found
        ]

    def url_key(self, account_id: int, mailbox_id: int) -> bytes | None:
        """The secret, if there is one."""
        found = self.all("SELECT secret FROM url_key WHERE account_id = ? AND mailbox_id = ?", (account_id, mailbox_id))
        return found[0][0] if found else None

    def content(self, body_id: int) -> bytes | None:
        """The octets, or None when they stand in a file."""
        found = self.all("SELECT coding, octets FROM content WHERE body_id = ?", (body_id,))
        if found:
            return self._decoded(body_id, *found[0])
        if not self.all("SELECT 1 FROM body WHERE body_id = ? AND in_file", (body_id,)):
            raise NotFound("The message is gone")
        return None

    def _decoded(self, body_id: int, coding: int, octets: bytes) -> bytes:
        try:
            return self._decoder.decode(coding, octets, CONTENT_BYTES)
        except Damaged as error:
            raise self._told(body_id, error) from error

    def keeps(self, digest: bytes) -> bool:
        """Whether there is a content of this digest. It may be gone a moment later."""
        return bool(self.all("SELECT 1 FROM body WHERE digest = ?", (digest,)))

    def dictionary(self, dictionary_id: int) -> bytes:
        """A dictionary's octets; b"" if there is none of that number."""
        found = self.all("SELECT octets FROM dictionary WHERE dictionary_id = ?", (dictionary_id,))
        return bytes(found[0][0]) if found else b""

    def newest_dictionary(self, newer_than: int) -> tuple[int, bytes] | None:
        """The newest dictionary with its number; None if none is newer."""
        sql = "SELECT dictionary_id, octets FROM dictionary WHERE dictionary_id > ? ORDER BY dictionary_id DESC LIMIT 1"
        found = self.all(sql, (newer_than,))
        return found[0] if found else None

    def _told(self, body_id: int, error: Damaged) -> Damaged:
        self._log.error("content-damaged", body_id=body_id, cause=error.cause)
        return error

    def file_digest(self, body_id: int) -> bytes:
        """The digest that names the file of a large content."""
        found = self.all("SELECT digest FROM body WHERE body_id = ?", (body_id,))
        if not found:
            raise NotFound("The message is gone")
        digest: bytes = found[0][0]
        return digest

    def selectable(self, mailbox_id: int) -> MailboxInfo:
        """A mailbox that has messages. Raises NotFound."""
        info = self.mailbox_by_id(mailbox_id)
        if info is None or not info.selectable:
            raise NotFound("There is no such mailbox")
        return info


def _info(row: tuple[Any, ...]) -> MailboxInfo:
    return MailboxInfo(
        mailbox_id=row[0],
        account_id=row[1],
        name=row[2],
        uid_validity=row[3],
        uid_next=row[4],
        mod_seq=row[5],
        exists=row[6],
        unseen=row[7],
        deleted=row[8],
        size_bytes=row[9],
        keywords=tuple(row[10].split()),
        special_use=row[11],
        subscribed=bool(row[12]),
        object_id=row[13],
        selectable=bool(row[14]),
    )
