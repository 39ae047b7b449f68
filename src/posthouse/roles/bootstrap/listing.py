"""The reject list and the block lists of a process."""

from __future__ import annotations

from dataclasses import dataclass

from posthouse.admin.listdesk import ListDesk
from posthouse.backends.dns_lists import DnsBlockLists
from posthouse.backends.sqlite.blocklists import SqliteBlockListZones, SqliteBlockListZonesWriter
from posthouse.backends.sqlite.database import DatabaseThread
from posthouse.backends.sqlite.reading import Reading
from posthouse.backends.sqlite.reject_list import SqliteRejectList, SqliteRejectListWriter
from posthouse.base.clock import SystemClock
from posthouse.interfaces.blocklists import BlockLists, BlockListZones
from posthouse.interfaces.reject_list import RejectList
from posthouse.interfaces.resolver import Resolver
from posthouse.roles.live import Live


@dataclass(frozen=True, slots=True)
class Lists:
    """What is asked about strangers."""

    rejected: RejectList
    zones: BlockListZones
    block_lists: BlockLists


def open_lists(directory: Reading, live: Live, resolver: Resolver) -> Lists:
    zones = SqliteBlockListZones(directory)
    return Lists(
        rejected=SqliteRejectList(directory),
        zones=zones,
        block_lists=DnsBlockLists(resolver, zones, live.settings, SystemClock()),
    )


def list_desk(lists: Lists, writer: DatabaseThread) -> ListDesk:
    """What operations change them with."""
    return ListDesk(
        rejected=lists.rejected,
        rejected_writer=SqliteRejectListWriter(writer),
        zones=lists.zones,
        zones_writer=SqliteBlockListZonesWriter(writer),
        block_lists=lists.block_lists,
    )
