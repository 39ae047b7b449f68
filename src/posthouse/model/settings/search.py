"""Settings of the group ``search``: the full-text index (STO-9)."""

from __future__ import annotations

from dataclasses import dataclass

from posthouse.base.settings import setting


@dataclass(frozen=True, slots=True)
class SearchSettings:
    """The full-text index (STO-9)."""

    documents: bool = setting(True, "Read attached documents (PDF, Office, OpenDocument, RTF) for the index.")
    document_timeout_s: float = setting(10.0, "Longest time for one document.", unit="s", at_least=0.1, at_most=300)
    text_chars: int = setting(
        1 << 20, "Characters of one message that are indexed; a search reads longer ones.", at_least=1_000, at_most=16 << 20
    )
