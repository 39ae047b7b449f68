"""The reject list and the block lists of a process."""

from __future__ import annotations

from contextlib import AsyncExitStack, closing
from dataclasses import dataclass

from posthouse.admin.listdesk import ListDesk
from posthouse.backends.dns_lists import DnsBlockLists
from posthouse.backends.sqlite.blocklists import SqliteBlockListZones, SqliteBlockListZonesWriter
from posthouse.backends.sqlite.database import DatabaseThread
from posthouse.backends.sqlite.reject_list import SqliteRejectList, SqliteRejectListWriter
from posthouse.base.clock import SystemClock
from posthouse.interfaces.blocklists import BlockLists, BlockListZones
from posthouse.interfaces.reject_list import RejectList
from posthouse.interfaces.resolver import Resolver
from posthouse.roles.data_files import Files
from posthouse.roles.live import Live


@dataclass(frozen=True, slots=True)
class Lists:
    """What is asked about strangers."""

    rejected: RejectList
    zones: BlockListZones
    block_lists: BlockLists


def open_lists(files: Files, live: Live, resolver: Resolver, stack: AsyncExitStack) -> Lists:
    zones = stack.enter_context(closing(SqliteBlockListZones(files.directory)))
    return Lists(
        rejected=stack.enter_context(closing(SqliteRejectList(files.directory))),
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
