"""What operations about the reject list and block lists work with, all together: one field of the context."""

from __future__ import annotations

from dataclasses import dataclass

from posthouse.interfaces.blocklists import BlockLists, BlockListZones, BlockListZonesWriter
from posthouse.interfaces.reject_list import RejectList, RejectListWriter


@dataclass(frozen=True, slots=True)
class ListDesk:
    """The site's own list (NET-3), and the lists of others that are asked over DNS (NET-5)."""

    rejected: RejectList
    rejected_writer: RejectListWriter
    zones: BlockListZones
    zones_writer: BlockListZonesWriter
    block_lists: BlockLists
