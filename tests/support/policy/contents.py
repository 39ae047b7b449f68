"""What the content decides beyond filters: lists of senders, junk, viruses, archives, outbreaks, engines that are down."""

from __future__ import annotations

from typing import Any

from support import archives
from support.clamav import EICAR, EICAR_NAME, MARKER
from support.policy.case import JANE, Case, deferred, dropped, held, refused, taken

INBOX = "INBOX of jane@example.test"
JUNK = "Junk Mail of jane@example.test"
SPAM: dict[str, Any] = {"fields": (("X-Points", "70"),)}
CERTAIN: dict[str, Any] = {"fields": (("X-Points", "250"),)}
EXE = (("tool.exe", b"MZ" + bytes(range(256)) * 8),)


def _for(user: str) -> dict[str, Any]:
    return {"rcpt": (f"{user}@example.test",)}


LISTS = [
    taken("l-allowed", "CON-12", "junk", "allowed-sender", "friend.test", sender="l@friend.test", place=INBOX, **SPAM),
    taken("l-allowed-unproven", "CON-12", "junk", "not-allowed", "friend.test", author="l2@friend.test", phase="lenient"),
    taken(
        "l-recipient",
        "CON-12",
        "junk",
        "allowed-recipient",
        "list@example.test",
        rcpt=("list@example.test",),
        place=INBOX,
        **SPAM,
    ),
    taken("l-blocked", "CON-12", "junk", "blocked-sender", "the list of the site", sender="blocked@elsewhere.test", place=JUNK),
    taken(
        "l-blocked-author",
        "CON-12",
        "junk",
        "blocked-sender",
        "the list of the site",
        author="blocked@elsewhere.test",
        place=JUNK,
    ),
    taken(
        "l-blocked-pattern",
        "CON-12",
        "junk",
        "blocked-sender",
        "@bulk.elsewhere.test",
        sender="l-any@bulk.elsewhere.test",
        place=JUNK,
    ),
    taken(
        "l-blocked-own",
        "CON-12",
        "junk",
        "blocked-sender",
        "the list of own@example.test",
        sender="foe@elsewhere.test",
        place="Junk Mail of own@example.test",
        **_for("own"),
    ),
    taken("l-blocked-other", "CON-12", "dispose", "committed", author="foe@elsewhere.test", place=INBOX),
    taken(
        "l-order",
        "CON-12",
        "junk",
        "allowed-sender",
        "own@example.test",
        author="allowed-anyway@elsewhere.test",
        sender="allowed-anyway@elsewhere.test",
        place="INBOX of own@example.test",
        **_for("own"),
    ),
    refused(
        "l-block-reject",
        "CON-12",
        "junk",
        "blocked-sender",
        verdict="pass",
        author="blocked@elsewhere.test",
        **_for("blockreject"),
    ),
    dropped("l-block-discard", "CON-12", "junk", "blocked-sender", author="blocked@elsewhere.test", **_for("blockdiscard")),
]

RESULTS = [
    taken("j-ham", "CON-11", "dispose", "committed", place=INBOX, fields=(("X-Points", "20"),)),
    taken("j-move", "CON-11", "junk", "spam", "70 of 50 points", place=JUNK, **SPAM),
    taken(
        "j-tag",
        "CON-11",
        "junk",
        "spam",
        "subject tagged",
        place="INBOX of tag@example.test",
        gets=b"Subject: Spam? j-tag\r\n",
        **SPAM,
        **_for("tag"),
    ),
    taken("j-deliver", "CON-11", "junk", "spam", place="INBOX of deliver@example.test", **SPAM, **_for("deliver")),
    held("j-quarantine", "CON-11 QTN-1 QTN-2", "junk", "spam", "held in the quarantine", **SPAM, **_for("quarantine")),
    refused("j-reject", "CON-11", "junk", "spam", verdict="pass", text="refused as spam", **SPAM, **_for("reject")),
    taken(
        "j-milder",
        "CON-11",
        "junk",
        "spam",
        "moved into Junk Mail",
        rcpt=("reject@example.test", JANE),
        place="Junk Mail of reject@example.test",
        **SPAM,
    ),
    taken("j-points", "CON-11", "dispose", "committed", place="INBOX of points@example.test", **SPAM, **_for("points")),
    refused("j-points-reject", "CON-11", "junk", "spam", verdict="pass", **CERTAIN, **_for("points")),
    taken("j-off", "CON-13", "junk", "off", place="INBOX of off@example.test", **SPAM, **_for("off")),
    taken("j-exclusive", "CON-13", "junk", "exclusive", place="Junk Mail of exclusive@example.test", **_for("exclusive")),
    taken(
        "j-exclusive-friend",
        "CON-13",
        "junk",
        "allowed-sender",
        sender="boss@elsewhere.test",
        place="INBOX of exclusive@example.test",
        **_for("exclusive"),
    ),
    taken(
        "j-forged-score",
        "CON-8",
        "antispam",
        "forged",
        "x-spam-status",
        place=INBOX,
        lacks=b"score=-100",
        fields=(("X-Spam-Status", "No, score=-100"),),
    ),
    taken(
        "j-upstream",
        "CON-8",
        "antispam",
        "upstream",
        verdict="score",
        client="198.51.100.7",
        helo="net.relay.test",
        place=JUNK,
        fields=(("X-Junkmail-Status", "score=90/50, host=gw.example.test"),),
    ),
    deferred("j-engine-defer", "CON-8", "antispam", "spamassassin", 451, phase="scorer-down"),
    taken("j-engine-out", "CON-8", "antispam", "spamassassin", "left out", phase="scorer-left-out", place=INBOX),
]

VIRUS = [
    refused(
        "v-reject",
        "CON-5",
        "antivirus",
        "clamd",
        554,
        detail=EICAR_NAME,
        phase="virus",
        attachments=(("eicar.com", EICAR),),
        text="infected",
    ),
    refused(
        "v-zip",
        "CON-5 CON-14",
        "antivirus",
        "clamd",
        554,
        phase="virus",
        attachments=(("e.zip", archives.zipped({"eicar.com": EICAR})),),
    ),
    refused("v-body", "CON-5", "antivirus", "clamd", 554, phase="virus", body=MARKER.decode() + "\r\n"),
    taken("v-clean", "CON-5", "antivirus", "clamd", "clean", phase="virus", place=INBOX),
    dropped("v-discard", "CON-5", "antivirus", "clamd", phase="virus-drop", attachments=(("eicar.com", EICAR),)),
    held(
        "v-quarantine",
        "CON-5 QTN-1",
        "antivirus",
        "clamd",
        phase="virus-hold",
        verdict="hold",
        attachments=(("eicar.com", EICAR),),
    ),
    held(
        "v-encrypted",
        "CON-5 CON-14",
        "antivirus",
        "encrypted",
        phase="virus-hold",
        attachments=(("e.zip", archives.encrypted_zip("a.exe", b"MZ")),),
    ),
    taken(
        "v-strip",
        "CON-5",
        "antivirus",
        "clamd",
        phase="virus-strip",
        verdict="tag",
        place=INBOX,
        lacks=b"WDVPIVAl",
        attachments=(("eicar.com", EICAR), ("ok.txt", b"fine")),
    ),
    held(
        "c-virus",
        "CON-1",
        "domain-filters",
        "table",
        "holds it in quarantine c-virus",
        phase="virus-strip",
        attachments=(("eicar.com", EICAR),),
        fields=(("X-c-virus", "1"),),
    ),
    deferred("v-down", "CON-5", "antivirus", "clamd", 451, phase="virus-down"),
    taken("v-pass", "CON-5", "antivirus", "clamd", phase="virus-pass", verdict="tag", place=INBOX),
    refused(
        "v-bomb", "CON-14", "antivirus", "bomb", 554, attachments=(("bomb.zip", archives.zipped({"zeros": bytes(30 << 20)})),)
    ),
    refused("v-nested", "CON-14", "antivirus", "bomb", 554, attachments=(("deep.zip", archives.nested(40)),)),
    taken(
        "v-marked",
        "CON-14",
        "dispose",
        "committed",
        place=INBOX,
        attachments=(("e.zip", archives.encrypted_zip("a.txt", b"x")),),
    ),
]

OUTBREAK = [
    taken(
        "o-first",
        "CON-7",
        "dispose",
        "committed",
        phase="outbreak",
        client="192.0.2.12",
        helo="third.elsewhere.test",
        place=INBOX,
        attachments=EXE,
    ),
    held(
        "o-spread",
        "CON-7 QTN-1",
        "outbreak",
        "spread",
        "tool.exe",
        phase="outbreak",
        verdict="hold",
        client="203.0.113.20",
        helo="relay.partner.test",
        attachments=EXE,
    ),
    taken(
        "o-harmless", "CON-7", "dispose", "committed", phase="outbreak", place=INBOX, attachments=(("note.txt", b"harmless"),)
    ),
]

RULES = [
    taken(
        "r-alphabet",
        "CON-8 CON-10",
        "antispam",
        "embedded",
        "ALPHABET_CYRILLIC",
        phase="rules",
        body="Это письмо о погоде.\r\n" * 5,
    ),
    taken("r-ham", "CON-8 CON-10", "antispam", "total", "5 of 50 points", phase="rules", place=INBOX),
]

ORDER = [
    held(
        "n-priority-filter-before-virus",
        "CON-1 CON-5",
        "priority-filters",
        "table",
        "holds it in quarantine caught",
        phase="virus",
        fields=(("X-Do", "quarantine"),),
        attachments=(("eicar.com", EICAR),),
    ),
    refused(
        "n-virus-before-it-spreads",
        "CON-5 CON-7",
        "antivirus",
        "clamd",
        554,
        phase="outbreak-and-virus",
        client="192.0.2.12",
        helo="third.elsewhere.test",
        attachments=(("worm.exe", EICAR),),
    ),
    held(
        "n-outbreak-before-virus",
        "CON-5 CON-7",
        "outbreak",
        "spread",
        "worm.exe",
        phase="outbreak-and-virus",
        client="203.0.113.20",
        helo="relay.partner.test",
        attachments=(("worm.exe", EICAR),),
    ),
    refused(
        "n-virus-before-spam",
        "CON-5 CON-11",
        "antivirus",
        "clamd",
        554,
        phase="virus",
        attachments=(("eicar.com", EICAR),),
        **CERTAIN,
        **_for("reject"),
    ),
    refused(
        "n-domain-filter-before-lists",
        "CON-2 CON-12",
        "domain-filters",
        "table",
        verdict="pass",
        detail="refuses it",
        text="Not for this domain",
        author="blocked@elsewhere.test",
        fields=(("X-Domain", "reject"),),
        **_for("blockreject"),
    ),
    taken(
        "n-lists-before-user-filter",
        "CON-3 CON-12",
        "junk",
        "blocked-sender",
        "the list of own@example.test",
        sender="foe@elsewhere.test",
        fields=(("X-Mine", "keep"),),
        place="Junk Mail of own@example.test",
        **_for("own"),
    ),
]
"""What two stages would decide: the earlier one does."""

CASES: list[Case] = [*LISTS, *RESULTS, *VIRUS, *OUTBREAK, *RULES, *ORDER]
