"""Units of work on the secrets that sign URLs to messages: one for each account and mailbox, made at need (RFC 4467)."""

from __future__ import annotations

import secrets
from typing import Any

from posthouse.backends.sqlite.work import Work

SECRET_BYTES = 32


def make_url_key(work: Work, arguments: list[Any]) -> bytes:
    """``[account_id, mailbox_id]``; gives the secret, old or new."""
    account_id, mailbox_id = arguments
    work.mailbox(mailbox_id)
    work.execute("INSERT OR IGNORE INTO url_key VALUES (?, ?, ?)", (account_id, mailbox_id, secrets.token_bytes(SECRET_BYTES)))
    row = work.one("SELECT secret FROM url_key WHERE account_id = ? AND mailbox_id = ?", (account_id, mailbox_id))
    assert row is not None, "the row was made above"
    return bytes(row[0])


def drop_url_keys(work: Work, arguments: list[Any]) -> None:
    """``[account_id, mailbox_id or None]``."""
    account_id, mailbox_id = arguments
    work.execute("DELETE FROM url_key WHERE account_id = ?1 AND (?2 IS NULL OR mailbox_id = ?2)", (account_id, mailbox_id))
