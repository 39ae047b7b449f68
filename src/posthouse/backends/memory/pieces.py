"""Pieces of messages, and the secrets of URLs, of the store in memory; ``mailstore.py`` has mailboxes and changes."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Sequence
from typing import Any

from posthouse.backends.memory.boxes import Body, Box, facts_of
from posthouse.base.errors import NotFound
from posthouse.interfaces.mailstore import HEAD_BYTES, FactName
from posthouse.model.listed_fields import LETTERS, LISTED, listed_header
from posthouse.model.mailbox import MessageFacts, MessageSize


class MemoryPieces:
    """See ``interfaces.mailstore``. The part of ``MemoryMailStore`` for it."""

    _bodies: dict[bytes, Body]
    _box: Callable[[int], Box]

    def __init__(self) -> None:
        self._url_keys: dict[tuple[int, int], bytes] = {}

    async def facts(self, mailbox_id: int, uids: Sequence[int]) -> Sequence[MessageFacts]:
        box = self._box(mailbox_id)
        return [facts_of(uid, box.messages[uid]) for uid in box.chosen(uids)]

    async def content(self, body_id: int) -> bytes:
        for body in self._bodies.values():
            if body.body_id == body_id:
                return body.content
        raise NotFound("The message is gone")

    async def sizes(self, mailbox_id: int) -> Sequence[MessageSize]:
        messages = self._box(mailbox_id).messages
        return [MessageSize(uid, one.body.body_id, one.body.summary.size_bytes) for uid, one in messages.items()]

    async def heads(self, mailbox_id: int, uids: Sequence[int]) -> Sequence[tuple[int, bytes]]:
        box = self._box(mailbox_id)
        return [(uid, box.messages[uid].body.content[:HEAD_BYTES]) for uid in box.chosen(uids)]

    async def some_facts(self, mailbox_id: int, uids: Sequence[int], names: Sequence[FactName]) -> Sequence[tuple[Any, ...]]:
        box = self._box(mailbox_id)
        found: list[tuple[Any, ...]] = []
        for uid in box.chosen(uids):
            message = box.messages[uid]
            facts = facts_of(uid, message)
            found.append(
                (uid, *[message.body.summary.preview if name == "preview" else getattr(facts, name) for name in names])
            )
        return found

    async def listed_fields(
        self, mailbox_id: int, uids: Sequence[int], names: Collection[str]
    ) -> Sequence[tuple[int, bytes | None]]:
        box = self._box(mailbox_id)
        letters = {LETTERS[LISTED.index(name)] for name in names}
        found: list[tuple[int, bytes | None]] = []
        for uid in box.chosen(uids):
            body = box.messages[uid].body
            header = listed_header(body.content, body.summary)
            pieces = [field for letter, field in zip(*header, strict=True) if letter in letters] if header else []
            found.append((uid, b"".join([*pieces, b"\r\n"]) if header else None))
        return found

    async def contents(self, mailbox_id: int, uids: Sequence[int]) -> Sequence[tuple[int, int, bytes | None]]:
        box = self._box(mailbox_id)
        return [(uid, box.messages[uid].body.body_id, box.messages[uid].body.content) for uid in box.chosen(uids)]

    async def url_key(self, account_id: int, mailbox_id: int) -> bytes | None:
        return self._url_keys.get((account_id, mailbox_id))

    async def make_url_key(self, account_id: int, mailbox_id: int) -> bytes:
        self._box(mailbox_id)
        return self._url_keys.setdefault((account_id, mailbox_id), secrets.token_bytes(32))

    async def drop_url_keys(self, account_id: int, mailbox_id: int | None = None) -> None:
        for key in [key for key in self._url_keys if key[0] == account_id and mailbox_id in (None, key[1])]:
            del self._url_keys[key]

    def _forget_url_keys(self, mailbox_id: int) -> None:
        """The mailbox is deleted."""
        self._url_keys = {key: secret for key, secret in self._url_keys.items() if key[1] != mailbox_id}
