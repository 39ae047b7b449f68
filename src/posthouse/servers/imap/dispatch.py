"""Every command's row: its handler, where it is valid, when changes of the mailbox are told around it.

Message numbers must not move under FETCH, STORE and SEARCH (RFC 9051 §7.5.1); under their UID forms they may.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from posthouse.protocols.imap import commands as c
from posthouse.protocols.imap.parse_acl import DeleteAcl, GetAcl, ListRights, MyRights, SetAcl
from posthouse.protocols.imap.parse_metadata import GetMetadata, SetMetadata
from posthouse.protocols.imap.parse_notify import Notify
from posthouse.protocols.imap.parse_quota import GetQuota, GetQuotaRoot, SetQuota
from posthouse.protocols.imap.parse_url import GenUrlAuth, ResetKey, UrlFetch
from posthouse.protocols.imap.sequence import STAR
from posthouse.protocols.imap.sort_commands import Sort, Thread
from posthouse.servers.imap import (
    acl,
    append,
    capabilities,
    contexts,
    expunge_copy,
    fetch,
    housekeeping,
    list_mailboxes,
    login,
    mailboxes,
    metadata,
    notify,
    quota,
    search,
    select,
    sort,
    status,
    store_flags,
    urlauth,
)
from posthouse.servers.imap.routes import Routes, State, route

if TYPE_CHECKING:
    from posthouse.servers.imap.session import ImapSession


def _by_known_numbers(session: ImapSession, command: c.Store) -> bool:
    """Whether a command means messages that the client knows, by numbers that it has been told."""
    numbers, selected = command.sequence, session.selected
    if command.uid or numbers.saved or session.uid_only or selected is None or selected.reader:
        return False
    return all(STAR not in pair and max(pair) <= selected.exists for pair in numbers.ranges)


def _by_uid(command: c.Fetch | c.Store | c.Search | Sort | Thread) -> bool:
    return command.uid


ROUTES: Routes = {
    c.Capability: route(capabilities.capability, State.ANY),
    c.Noop: route(housekeeping.noop, State.ANY),
    c.Id: route(housekeeping.identify, State.ANY),
    c.Logout: route(login.logout, State.ANY, after=False),
    c.StartTls: route(login.start_tls, State.NOT_AUTHENTICATED, finish=login.finish_start_tls),
    c.Login: route(login.login, State.NOT_AUTHENTICATED),
    c.Authenticate: route(login.authenticate, State.NOT_AUTHENTICATED),
    c.Unauthenticate: route(login.unauthenticate, State.AUTHENTICATED, after=False),
    c.Enable: route(housekeeping.enable, State.AUTHENTICATED),
    c.Select: route(select.select, State.AUTHENTICATED, after=False),
    c.Create: route(mailboxes.create, State.AUTHENTICATED),
    c.Delete: route(mailboxes.delete, State.AUTHENTICATED),
    c.Rename: route(mailboxes.rename, State.AUTHENTICATED),
    c.Subscribe: route(mailboxes.subscribe, State.AUTHENTICATED),
    c.Unsubscribe: route(mailboxes.unsubscribe, State.AUTHENTICATED),
    c.List: route(list_mailboxes.list_mailboxes, State.AUTHENTICATED),
    c.Lsub: route(list_mailboxes.lsub, State.AUTHENTICATED),
    c.Namespace: route(mailboxes.namespace, State.AUTHENTICATED),
    c.Status: route(status.status, State.AUTHENTICATED),
    c.Append: route(append.append, State.AUTHENTICATED),
    c.Idle: route(housekeeping.idle, State.AUTHENTICATED),
    c.Compress: route(housekeeping.compress, State.AUTHENTICATED, finish=housekeeping.finish_compress),
    c.Check: route(housekeeping.noop, State.SELECTED),
    c.Close: route(select.close, State.SELECTED, after=False),
    c.Unselect: route(select.unselect, State.SELECTED, after=False),
    c.Expunge: route(expunge_copy.expunge, State.SELECTED),
    c.Fetch: route(fetch.fetch, State.SELECTED, before=_by_uid),
    c.Store: route(store_flags.store, State.SELECTED, before=_by_uid, late=_by_known_numbers),
    c.CancelUpdate: route(contexts.cancel, State.SELECTED),
    c.Search: route(search.search, State.SELECTED, before=_by_uid),
    Sort: route(sort.sort, State.SELECTED, before=_by_uid),
    Thread: route(sort.thread, State.SELECTED, before=_by_uid),
    c.Replace: route(append.replace, State.SELECTED),
    GenUrlAuth: route(urlauth.gen_url_auth, State.AUTHENTICATED),
    UrlFetch: route(urlauth.url_fetch, State.AUTHENTICATED),
    ResetKey: route(urlauth.reset_key, State.AUTHENTICATED),
    GetAcl: route(acl.get_acl, State.AUTHENTICATED),
    SetAcl: route(acl.set_acl, State.AUTHENTICATED),
    DeleteAcl: route(acl.delete_acl, State.AUTHENTICATED),
    ListRights: route(acl.list_rights, State.AUTHENTICATED),
    MyRights: route(acl.my_rights, State.AUTHENTICATED),
    GetQuota: route(quota.get_quota, State.AUTHENTICATED),
    GetQuotaRoot: route(quota.get_quota_root, State.AUTHENTICATED),
    SetQuota: route(quota.set_quota, State.AUTHENTICATED),
    GetMetadata: route(metadata.get_metadata, State.AUTHENTICATED),
    SetMetadata: route(metadata.set_metadata, State.AUTHENTICATED),
    Notify: route(notify.notify, State.AUTHENTICATED),
    c.Copy: route(expunge_copy.copy, State.SELECTED),
    c.Move: route(expunge_copy.move, State.SELECTED),
}
