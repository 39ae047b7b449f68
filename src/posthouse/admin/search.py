"""The full-text index (STO-9): how far it is, and making it anew."""

from __future__ import annotations

from dataclasses import dataclass

from posthouse.admin.context import Context
from posthouse.admin.operation import operation
from posthouse.base.errors import Permanent
from posthouse.interfaces.textindex import IndexStatus


@dataclass(frozen=True, slots=True)
class SearchState:
    """``complete`` when nothing waits; the numbers are those of ``IndexStatus``."""

    complete: bool
    indexed: int
    waiting: int
    unread: int
    documents: int
    documents_waiting: int
    size_bytes: int

    def told(self) -> str:
        """A few lines for people."""
        first = "the index is complete" if self.complete else f"at most {self.waiting} messages wait to be indexed"
        return "\n".join(
            (
                first,
                f"messages: {self.indexed} indexed, {self.unread} read by every search",
                f"attachments: of {self.documents} messages indexed, of {self.documents_waiting} waiting",
                f"size: {self.size_bytes / (1 << 20):.1f} MiB",
            )
        )


@operation("search status", role="reader", reads=True)
async def status(context: Context) -> SearchState:
    """Shows how far the full-text index is; what it has not come to yet, searches read themselves."""
    if context.text_index is None:
        raise Permanent("this node has no full-text index")
    found: IndexStatus = await context.text_index.status()
    return SearchState(
        complete=not found.waiting and not found.documents_waiting,
        indexed=found.indexed,
        waiting=found.waiting,
        unread=found.unread,
        documents=found.documents,
        documents_waiting=found.documents_waiting,
        size_bytes=found.size_bytes,
    )


@operation("search reindex", role="administrator")
async def reindex(context: Context) -> None:
    """Throws the full-text index away and makes it anew in the background, newest messages first."""
    if context.clear_index is None:
        raise Permanent("this node has no full-text index")
    context.clear_index()
