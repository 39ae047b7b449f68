"""All metrics of a process (MON-4), named ``posthouse_*``. Each process counts its own; ``/metrics`` adds them up.

Incrementing costs under a microsecond's worth of locking; label values come from fixed sets only, never from strangers.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY = CollectorRegistry()

CONNECTIONS = Counter("posthouse_connections", "Connections accepted.", ["service"], registry=REGISTRY)
OPEN = Gauge("posthouse_open_connections", "Connections open now.", ["service"], registry=REGISTRY)
REFUSED = Counter("posthouse_refused_connections", "Connections refused at once.", ["service"], registry=REGISTRY)
MESSAGES = Counter("posthouse_messages", "Mail transactions by how they ended.", ["service", "outcome"], registry=REGISTRY)
MESSAGE_BYTES = Counter("posthouse_message_bytes", "Octets of accepted messages.", ["service"], registry=REGISTRY)
LOGINS = Counter("posthouse_logins", "Logins by result.", ["service", "result"], registry=REGISTRY)
API_REQUESTS = Counter("posthouse_api_requests", "Requests to the HTTP API by status.", ["status"], registry=REGISTRY)
ZONE_ANSWERS = Counter(
    "posthouse_zone_answers", "Answers of the served block list zone.", ["over", "result"], registry=REGISTRY
)
COMMANDS = Counter("posthouse_imap_commands", "IMAP commands.", registry=REGISTRY)
COMMITS = Counter("posthouse_store_commits", "Group commits of the mail database.", registry=REGISTRY)
UNITS = Counter("posthouse_store_units", "Units of work in these commits.", registry=REGISTRY)
COMMIT_SECONDS = Histogram(
    "posthouse_store_commit_seconds",
    "Time of a group commit.",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 5),
    registry=REGISTRY,
)
DAMAGED = Gauge("posthouse_store_damaged", "Stored contents known to be damaged.", registry=REGISTRY)
DELIVERIES = Counter("posthouse_deliveries", "Outbound delivery attempts by result.", ["result"], registry=REGISTRY)
REFUSALS = Counter(
    "posthouse_delivery_refusals",
    "Deliveries refused or put off by other hosts, by cause.",
    ["cause", "result"],
    registry=REGISTRY,
)
ACCOUNT_ALERTS = Counter(
    "posthouse_account_alerts", "Accounts that were held, or sent as if their password were stolen, by sign.", ["sign"],
    registry=REGISTRY,
)  # fmt: skip
QUEUED = Gauge("posthouse_queue_recipients", "Recipients in the outbound queue by state.", ["state"], registry=REGISTRY)
HELD = Gauge("posthouse_held_messages", "Messages in quarantines by kind.", ["kind"], registry=REGISTRY)
INDEXED = Counter("posthouse_search_indexed", "Contents added to the full-text index.", registry=REGISTRY)
INDEX_WAITING = Gauge("posthouse_search_waiting", "Contents that wait for the full-text index, at most.", registry=REGISTRY)
DOCUMENTS_READ = Counter(
    "posthouse_search_documents", "Attached documents read for the index, by result.", ["kind", "result"], registry=REGISTRY
)
DIRECTORY_ANSWERS = Counter(
    "posthouse_outside_directory_answers",
    "Questions to outside directories, by what came of them: found, unknown, failed.",
    ["server", "result"],
    registry=REGISTRY,
)
GREYLISTED = Counter(
    "posthouse_greylist_decisions", "Recipients that greylisting decided, by outcome.", ["outcome"], registry=REGISTRY
)
GREYLIST_DOWN = Gauge("posthouse_greylist_down", "Processes that get no answer from the triplets' database.", registry=REGISTRY)
VIRUS_SCANS = Counter(
    "posthouse_virus_scans", "Messages given to virus engines by result.", ["engine", "result"], registry=REGISTRY
)
VIRUS_SCAN_SECONDS = Histogram(
    "posthouse_virus_scan_seconds",
    "Time of one engine for one message.",
    ["engine"],
    buckets=(0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60),
    registry=REGISTRY,
)
PATTERN_AGE = Gauge(
    "posthouse_virus_pattern_age_seconds", "Age of a virus engine's newest patterns.", ["engine"], registry=REGISTRY
)
BOMBS = Counter("posthouse_archive_bombs", "Attachments past the bounds of archives.", ["bound"], registry=REGISTRY)
OUTBREAK_HELD = Counter("posthouse_outbreak_held", "Messages held by the outbreak check.", ["rule"], registry=REGISTRY)
SPAM_SCANS = Counter(
    "posthouse_spam_scans",
    "Messages given to spam engines by result: answered or failed.",
    ["engine", "result"],
    registry=REGISTRY,
)
SCORED = Counter("posthouse_scored_messages", "Messages scored, by what they are: spam or ham.", ["what"], registry=REGISTRY)
JUNK = Counter("posthouse_junk_copies", "Copies about which lists or points decided, by the rule.", ["rule"], registry=REGISTRY)
LESSONS = Counter("posthouse_spam_lessons", "Lessons that users have taught, by what they say.", ["what"], registry=REGISTRY)
