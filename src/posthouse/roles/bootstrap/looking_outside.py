"""Outside directories, as a process asks them (RTE-2)."""

from __future__ import annotations

from contextlib import AsyncExitStack, closing
from dataclasses import replace

from posthouse.admin.context import Context
from posthouse.admin.ldapdesk import LdapDesk
from posthouse.backends.ldap.directory import LdapDirectory
from posthouse.backends.sqlite.ldap_servers import SqliteLdapServers, SqliteLdapServersWriter
from posthouse.backends.sqlite.reading import Reading
from posthouse.base.clock import SystemClock
from posthouse.directory.outside import Outside
from posthouse.roles.bootstrap.writers import Writers
from posthouse.roles.config import NodeConfig
from posthouse.roles.data_files import Files
from posthouse.roles.live import Live


def outside_directory(live: Live, looked_up: Reading, node_name: str, stack: AsyncExitStack) -> Outside:
    """No connection is made before something is asked."""
    return _outside(live, _asked(live, SqliteLdapServers(looked_up), stack), node_name)


def with_ldap(config: NodeConfig, context: Context, writers: Writers, live: Live, stack: AsyncExitStack) -> Context:
    """``context`` with what operations, and the steward's own mail, ask of outside directories."""
    servers = stack.enter_context(closing(SqliteLdapServers(Files.under(config.data).directory)))
    directory = _asked(live, servers, stack)
    writer = SqliteLdapServersWriter(writers.directory)
    return replace(context, ldap=LdapDesk(servers, writer, directory, _outside(live, directory, config.name)))


def _asked(live: Live, servers: SqliteLdapServers, stack: AsyncExitStack) -> LdapDirectory:
    directory = LdapDirectory(servers, lambda: live.settings().ldap, SystemClock())
    stack.callback(directory.close)
    return directory


def _outside(live: Live, directory: LdapDirectory, node_name: str) -> Outside:
    return Outside(directory, live.settings, lambda: {node_name.lower(), live.settings().smtp.hostname.lower()})
