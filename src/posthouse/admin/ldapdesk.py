"""What operations about outside directories work with: one field of the context."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the command line loads operations for their syntax: it must be quick
    from posthouse.admin.context import Context
    from posthouse.directory.outside import Outside
    from posthouse.interfaces.outside_directory import LdapServers, LdapServersWriter, TriesServers


@dataclass(frozen=True, slots=True)
class LdapDesk:
    """Which servers there are, trying one, and asking all."""

    servers: LdapServers
    writer: LdapServersWriter
    tries: TriesServers
    outside: Outside


def outside_of(context: Context) -> Outside | None:
    """The outside directories, for whoever resolves recipients."""
    return context.ldap.outside if context.ldap is not None else None
