"""Settings of the group ``store``: the mail store (STO)."""

from __future__ import annotations

from dataclasses import dataclass

from posthouse.base.settings import setting


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """The mail store (STO)."""

    max_mailboxes: int = setting(10_000, "Mailboxes of one user.", at_least=10)
    max_mailbox_depth: int = setting(20, "Levels of a mailbox name.", at_least=1, at_most=100)
    trace_days: int = setting(30, "How long traces are kept.", unit="days", at_least=1)
    quota_bytes: int = setting(
        0, "Mail of one user; 0: no limit. Users, domains and classes of service may say otherwise.", unit="bytes", at_least=0
    )
    quota_messages: int = setting(0, "Messages of one user; 0: no limit.", at_least=0)
    quota_warning_percent: int = setting(
        90, "Part of a quota at which its user is told by mail; 0: never.", unit="percent", at_least=0, at_most=100
    )
    quota_grace_percent: int = setting(
        10, "How far mail from outside may go past a quota.", unit="percent", at_least=0, at_most=100
    )
    quota_grace_s: float = setting(604_800.0, "For how long it may, from the moment that it goes past.", unit="s", at_least=0)
    quota_full: str = setting(
        "temporary", "The answer to mail for a full mailbox: 452 or 552.", choices=("temporary", "permanent")
    )
    undelete_bytes: int = setting(
        100 << 20, "Deleted messages kept for one user, besides the quota; 0: they are gone at once.", unit="bytes", at_least=0
    )
    undelete_listed: bool = setting(False, "Show `Deleted Messages` in every list of mailboxes.")
    expire_trash_days: int = setting(0, "Days after which messages in Trash are deleted; 0: never.", unit="days", at_least=0)
    expire_junk_days: int = setting(0, "Days after which messages in Junk Mail are deleted; 0: never.", unit="days", at_least=0)
    max_annotations: int = setting(100, "Annotations of one mailbox, and of one user on the server.", at_least=0)
    max_annotation_bytes: int = setting(65_536, "Largest value of an annotation.", unit="bytes", at_least=1024)
    compression: bool = setting(True, "Compress new messages (zstd, with dictionaries learnt from this store's mail).")
    min_free_bytes: int = setting(
        256 << 20,
        "New mail is put off (452) while the disk has less room than this, or than a fifth of it where that is less;"
        " reading, marking and deleting go on. 0: until it is full.",
        unit="bytes",
        at_least=0,
    )
    scrub_days: int = setting(
        7, "Days from one reading of all stored messages, to find damage, to the next; 0: never.", unit="days", at_least=0
    )
    vanished_days: int = setting(
        180,
        "How long it is remembered which messages are gone, for mail programs that were away (QRESYNC); 0: for ever.",
        unit="days",
        at_least=0,
    )
