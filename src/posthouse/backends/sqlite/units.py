"""All kinds of units that the writing thread knows, by the names under which they cross the gate."""

from __future__ import annotations

from posthouse.backends.sqlite import (
    units_accept,
    units_annotation,
    units_mailbox,
    units_message,
    units_queue,
    units_quota,
    units_replace,
    units_undelete,
    units_urlkey,
    upkeep,
)
from posthouse.backends.sqlite.work import Unit

UNITS: dict[str, Unit] = {
    "accept": units_accept.accept,
    "provision": units_mailbox.provision,
    "create": units_mailbox.create,
    "delete": units_mailbox.delete,
    "rename": units_mailbox.rename,
    "subscribe": units_mailbox.subscribe,
    "delete_account": units_mailbox.delete_account,
    "append": units_message.append,
    "store_flags": units_message.store_flags,
    "expunge": units_undelete.expunge,
    "copy": units_message.copy,
    "replace": units_replace.replace,
    "make_url_key": units_urlkey.make_url_key,
    "drop_url_keys": units_urlkey.drop_url_keys,
    "annotate": units_annotation.annotate,
    "quota_belong": units_quota.quota_belong,
    "quota_recount": units_quota.quota_recount,
    "quota_warned": units_quota.quota_warned,
    "queue_record": units_queue.record,
    "queue_state": units_queue.set_state,
    "queue_delete": units_queue.delete,
    "bury_files": upkeep.bury_files,
}
