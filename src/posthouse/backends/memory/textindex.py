"""The full-text index in memory, for tests: looks every text through, for the contents that it was told to index."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from posthouse.base.errors import NotFound
from posthouse.formats.text import documents, near
from posthouse.formats.text.limits import DEFAULT, TextLimits
from posthouse.formats.text.message import SEPARATOR, message_text
from posthouse.interfaces.mailstore import MailReader
from posthouse.interfaces.textindex import IndexStatus, Term


class MemoryTextIndex:
    """See ``interfaces.textindex``. ``catch_up`` indexes a mailbox. ``shown`` gives the texts that an ENVELOPE shows."""

    def __init__(self, store: MailReader, shown: Callable[[bytes], Sequence[str]], limits: TextLimits = DEFAULT) -> None:
        self._store = store
        self._shown = shown
        self._limits = limits
        self._texts: dict[int, tuple[str, str]] = {}
        self._attached: dict[int, str] = {}
        self._unread: set[int] = set()

    async def catch_up(self, mailbox_id: int) -> None:
        """Indexes all contents of a mailbox, their documents too."""
        _, rows = await self._store.rows(mailbox_id)
        for one in await self._store.facts(mailbox_id, [row.uid for row in rows]):
            content = await self._store.content(one.body_id)
            text = message_text(content, self._limits)
            attached = SEPARATOR.join([*text.names, *self._documents(content, text.attached)]).casefold()
            head = SEPARATOR.join([text.head, *self._shown(one.envelope)]).casefold()
            self._texts[one.body_id] = head, f"{text.body.casefold()}{SEPARATOR}{attached}"
            if attached:
                self._attached[one.body_id] = attached
            if not text.whole:
                self._unread.add(one.body_id)

    def _documents(self, content: bytes, attached: Sequence[documents.Attached]) -> list[str]:
        found = []
        for one in attached:
            octets = documents.octets(content, one.part, self._limits)
            try:
                found.append(documents.document_text(one.kind, octets or b"", self._limits))
            except documents.Unreadable:
                continue
        return found

    async def may_match(self, mailbox_id: int, term: Term) -> frozenset[int] | None:
        wanted = term.text.casefold()
        if SEPARATOR in wanted or "\0" in wanted or len(wanted) < (3 if wanted.isascii() else 1):
            return None
        try:
            _, rows = await self._store.rows(mailbox_id)
            facts = await self._store.facts(mailbox_id, [row.uid for row in rows])
        except NotFound:
            return frozenset()
        return frozenset(one.uid for one in facts if self._may_match(one.body_id, term, wanted))

    def _may_match(self, body_id: int, term: Term, wanted: str) -> bool:
        if body_id in self._unread or body_id not in self._texts:
            return True
        head, body = self._texts[body_id]
        text = {"head": head, "body": body, "text": f"{head}{SEPARATOR}{body}"}[term.where]
        return wanted in text or (term.fuzzy and near.score(text, term.text) > 0)

    async def with_documents(self, body_ids: Sequence[int]) -> frozenset[int]:
        return frozenset(self._attached).intersection(body_ids)

    async def document_text(self, body_id: int) -> str:
        return self._attached.get(body_id, "")

    async def status(self) -> IndexStatus:
        return IndexStatus(len(self._texts), 0, len(self._unread), len(self._attached), 0, 0)
