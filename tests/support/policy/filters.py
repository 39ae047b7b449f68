"""The scripts of the table and the cases that they decide: every condition of CON-1 and every action of CON-2, word lists.

A condition holds its message in a quarantine of its name, so that the trace shows that it was true; its twin, for which it is
not, is delivered.
"""

from __future__ import annotations

from typing import Any

from support import archives
from support.policy.case import GOOD, JANE, OMAR, Case, dropped, held, refused, taken

REQUIRE = (
    'require ["envelope", "body", "regex", "relational", "comparator-i;ascii-numeric", "date", "fileinto", "mailbox", "copy",'
    ' "reject", "editheader", "imap4flags", "vacation", "enotify", "variables", "mime", "foreverypart", "replace", "virustest",'
    ' "vnd.posthouse.filter"'
)
POLICY = ', "vnd.posthouse.policy"];\n'
PRIORITY, DOMAIN, USER = "priority-filters", "domain-filters", "user-filters"
WORD = archives.zipped({"inside/secret-plan.txt": b"x"})

HTML = (
    b"From: c-html@elsewhere.test\r\nTo: jane@example.test\r\nSubject: $NAME\r\nMessage-ID: <$NAME@table.test>\r\n"
    b"MIME-Version: 1.0\r\nContent-Type: text/html\r\n\r\n<p>hidden <b>offer</b></p>\r\n"
)

# (name, test, what makes it true, what makes it false)
_CONDITIONS: tuple[tuple[str, str, dict[str, Any], dict[str, Any]], ...] = (
    (
        "c-sender",
        'envelope :matches "from" "c-sender@*.test"',
        {"sender": "c-sender@elsewhere.test"},
        {"sender": "d-sender@elsewhere.test"},
    ),
    ("c-recipient", f'envelope :is "to" "{OMAR}"', {"rcpt": (OMAR,)}, {"rcpt": (JANE,)}),
    ("c-recipients", f'envelope :is "to" "{OMAR}"', {"rcpt": (JANE, OMAR)}, {"rcpt": (JANE,)}),
    (
        "c-address",
        'client :network ["192.0.2.8/29"]',
        {"client": GOOD},
        {"client": "192.0.2.40", "helo": "outside.elsewhere.test"},
    ),
    ("c-address6", 'client :matches "2001:db8:*"', {"client": "2001:db8::10", "helo": "six.elsewhere.test"}, {}),
    ("c-host", 'client :host :is "good.elsewhere.test"', {}, {"client": "192.0.2.40", "helo": "outside.elsewhere.test"}),
    ("c-helo", 'client :helo :contains "OTHER"', {"client": "192.0.2.11", "helo": "other.elsewhere.test"}, {}),
    ("c-user", 'authenticated :is "omar@example.org"', {"login": OMAR, "sender": OMAR}, {}),
    (
        "c-header",
        'header :contains "x-origin" "Mars"',
        {"fields": (("X-Origin", "from mars"),)},
        {"fields": (("X-Origin", "Venus"),)},
    ),
    ("c-exists", 'exists "x-there"', {"fields": (("X-There", ""),)}, {}),
    ("c-to", 'address :is ["to", "cc"] "list@lists.test"', {"fields": (("Cc", "list@lists.test"),)}, {}),
    ("c-from", 'address :domain :is "from" "partner.elsewhere.test"', {"author": "x@partner.elsewhere.test"}, {}),
    ("c-subject", 'header :matches "subject" "c-subject*überfällig*"', {"subject": "c-subject ist überfällig!"}, {}),
    ("c-starts", 'header :matches "subject" "Re: *"', {"subject": "RE: yes"}, {"subject": "no re: yes"}),
    ("c-ends", 'header :matches "subject" "*!!!"', {"subject": "now!!!"}, {"subject": "now!!! x"}),
    ("c-body", 'body :text :contains "straße"', {"body": "Die Straße ist lang.\r\n"}, {"body": "Der Weg.\r\n"}),
    (
        "c-html",
        'body :text :contains "hidden offer"',
        {"content": HTML},
        {},
    ),
    (
        "c-regex",
        'body :text :regex "[0-9]{4} [0-9]{4} [0-9]{4} [0-9]{4}"',
        {"body": "4111 1111 1111 1111\r\n"},
        {"body": "4111 11 11\r\n"},
    ),
    (
        "c-name",
        'attachment :matches "*.scr"',
        {"attachments": (("fun.SCR", b"text"),)},
        {"attachments": (("fun.txt", b"text"),)},
    ),
    ("c-declared", 'attachment :declared :is "application/octet-stream"', {"attachments": (("a", b"a"),)}, {}),
    (
        "c-detected",
        'attachment :detected :is "application/zip"',
        {"attachments": (("a.txt", WORD),)},
        {"attachments": (("a.zip", b"no"),)},
    ),
    (
        "c-member",
        'attachment :member :contains "secret-plan"',
        {"attachments": (("a.zip", WORD),)},
        {"attachments": (("a.zip", archives.zipped({"b": b"x"})),)},
    ),
    (
        "c-count",
        'attachment :filename :count "ge" :comparator "i;ascii-numeric" "2"',
        {"attachments": (("a", b"a"), ("b", b"b"))},
        {"attachments": (("a", b"a"),)},
    ),
    ("c-attsize", "attachment :size :over 1K", {"attachments": (("a", b"a" * 3000),)}, {"attachments": (("a", b"a"),)}),
    ("c-size", "size :over 20K", {"body": "x" * 70 + "\r\n" + ("y" * 70 + "\r\n") * 400}, {}),
    ("c-words", 'wordlist :atleast 30 "secrets"', {"body": "About Project X, in short.\r\n"}, {"body": "About project y.\r\n"}),
    (
        "c-rescue",
        'not wordlist :atleast 1 "secrets"',
        {"body": "The merger and the invoice.\r\n"},
        {"body": "The merger.\r\n"},
    ),
    ("c-spf", 'authresult :spf "softfail"', {"sender": "c-spf@softfail.test"}, {}),
    (
        "c-dkim",
        'authresult :dkim "fail"',
        {"fields": (("DKIM-Signature", "v=1; a=ed25519-sha256; d=signed.test; s=s1; h=from; bh=AAAA; b=AAAA"),)},
        {},
    ),
    ("c-dmarc", 'authresult :dmarc "pass"', {"sender": "c-dmarc@friend.test"}, {}),
    ("c-in", 'direction "in"', {}, {"login": OMAR, "sender": OMAR}),
    ("c-out", 'direction "out"', {"login": OMAR, "sender": OMAR}, {}),
    ("c-fromdomain", 'indomain :sender "softfail.test"', {"sender": "c-fromdomain@softfail.test"}, {}),
    ("c-todomain", 'indomain :recipient "example.org"', {"rcpt": (OMAR,)}, {}),
    ("c-group", 'ingroup :recipient "staff@example.test"', {"rcpt": (JANE,)}, {"rcpt": (OMAR,)}),
    ("c-dnsbl", 'dnsbl "tag.lists.test"', {"client": "192.0.2.78", "helo": "tagged.elsewhere.test"}, {}),
    ("c-date", 'currentdate :value "ge" "year" "2026"', {}, {}),
    (
        "c-all",
        'allof (header :is "x-a" "1", not header :is "x-b" "1")',
        {"fields": (("X-A", "1"),)},
        {"fields": (("X-A", "1"), ("X-B", "1"))},
    ),
    (
        "c-any",
        'anyof (header :is "x-a" "1", allof (header :is "x-b" "1", header :is "x-c" "1"))',
        {"fields": (("X-B", "1"), ("X-C", "1"))},
        {"fields": (("X-B", "1"),)},
    ),
)
_LATER: tuple[tuple[str, str, dict[str, Any], dict[str, Any]], ...] = (
    (
        "c-score",
        "score :atleast 60",
        {"fields": (("X-Points", "70"),), "rcpt": ("deliver@example.test",)},
        {"fields": (("X-Points", "20"),)},
    ),
)


def _whether(name: str, test: str) -> str:
    return f'if allof (exists "x-{name}", {test}) {{ quarantine "{name}"; stop; }}\n'


SYSTEM_SCRIPT = (
    REQUIRE
    + POLICY
    + "".join(_whether(name, test) for name, test, _, _ in _CONDITIONS)
    + 'if header :is "x-points" "70" { score :add 70; }\n'
    + 'if header :is "x-points" "20" { score :add 20; }\n'
    + 'if header :is "x-points" "250" { score :add 250; }\n'
    + 'if header :is "x-points" "-30" { score :add 70; score :subtract 30; }\n'
    + 'if header :is "x-points" "set" { score :add 300; score :set 10; }\n'
    + """
if header :is "x-do" "reject" { reject "Not with us"; }
elsif header :is "x-do" "discard" { discard; }
elsif header :is "x-do" "quarantine" { quarantine "caught"; }
elsif header :is "x-do" "redirect" { redirect "omar@example.org"; }
elsif header :is "x-do" "redirect-away" { redirect "far@faraway.test"; }
elsif header :is "x-do" "wiretap" { wiretap "omar@example.org"; }
elsif header :is "x-do" "excerpt" { excerpt :chars 40 "omar@example.org"; }
elsif header :is "x-do" "delivernow" { score :add 300; delivernow; }
elsif header :is "x-do" "move" { fileinto :create "Moved"; }
elsif header :is "x-do" "tag" { tagsubject "[table] "; }
elsif header :is "x-do" "addheader" { addheader "X-Added" "by the table"; }
elsif header :is "x-do" "deleteheader" { deleteheader "X-Unwanted"; }
elsif header :is "x-do" "footer" { addfooter "Footer of the table."; }
elsif header :is "x-do" "strip" { stripattachments :matches "*.exe" :notice "Taken out."; }
elsif header :is "x-do" "replace" {
    foreverypart { if header :mime :contenttype :is "Content-Type" "text/plain" { replace "Another text."; } }
}
elsif header :is "x-do" "flag" { addflag "\\\\Flagged"; keep; }
elsif header :is "x-do" "notify" { notify :message "News from the table" "mailto:omar@example.org"; }
elsif header :is "x-do" "delay" { delay 86400; }
elsif header :is "x-do" "route" { route "127.0.0.1:9"; }
elsif header :is "x-do" "requiretls" { requiretls; }
"""
)
DOMAIN_SCRIPT = (
    REQUIRE
    + POLICY
    + "".join(_whether(name, test) for name, test, _, _ in _LATER)
    + 'if allof (exists "x-c-virus", virustest :value "ge" :comparator "i;ascii-numeric" "2") { quarantine "c-virus"; }\n'
    + 'if header :is "x-domain" "reject" { reject "Not for this domain"; }\n'
    + 'if header :is "x-domain" "score" { score :add 90; }\n'
)
USER_SCRIPT = (
    REQUIRE
    + """];
if header :is "x-mine" "file" { fileinto :create "Lists/News"; }
elsif header :is "x-mine" "reject" { reject "I do not want it"; }
elsif header :is "x-mine" "discard" { discard; }
elsif header :is "x-mine" "reply" { vacation :days 1 "I am away."; }
elsif header :is "x-mine" "redirect" { redirect "far@faraway.test"; }
elsif header :is "x-mine" "keep" { keep; }
"""
)


def _conditions() -> list[Case]:
    rows: list[Case] = []
    for name, _, true, false in (*_CONDITIONS, *_LATER):
        stage = DOMAIN if name == "c-score" else PRIORITY
        row = "CON-1 CON-4" if name in ("c-words", "c-rescue") else "CON-1"
        for suffix, given in (("", true), ("-not", false)):
            if suffix and not false and not true:
                continue
            fields = (*given.get("fields", ()), (f"X-{name}", "1"))
            content = given.get("content", b"")
            assert isinstance(content, bytes)
            more = given | {
                "fields": fields,
                "content": content.replace(b"MIME-Version", f"X-{name}: 1\r\nMIME-Version".encode()),
            }
            if suffix:
                rows.append(taken(f"{name}{suffix}", row, "dispose", "committed", **more))
            else:
                rows.append(held(name, row, stage, "table", f"holds it in quarantine {name}", **more))
    return rows


def _do(name: str, **more: Any) -> dict[str, Any]:
    return {"fields": (("X-Do", name), *more.pop("fields", ())), **more}


def _mine(name: str) -> dict[str, Any]:
    return {"fields": (("X-Mine", name),), "rcpt": ("own@example.test",)}


def _points(points: str) -> dict[str, Any]:
    return {"fields": (("X-Points", points),)}


ACTIONS = [
    refused(
        "a-reject",
        "CON-2",
        PRIORITY,
        "table",
        verdict="pass",
        detail="refuses it: Not with us",
        text="Not with us",
        **_do("reject"),
    ),
    refused("a-reject-all", "CON-2", PRIORITY, "refused", rcpt=(JANE, OMAR), **_do("reject")),
    dropped("a-discard", "CON-2", PRIORITY, "table", "drops it", **_do("discard")),
    held("a-quarantine", "CON-2 QTN-1", PRIORITY, "table", "holds it in quarantine caught", **_do("quarantine")),
    taken(
        "a-redirect",
        "CON-2",
        PRIORITY,
        "table",
        "sends it on to omar@example.org",
        verdict="redirect",
        place="INBOX of omar@example.org",
        **_do("redirect"),
    ),
    taken(
        "a-redirect-away",
        "CON-2",
        PRIORITY,
        "table",
        "sends it on to far@faraway.test",
        verdict="redirect",
        **_do("redirect-away"),
    ),
    taken(
        "a-wiretap",
        "CON-2",
        PRIORITY,
        "table",
        "copies it to omar@example.org",
        verdict="copy",
        place="INBOX of omar@example.org",
        lacks=b"omar",
        **_do("wiretap"),
    ),
    taken("a-excerpt", "CON-2", PRIORITY, "table", "sends an excerpt to omar@example.org", **_do("excerpt")),
    taken(
        "a-delivernow",
        "CON-2",
        PRIORITY,
        "table",
        "lets no later check look at it",
        place="INBOX of jane@example.test",
        **_do("delivernow"),
    ),
    taken("a-move", "CON-2", PRIORITY, "table", "files it into Moved", place="Moved of jane@example.test", **_do("move")),
    taken(
        "a-tag",
        "CON-2",
        PRIORITY,
        "table",
        place="INBOX of jane@example.test",
        gets=b"Subject: [table] a-tag\r\n",
        **_do("tag"),
    ),
    taken(
        "a-addheader",
        "CON-2",
        PRIORITY,
        "table",
        place="INBOX of jane@example.test",
        gets=b"X-Added: by the table\r\n",
        **_do("addheader"),
    ),
    taken(
        "a-deleteheader",
        "CON-2",
        PRIORITY,
        "table",
        place="INBOX of jane@example.test",
        lacks=b"X-Unwanted",
        **_do("deleteheader", fields=(("X-Unwanted", "yes"),)),
    ),
    taken(
        "a-footer",
        "CON-2",
        PRIORITY,
        "table",
        place="INBOX of jane@example.test",
        gets=b"Footer of the table.",
        **_do("footer"),
    ),
    taken(
        "a-strip",
        "CON-2",
        PRIORITY,
        "table",
        place="INBOX of jane@example.test",
        gets=b"Taken out.",
        lacks=b"TVqQ",
        **_do("strip", attachments=(("bad.exe", b"MZ\x90\x00"),)),
    ),
    taken(
        "a-replace",
        "CON-2",
        PRIORITY,
        "table",
        place="INBOX of jane@example.test",
        gets=b"Another text.",
        lacks=b"plain message",
        **_do("replace"),
    ),
    taken("a-flag", "CON-2", PRIORITY, "table", "keeps it with \\Flagged", place="INBOX of jane@example.test", **_do("flag")),
    taken("a-notify", "CON-2", PRIORITY, "table", "notifies mailto:omar@example.org", **_do("notify")),
    held("a-delay", "CON-2", PRIORITY, "table", "holds it back for 86400 s", **_do("delay")),
    taken("a-route", "CON-2", PRIORITY, "table", "sends it by way of 127.0.0.1:9", **_do("route")),
    taken(
        "a-requiretls",
        "CON-2",
        PRIORITY,
        "table",
        "lets it leave over verified TLS only",
        rcpt=("away@example.test",),
        **_do("requiretls"),
    ),
    taken("a-nothing", "CON-2", "dispose", "committed", place="INBOX of jane@example.test"),
    taken("a-score", "CON-2", PRIORITY, "table", "adds to the score 70", verdict="score", **_points("70")),
    taken(
        "a-score-less",
        "CON-2",
        PRIORITY,
        "table",
        "adds to the score -30",
        verdict="score",
        place="INBOX of jane@example.test",
        **_points("-30"),
    ),
    taken(
        "a-score-set",
        "CON-2",
        PRIORITY,
        "table",
        "sets the score to 10",
        verdict="score",
        place="INBOX of jane@example.test",
        **_points("set"),
    ),
    refused(
        "a-domain-reject",
        "CON-2",
        DOMAIN,
        "table",
        verdict="pass",
        detail="refuses it",
        text="Not for this domain",
        fields=(("X-Domain", "reject"),),
    ),
    taken(
        "a-domain-score",
        "CON-2",
        "junk",
        "spam",
        "90 of 50 points",
        place="Junk Mail of jane@example.test",
        fields=(("X-Domain", "score"),),
    ),
    taken(
        "a-mine-file",
        "CON-2 CON-3",
        USER,
        "table",
        "files it into Lists/News",
        place="Lists/News of own@example.test",
        **_mine("file"),
    ),
    refused(
        "a-mine-reject",
        "CON-2 CON-3",
        USER,
        "table",
        verdict="pass",
        detail="refuses it",
        text="I do not want it",
        **_mine("reject"),
    ),
    dropped("a-mine-discard", "CON-2 CON-3", USER, "table", "drops it", **_mine("discard")),
    taken("a-mine-reply", "CON-2 CON-3", USER, "table", "answers a-mine-reply@elsewhere.test", **_mine("reply")),
    taken(
        "a-mine-redirect",
        "CON-2 CON-3",
        USER,
        "table",
        "sends it on to far@faraway.test",
        verdict="redirect",
        **_mine("redirect"),
    ),
    taken(
        "a-mine-keep-junk",
        "CON-2 CON-11",
        USER,
        "table",
        "keeps it",
        place="Junk Mail of own@example.test",
        fields=(("X-Mine", "keep"), ("X-Points", "70")),
        rcpt=("own@example.test",),
    ),
]
CASES = [*_conditions(), *ACTIONS]
