"""The tables of ``directory.db``: domains, accounts, aliases, routes, scripts, settings with history, audit, the node's secret.

Account and domain numbers come from AUTOINCREMENT: a number is never used again, since the mail store names accounts by
it. ``key`` is ``Address.key``. Append to MIGRATIONS; never change what is in it.
"""

from __future__ import annotations

_VERSION_1 = """
CREATE TABLE domain (
    domain_id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    catch_all TEXT NOT NULL,
    enabled INTEGER NOT NULL,
    cos TEXT NOT NULL DEFAULT '',
    limits TEXT NOT NULL DEFAULT '',
    quota_bytes INTEGER NOT NULL DEFAULT 0,
    quota_messages INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE account (
    account_id INTEGER PRIMARY KEY AUTOINCREMENT,
    domain_id INTEGER NOT NULL REFERENCES domain,
    key TEXT NOT NULL UNIQUE,
    local TEXT NOT NULL,
    full_name TEXT NOT NULL,
    role TEXT NOT NULL,
    enabled INTEGER NOT NULL,
    secret TEXT NOT NULL,
    scram TEXT NOT NULL,
    cos TEXT NOT NULL DEFAULT '',
    limits TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX account_by_domain ON account (domain_id, key);
CREATE INDEX account_by_role ON account (role, key) WHERE role <> 'user';

CREATE TABLE class_of_service (
    name TEXT PRIMARY KEY,
    limits TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE alias (
    alias_id INTEGER PRIMARY KEY,
    domain_id INTEGER NOT NULL REFERENCES domain,
    key TEXT NOT NULL UNIQUE,
    local TEXT NOT NULL
) STRICT;
CREATE INDEX alias_by_domain ON alias (domain_id, key);

CREATE TABLE alias_target (
    alias_id INTEGER NOT NULL REFERENCES alias ON DELETE CASCADE,
    position INTEGER NOT NULL,
    local TEXT NOT NULL,
    domain TEXT NOT NULL,
    key TEXT NOT NULL,
    PRIMARY KEY (alias_id, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX alias_target_by_key ON alias_target (key);

CREATE TABLE route (
    target TEXT PRIMARY KEY,
    next_hop TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE script (
    script_id INTEGER PRIMARY KEY,
    scope TEXT NOT NULL,
    owner_id INTEGER NOT NULL,
    name TEXT NOT NULL,
    text TEXT NOT NULL,
    active INTEGER NOT NULL,
    position INTEGER NOT NULL,
    changed_at REAL NOT NULL,
    UNIQUE (scope, owner_id, name)
) STRICT;

CREATE TABLE script_memory (
    account_id INTEGER NOT NULL,
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    expires_at REAL NOT NULL,
    PRIMARY KEY (account_id, kind, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX script_memory_by_end ON script_memory (expires_at);

CREATE TRIGGER account_has_gone AFTER DELETE ON account BEGIN
    DELETE FROM script WHERE scope = 'user' AND owner_id = OLD.account_id;
    DELETE FROM script_memory WHERE account_id = OLD.account_id;
END;
CREATE TRIGGER domain_has_gone AFTER DELETE ON domain BEGIN
    DELETE FROM script WHERE scope = 'domain' AND owner_id = OLD.domain_id;
END;

CREATE TABLE word_list (
    name TEXT PRIMARY KEY,
    text TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE signing_key (
    domain_id INTEGER NOT NULL REFERENCES domain ON DELETE CASCADE,
    selector TEXT NOT NULL,
    algorithm TEXT NOT NULL,
    state TEXT NOT NULL,
    public_key TEXT NOT NULL,
    changed_at REAL NOT NULL,
    private_key BLOB NOT NULL,
    PRIMARY KEY (domain_id, selector)
) STRICT, WITHOUT ROWID;

CREATE TABLE setting (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE setting_change (
    change_id INTEGER PRIMARY KEY,
    version INTEGER NOT NULL,
    at REAL NOT NULL,
    who TEXT NOT NULL,
    key TEXT NOT NULL,
    before TEXT NOT NULL,
    after TEXT NOT NULL
) STRICT;
CREATE INDEX setting_change_by_key ON setting_change (key, change_id);
CREATE INDEX setting_change_by_version ON setting_change (version);

CREATE TABLE audit (
    audit_id INTEGER PRIMARY KEY,
    at REAL NOT NULL,
    who TEXT NOT NULL,
    via TEXT NOT NULL,
    operation TEXT NOT NULL,
    arguments TEXT NOT NULL,
    outcome TEXT NOT NULL
) STRICT;

CREATE TABLE node_secret (
    name TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO node_secret VALUES ('logins', randomblob(32));
"""

_JUNK = """
CREATE TABLE sender_entry (
    scope TEXT NOT NULL,
    owner TEXT NOT NULL,
    pattern TEXT NOT NULL,
    kind TEXT NOT NULL,
    wild INTEGER NOT NULL,
    at REAL NOT NULL,
    PRIMARY KEY (scope, owner, pattern, kind)
) STRICT, WITHOUT ROWID;
CREATE INDEX sender_entry_wild ON sender_entry (scope, owner) WHERE wild;

CREATE TABLE junk_terms (
    scope TEXT NOT NULL,
    owner TEXT NOT NULL,
    terms TEXT NOT NULL,
    PRIMARY KEY (scope, owner)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER account_has_gone_from_lists AFTER DELETE ON account BEGIN
    DELETE FROM sender_entry WHERE scope = 'user' AND owner = OLD.key;
    DELETE FROM junk_terms WHERE scope = 'user' AND owner = OLD.key;
END;
CREATE TRIGGER domain_has_gone_from_lists AFTER DELETE ON domain BEGIN
    DELETE FROM sender_entry WHERE scope = 'domain' AND owner = OLD.name;
    DELETE FROM junk_terms WHERE scope = 'domain' AND owner = OLD.name;
END;
CREATE TRIGGER class_has_gone AFTER DELETE ON class_of_service BEGIN
    DELETE FROM junk_terms WHERE scope = 'class' AND owner = OLD.name;
END;
"""

_LISTS = """
CREATE TABLE reject_network (
    version INTEGER NOT NULL,
    bits INTEGER NOT NULL,
    first BLOB NOT NULL,
    target TEXT NOT NULL,
    note TEXT NOT NULL,
    added_at REAL NOT NULL,
    PRIMARY KEY (version, bits, first)
) STRICT, WITHOUT ROWID;
CREATE INDEX reject_network_by_target ON reject_network (target);

CREATE TABLE reject_domain (
    reversed TEXT PRIMARY KEY,
    target TEXT NOT NULL,
    note TEXT NOT NULL,
    added_at REAL NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX reject_domain_by_target ON reject_domain (target);

CREATE TABLE list_serial (
    name TEXT PRIMARY KEY,
    serial INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO list_serial VALUES ('reject', 1);

CREATE TABLE block_list (
    zone TEXT PRIMARY KEY,
    about TEXT NOT NULL,
    action TEXT NOT NULL,
    points REAL NOT NULL,
    codes TEXT NOT NULL,
    exempt TEXT NOT NULL,
    enabled INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
"""

_LEAVING = """
CREATE TABLE leaving (
    leaving_id INTEGER PRIMARY KEY,
    account_id INTEGER NOT NULL,
    identifier TEXT NOT NULL
) STRICT;
CREATE TRIGGER account_is_leaving AFTER DELETE ON account BEGIN
    INSERT INTO leaving (account_id, identifier) VALUES (OLD.account_id, OLD.key);
END;
CREATE TRIGGER domain_is_leaving AFTER DELETE ON domain BEGIN
    INSERT INTO leaving (account_id, identifier) VALUES (-OLD.domain_id, 'domain:' || OLD.name);
END;
"""
"""What the mail store must still be told: a domain's shared tree goes by its negative number (``model.namespaces``)."""

_OWNERS = """
CREATE TABLE alias_owner (
    alias_id INTEGER NOT NULL REFERENCES alias ON DELETE CASCADE,
    account_id INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,
    PRIMARY KEY (alias_id, account_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX alias_owner_by_account ON alias_owner (account_id);
"""

_FORWARDS = "ALTER TABLE account ADD COLUMN forward TEXT NOT NULL DEFAULT '';"
"""As ``directory.forward_text`` writes it."""

_LDAP = """
CREATE TABLE ldap_server (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    document TEXT NOT NULL
) STRICT;
"""

_API_TOKENS = """
CREATE TABLE api_token (
    token_id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    account_id INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,
    name TEXT NOT NULL,
    digest BLOB NOT NULL,
    scopes TEXT NOT NULL,
    made_at REAL NOT NULL,
    expires_at REAL NOT NULL,
    seen_at REAL NOT NULL,
    mark TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX api_token_by_account ON api_token (account_id, kind);
"""

MIGRATIONS: tuple[str, ...] = (_VERSION_1, _JUNK, _LISTS, _LEAVING, _OWNERS, _FORWARDS, _LDAP, _API_TOKENS)
