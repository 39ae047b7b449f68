"""The tables of ``mail.db`` for sharing (STO-3): who has which rights on a mailbox, and what readers other than its owner
have seen.

``seen`` has a row for each message that such a reader marked as seen, and (``seen`` 0) for each that they marked back, with the
mod-sequence of that change. It has rows of messages that exist only: what removes a message forgets them (``units_seen.py``).
The triggers hold for every way in which a mailbox comes and goes: below another one it begins with that one's rights, and its
own rights end with it.
"""

from __future__ import annotations

SHARING = """
CREATE TABLE acl (
    mailbox_id INTEGER NOT NULL,
    identifier TEXT NOT NULL,
    rights TEXT NOT NULL,
    PRIMARY KEY (mailbox_id, identifier)
) STRICT, WITHOUT ROWID;
CREATE INDEX acl_by_identifier ON acl (identifier, mailbox_id);
CREATE TABLE seen (
    mailbox_id INTEGER NOT NULL,
    account_id INTEGER NOT NULL,
    uid INTEGER NOT NULL,
    seen INTEGER NOT NULL,
    mod_seq INTEGER NOT NULL,
    PRIMARY KEY (mailbox_id, account_id, uid)
) STRICT, WITHOUT ROWID;
CREATE INDEX seen_by_change ON seen (mailbox_id, account_id, mod_seq);
CREATE TRIGGER mailbox_inherits AFTER INSERT ON mailbox WHEN instr(NEW.name, '/') BEGIN
    INSERT OR IGNORE INTO acl SELECT NEW.mailbox_id, identifier, rights FROM mailbox AS above JOIN acl USING (mailbox_id)
    WHERE above.account_id = NEW.account_id AND above.name = rtrim(rtrim(NEW.name, replace(NEW.name, '/', '')), '/');
END;
CREATE TRIGGER mailbox_has_gone AFTER DELETE ON mailbox BEGIN
    DELETE FROM acl WHERE mailbox_id = OLD.mailbox_id;
END;
"""
