"""The full-text index: which messages of a mailbox may hold a text (STO-9).

It never decides: its answer holds every message that has the text, and perhaps some that have not, so a search that looks at
those alone finds exactly what it would find without an index. Contents are indexed in the background, once each however
many mailboxes hold them; what has not been indexed yet is always among the answers. Losing the index costs time, never mail.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

Where = Literal["head", "body", "text"]


@dataclass(frozen=True, slots=True)
class Term:
    """A wanted text: in the header (also as ENVELOPE shows it), in the body with its documents, or in either.

    ``fuzzy``: also messages whose words come near (``mailstore.fuzzy`` says what is near).
    """

    where: Where
    text: str
    fuzzy: bool = False


@dataclass(frozen=True, slots=True)
class IndexStatus:
    """``indexed`` contents are in the index; at most ``waiting`` are not yet; ``unread`` never will be whole (too much text,
    or trouble reading it) and are looked at by every search. ``documents``: contents with attachments' names or text;
    ``documents_waiting``: contents whose documents are still to be read. ``size_bytes`` on disk."""

    indexed: int
    waiting: int
    unread: int
    documents: int
    documents_waiting: int
    size_bytes: int


class TextIndex(Protocol):
    """Reading. None of these raises: an index in trouble is an index that cannot say."""

    async def may_match(self, mailbox_id: int, term: Term) -> frozenset[int] | None:
        """UIDs of the mailbox's messages that may have the term; all its other messages certainly have not.

        None when it cannot say (a text too short, no index yet, more answers than are worth having): look at all.
        """
        ...

    async def with_documents(self, body_ids: Sequence[int]) -> frozenset[int]:
        """Those of the contents that have documents with a name or a text."""
        ...

    async def document_text(self, body_id: int) -> str:
        """File names and text of the documents in a content, case-folded; "" if there are none."""
        ...

    async def status(self) -> IndexStatus: ...
