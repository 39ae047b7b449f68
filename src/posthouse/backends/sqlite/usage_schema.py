"""What accounts and domains use, kept by triggers of ``mail.db``: no unit of work can forget it, it is right at every commit.

``mailbox.shadow`` tells the tree of deleted messages, which has sums of its own. An account's row appears with its first
mailbox; it belongs to a domain as soon as a unit has told which (0 until then).
"""

from __future__ import annotations

from posthouse.model.undelete import SHADOW

MAILBOX_COLUMNS = f"""tree_bytes INTEGER NOT NULL DEFAULT 0,
    tree_messages INTEGER NOT NULL DEFAULT 0,
    shadow INTEGER GENERATED ALWAYS AS (name = '{SHADOW}' OR name GLOB '{SHADOW}/*') VIRTUAL"""
"""Of ``mailbox``: quotas of the tree below it, 0 for none; whether it holds deleted messages."""

_TABLES = """
CREATE TABLE account_usage (
    account_id INTEGER PRIMARY KEY,
    domain_id INTEGER NOT NULL DEFAULT 0,
    size_bytes INTEGER NOT NULL DEFAULT 0,
    messages INTEGER NOT NULL DEFAULT 0,
    mailboxes INTEGER NOT NULL DEFAULT 0,
    deleted_bytes INTEGER NOT NULL DEFAULT 0,
    deleted_messages INTEGER NOT NULL DEFAULT 0,
    over_since REAL NOT NULL DEFAULT 0,
    warning INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX account_usage_by_domain ON account_usage (domain_id) WHERE domain_id <> 0;
CREATE INDEX account_usage_by_warning ON account_usage (account_id) WHERE warning = 1;
CREATE TABLE domain_usage (
    domain_id INTEGER PRIMARY KEY,
    size_bytes INTEGER NOT NULL DEFAULT 0,
    messages INTEGER NOT NULL DEFAULT 0,
    mailboxes INTEGER NOT NULL DEFAULT 0,
    deleted_bytes INTEGER NOT NULL DEFAULT 0,
    deleted_messages INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX mailbox_with_quota ON mailbox (account_id) WHERE tree_bytes OR tree_messages;
CREATE TABLE trim_due (account_id INTEGER PRIMARY KEY, undelete_bytes INTEGER NOT NULL) STRICT;
"""

_OF_MAILBOXES = """
CREATE TRIGGER usage_of_new_mailbox AFTER INSERT ON mailbox BEGIN
    INSERT OR IGNORE INTO account_usage (account_id) VALUES (NEW.account_id);
    UPDATE account_usage SET mailboxes = mailboxes + 1 - NEW.shadow WHERE account_id = NEW.account_id;
END;
CREATE TRIGGER usage_of_gone_mailbox AFTER DELETE ON mailbox BEGIN
    UPDATE account_usage SET mailboxes = mailboxes - 1 + OLD.shadow,
        size_bytes = size_bytes - OLD.size_bytes * (1 - OLD.shadow), messages = messages - OLD.message_count * (1 - OLD.shadow),
        deleted_bytes = deleted_bytes - OLD.size_bytes * OLD.shadow,
        deleted_messages = deleted_messages - OLD.message_count * OLD.shadow
    WHERE account_id = OLD.account_id;
END;
CREATE TRIGGER usage_of_grown_mailbox AFTER UPDATE OF message_count, size_bytes ON mailbox WHEN NOT NEW.shadow BEGIN
    UPDATE account_usage SET size_bytes = size_bytes + NEW.size_bytes - OLD.size_bytes,
        messages = messages + NEW.message_count - OLD.message_count WHERE account_id = NEW.account_id;
END;
CREATE TRIGGER usage_of_grown_shadow AFTER UPDATE OF message_count, size_bytes ON mailbox WHEN NEW.shadow BEGIN
    UPDATE account_usage SET deleted_bytes = deleted_bytes + NEW.size_bytes - OLD.size_bytes,
        deleted_messages = deleted_messages + NEW.message_count - OLD.message_count WHERE account_id = NEW.account_id;
END;
CREATE TRIGGER usage_of_moved_mailbox AFTER UPDATE OF name ON mailbox WHEN NEW.shadow <> OLD.shadow BEGIN
    UPDATE account_usage SET mailboxes = mailboxes + OLD.shadow - NEW.shadow,
        size_bytes = size_bytes + NEW.size_bytes * (OLD.shadow - NEW.shadow),
        messages = messages + NEW.message_count * (OLD.shadow - NEW.shadow),
        deleted_bytes = deleted_bytes - NEW.size_bytes * (OLD.shadow - NEW.shadow),
        deleted_messages = deleted_messages - NEW.message_count * (OLD.shadow - NEW.shadow)
    WHERE account_id = NEW.account_id;
END;
"""

_OF_DOMAINS = """
CREATE TRIGGER domain_of_changed_usage
AFTER UPDATE OF size_bytes, messages, mailboxes, deleted_bytes, deleted_messages ON account_usage
WHEN NEW.domain_id <> 0 AND NEW.domain_id = OLD.domain_id BEGIN
    UPDATE domain_usage SET size_bytes = size_bytes + NEW.size_bytes - OLD.size_bytes,
        messages = messages + NEW.messages - OLD.messages, mailboxes = mailboxes + NEW.mailboxes - OLD.mailboxes,
        deleted_bytes = deleted_bytes + NEW.deleted_bytes - OLD.deleted_bytes,
        deleted_messages = deleted_messages + NEW.deleted_messages - OLD.deleted_messages
    WHERE domain_id = NEW.domain_id;
END;
CREATE TRIGGER domain_of_other_usage AFTER UPDATE OF domain_id ON account_usage WHEN NEW.domain_id <> OLD.domain_id BEGIN
    UPDATE domain_usage SET size_bytes = size_bytes - OLD.size_bytes, messages = messages - OLD.messages,
        mailboxes = mailboxes - OLD.mailboxes, deleted_bytes = deleted_bytes - OLD.deleted_bytes,
        deleted_messages = deleted_messages - OLD.deleted_messages
    WHERE domain_id = OLD.domain_id;
    INSERT INTO domain_usage SELECT NEW.domain_id, NEW.size_bytes, NEW.messages, NEW.mailboxes, NEW.deleted_bytes,
        NEW.deleted_messages WHERE NEW.domain_id <> 0
    ON CONFLICT (domain_id) DO UPDATE SET size_bytes = size_bytes + excluded.size_bytes,
        messages = messages + excluded.messages, mailboxes = mailboxes + excluded.mailboxes,
        deleted_bytes = deleted_bytes + excluded.deleted_bytes, deleted_messages = deleted_messages + excluded.deleted_messages;
END;
CREATE TRIGGER domain_of_gone_usage AFTER DELETE ON account_usage WHEN OLD.domain_id <> 0 BEGIN
    UPDATE domain_usage SET size_bytes = size_bytes - OLD.size_bytes, messages = messages - OLD.messages,
        mailboxes = mailboxes - OLD.mailboxes, deleted_bytes = deleted_bytes - OLD.deleted_bytes,
        deleted_messages = deleted_messages - OLD.deleted_messages
    WHERE domain_id = OLD.domain_id;
END;
"""

USAGE = _TABLES + _OF_MAILBOXES + _OF_DOMAINS

COUNTED = (
    "SELECT account_id, sum((1 - shadow) * size_bytes), sum((1 - shadow) * message_count), sum(1 - shadow),"
    " sum(shadow * size_bytes), sum(shadow * message_count) FROM mailbox GROUP BY account_id"
)
"""(account_id, size_bytes, messages, mailboxes, deleted_bytes, deleted_messages) from the mailboxes themselves."""

RULES: tuple[tuple[str, str], ...] = (
    (
        "account {}: its sums of octets, messages, mailboxes or deleted ones are wrong",
        "SELECT account_id FROM (SELECT account_id, size_bytes, messages, mailboxes, deleted_bytes, deleted_messages"
        " FROM account_usage WHERE size_bytes OR messages OR mailboxes OR deleted_bytes OR deleted_messages"
        f" EXCEPT {COUNTED})",
    ),
    (
        "account {}: its sums are missing",
        "SELECT account_id FROM mailbox WHERE account_id NOT IN (SELECT account_id FROM account_usage) GROUP BY account_id",
    ),
    (
        "domain {}: its sums are not those of its accounts",
        "SELECT domain_id FROM (SELECT domain_id, size_bytes, messages, mailboxes, deleted_bytes, deleted_messages"
        " FROM domain_usage WHERE size_bytes OR messages OR mailboxes OR deleted_bytes OR deleted_messages EXCEPT"
        " SELECT domain_id, sum(size_bytes), sum(messages), sum(mailboxes), sum(deleted_bytes), sum(deleted_messages)"
        " FROM account_usage GROUP BY domain_id)",
    ),
)
"""For ``store check``: what it says, and the rows it says that of."""
