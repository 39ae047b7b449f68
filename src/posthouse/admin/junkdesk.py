"""What operations about spam work with, all together: one field of the context."""

from __future__ import annotations

from dataclasses import dataclass

from posthouse.interfaces.junk import JunkBook, JunkBookWriter
from posthouse.interfaces.senders import SenderLists, SenderListsWriter


@dataclass(frozen=True, slots=True)
class JunkDesk:
    """Lists of senders (CON-12), and what was said about spam (CON-11, CON-13)."""

    senders: SenderLists
    senders_writer: SenderListsWriter
    book: JunkBook
    book_writer: JunkBookWriter
