"""What connection and envelope decide: NET, INB, GRY, RTE, and the authentication of mail."""

from __future__ import annotations

from typing import Any

from support.policy.case import JANE, OMAR, Case, deferred, refused, taken
from support.signing import keypair, with_signature

INBOX = "INBOX of jane@example.test"
FAR: dict[str, Any] = {"rcpt": ("x@faraway.test",)}
PLAIN = b"From: $NAME@elsewhere.test\r\nTo: jane@example.test\r\nSubject: $NAME\r\nMessage-ID: <$NAME@table.test>\r\n\r\n"


def _signed(name: str, *, domain: str = "signed.test", spoil: bytes = b"") -> bytes:
    content = (
        f"From: x@{domain}\r\nTo: jane@example.test\r\nSubject: {name}\r\nMessage-ID: <{name}@table.test>\r\n"
        "\r\nSigned text.\r\n"
    ).encode()
    found = with_signature(content, keypair("ed25519").signer("signed.test"))
    return found.replace(b"Signed text", spoil) if spoil else found


NET = [
    taken("n-verified", "NET-2", "names", "verified", "192.0.2.10 is good.elsewhere.test", place=INBOX),
    taken("n-six", "NET-2", "names", "verified", client="2001:db8::10", helo="six.elsewhere.test", place=INBOX),
    taken("n-noname", "NET-2", "names", "failed", "it has no name in DNS", client="192.0.2.66", place=INBOX),
    taken("n-liar", "NET-2", "names", "failed", "does not lead back", client="192.0.2.67", place=INBOX),
    Case(
        "n-reject-address", ("NET-3",), 554, "No mail is taken from your address", client="198.51.100.66", helo="bad.hosts.test"
    ),
    Case("n-reject-partial", ("NET-3",), 554, "No mail is taken from your address", client="192.0.3.200"),
    refused("n-reject-sender", "NET-3", "reject-list", "sender", 554, sender="n@sub.badsender.test"),
    refused("n-reject-host", "NET-3", "reject-list", "host", 554, client="192.0.2.41", helo="mail.evil.test"),
    refused("n-relay", "NET-4", "envelope", "relay", text="Relaying denied", **FAR),
    refused("n-relay-percent", "NET-4", "envelope", "recipient", rcpt=("x%faraway.test@example.test",)),
    refused("n-relay-local", "NET-4", "envelope", "relay", sender="n-relay-local@example.org", **FAR),
    taken(
        "n-relay-network",
        "NET-4",
        "envelope",
        "relay",
        "network of 198.51.100.7",
        client="198.51.100.7",
        helo="net.relay.test",
        **FAR,
    ),
    taken(
        "n-relay-host",
        "NET-4",
        "envelope",
        "relay",
        "host relay.partner.test",
        client="203.0.113.20",
        helo="relay.partner.test",
        **FAR,
    ),
    taken("n-relay-domain", "NET-4", "envelope", "relay", "the listed domain partner.test", rcpt=("x@partner.test",)),
    taken("n-relay-user", "NET-4", "envelope", "relay", "the account omar@example.org", login=OMAR, sender=OMAR, **FAR),
    refused(
        "n-listed",
        "NET-5",
        "block-lists",
        "reject.lists.test",
        554,
        client="192.0.2.79",
        helo="listed.elsewhere.test",
        text="listed for the table",
    ),
    taken(
        "n-postmaster",
        "NET-5",
        "block-lists",
        "reject.lists.test",
        "postmaster hears everybody",
        client="192.0.2.79",
        helo="listed.elsewhere.test",
        rcpt=("postmaster@example.test",),
    ),
    taken("n-exempt", "NET-5", "dispose", "committed", client="192.0.2.75", helo="spared.elsewhere.test", place=INBOX),
    taken(
        "n-tagged",
        "NET-5 CON-11",
        "block-lists",
        "tag.lists.test",
        verdict="tag",
        client="192.0.2.78",
        helo="tagged.elsewhere.test",
        place="Junk Mail of jane@example.test",
        gets=b"X-RBL-Warning: 192.0.2.78 is listed",
    ),
    taken(
        "n-scored", "NET-5", "block-lists", "tag.lists.test", verdict="score", client="192.0.2.78", helo="tagged.elsewhere.test"
    ),
    taken("n-code", "NET-5", "junk", "spam", "70 of 50 points", client="192.0.2.77", helo="coded.elsewhere.test"),
    taken("n-other-code", "NET-5", "dispose", "committed", client="192.0.2.76", helo="counted.elsewhere.test", place=INBOX),
    taken("n-domain", "NET-5", "block-lists", "domains.lists.test", verdict="score", sender="n-domain@spammy.test"),
    Case(
        "n-flood",
        ("NET-1",),
        421,
        "Too many connections",
        client="192.0.2.11",
        helo="other.elsewhere.test",
        phase="limits",
        repeat=2,
    ),
]

INB = [
    Case("i-helo-bad", ("INB-1",), 501, "neither a host name", helo="not_a..name"),
    Case("i-helo-bare", ("INB-1",), 501, "neither a host name", helo="192.0.2.10"),
    Case("i-helo-mine", ("INB-1",), 550, "That name is mine", helo="mx.example.test"),
    taken("i-helo-literal", "INB-1", "dispose", "committed", helo="[192.0.2.10]", place=INBOX),
    taken("i-helo-other", "INB-1", "helo", "mismatch", "greeted as other.elsewhere.test", helo="other.elsewhere.test"),
    refused("i-helo-strict", "INB-1", "helo", "mismatch", 550, helo="other.elsewhere.test", phase="strict"),
    taken("i-helo-lenient", "INB-1", "dispose", "committed", helo="not_a..name", phase="lenient"),
    refused("i-tls", "INB-2", "envelope", "starttls", 530, phase="tls"),
    taken("i-tls-used", "INB-2", "dispose", "committed", phase="tls", tls=True, place=INBOX),
    refused("i-auth", "INB-3", "envelope", "authentication", 530, phase="auth"),
    taken("i-auth-relay", "INB-3", "dispose", "committed", phase="auth", client="198.51.100.7", helo="net.relay.test"),
    taken("i-auth-used", "INB-3", "dispose", "committed", phase="auth", login=OMAR, sender=OMAR),
    taken("i-sender", "INB-4", "sender", "domain", "elsewhere.test is there"),
    taken("i-sender-a", "INB-4", "sender", "domain", "onlya.test is there", sender="i-sender-a@onlya.test"),
    refused("i-sender-none", "INB-4", "sender", "domain", sender="i@nowhere-at-all.test", detail="does not exist"),
    refused("i-sender-empty", "INB-4", "sender", "domain", sender="i@empty.test", detail="has no MX, A or AAAA record"),
    refused("i-sender-null-mx", "INB-4", "sender", "null-mx", sender="i@nullmx.test"),
    taken("i-sender-lenient", "INB-4", "dispose", "committed", sender="i-lenient@nowhere-at-all.test", phase="lenient"),
    taken("i-null-sender", "INB-4 INB-9", "dispose", "committed", null=True, place=INBOX),
    refused("i-unknown", "INB-5 INB-9", "envelope", "recipient", text="No such user", rcpt=("nobody-i@example.test",)),
    refused("i-disabled", "INB-5", "envelope", "recipient", rcpt=("gone@example.test",), text="disabled"),
    taken(
        "i-one-of-two",
        "INB-5 INB-9",
        "envelope",
        "recipient",
        verdict="refuse",
        rcpt=("nobody-j@example.test", JANE),
        place=INBOX,
    ),
    refused("i-checked", "INB-5", "envelope", "unknown-recipient", phase="check", rcpt=("nobody@checked.test",)),
    taken("i-known", "INB-5", "dispose", "committed", phase="check", rcpt=("known@checked.test",)),
    refused("i-large", "INB-7", "smtp", "protocol", 552, body=("z" * 70 + "\r\n") * 4000),
    Case("i-announced", ("INB-7",), 552, "", params=" SIZE=99999999"),
    refused("i-bare-newline", "INB-8", "smtp", "protocol", 550, content=PLAIN + b"one\ntwo\r\n"),
    refused("i-smuggling", "INB-8", "smtp", "protocol", 550, content=PLAIN + b"x\n.\nMAIL FROM:<evil@elsewhere.test>\r\n"),
    taken(
        "i-normalised",
        "INB-8",
        "dispose",
        "committed",
        content=PLAIN + b"one\ntwo\r\n",
        phase="lenient",
        place=INBOX,
        gets=b"one\r\ntwo\r\n",
    ),
    taken(
        "i-eight-bit",
        "INB-8",
        "dispose",
        "committed",
        content=PLAIN + "grün\r\n".encode(),
        params=" BODY=8BITMIME",
        place=INBOX,
    ),
    refused(
        "i-loop",
        "INB-9",
        "content",
        "hops",
        554,
        content=b"Received: from a by b; Tue, 24 Nov 2026 10:00:00 +0000\r\n" * 25 + PLAIN,
    ),
    refused("i-headers", "INB-9", "content", "limits", 554, content=b"X-Many: x\r\n" * 120 + PLAIN + b"x\r\n"),
    refused(
        "i-nest",
        "INB-9",
        "content",
        "limits",
        554,
        content=PLAIN[:-2] + b"Content-Type: message/rfc822\r\n\r\n" * 12 + b"x\r\n",
    ),
    taken("i-params", "INB-8", "dispose", "committed", params=" SIZE=1000", place=INBOX),
]

GRY = [
    deferred("g-new", "GRY-1", "greylist", "unknown", 450, phase="greylist", text="mailbox temporarily unavailable"),
    taken("g-retried", "GRY-1", "greylist", "retried", phase="greylist", repeat=1, place=INBOX),
    taken("g-known", "GRY-1", "greylist", "known", phase="greylist", repeat=2),
    deferred("g-early", "GRY-1", "greylist", "early", 450, phase="early", repeat=1),
    taken("g-vip", "GRY-2", "greylist", "exempt", phase="greylist", sender="g-vip@vip.elsewhere.test"),
    taken("g-vip-host", "GRY-2", "greylist", "exempt", phase="greylist", client="192.0.2.11", helo="other.elsewhere.test"),
    taken("g-postmaster", "GRY-2", "greylist", "exempt", phase="greylist", rcpt=("postmaster@example.test",)),
    taken("g-relay", "GRY-2", "greylist", "exempt", phase="greylist", client="198.51.100.7", helo="net.relay.test"),
    taken("g-user", "GRY-2", "dispose", "committed", phase="greylist", login=OMAR, sender=OMAR),
    deferred("g-null", "GRY-2", "greylist", "unknown", 450, phase="greylist", null=True, rcpt=("staff@example.test",)),
    refused("g-unknown-first", "GRY-1 INB-5", "envelope", "recipient", phase="greylist", rcpt=("nobody-g@example.test",)),
    taken("g-learning", "GRY-4", "greylist", "learning", "would have waited", phase="learning", place=INBOX),
]

RTE = [
    taken("r-local", "RTE-5", "route", "plan", "jane@example.test to INBOX of jane@example.test", place=INBOX),
    taken("r-domain", "RTE-1", "envelope", "route", "x@routed.test is routed to 127.0.0.1", rcpt=("x@routed.test",)),
    taken("r-single", "RTE-1", "route", "plan", "single@example.test to 127.0.0.1:9", rcpt=("single@example.test",)),
    taken("r-lmtp", "RTE-1", "route", "plan", "lmtp://127.0.0.1:9", rcpt=("x@lmtp.test",)),
    taken("r-catch-all", "RTE-1", "dispose", "committed", rcpt=("whoever@catch.test",), place=INBOX),
    taken("r-smart-host", "RTE-1", "route", "plan", "the smart host", login=OMAR, sender=OMAR, **FAR),
    taken("r-router", "RTE-3", "route", "plan", "127.0.0.1:9", phase="router", rcpt=(JANE,)),
    taken(
        "r-list",
        "RTE-4",
        "route",
        "plan",
        "to INBOX of omar@example.org",
        rcpt=("list@example.test",),
        place="INBOX of omar@example.org",
    ),
    taken("r-list-twice", "RTE-4", "dispose", "committed", "on disk for 2 recipients", rcpt=("list@example.test", JANE, OMAR)),
    taken("r-forward", "RTE-4", "envelope", "recipient", "away@example.test is ours", rcpt=("away@example.test",)),
    refused("r-loop", "RTE-4", "envelope", "recipient", detail="loop", rcpt=("loop@example.test",)),
    taken("r-plus", "RTE-4", "route", "plan", "to news, or INBOX", rcpt=("jane+news@example.test",), place=INBOX),
    taken("r-case", "RTE-4", "dispose", "committed", rcpt=("JANE@Example.TEST",), place=INBOX),
]

MAU = [
    taken("m-spf-pass", "MAU-1", "authenticate", "spf-mailfrom", "pass:", place=INBOX),
    taken("m-spf-fail", "MAU-1", "authenticate", "spf-mailfrom", "fail:", sender="m@spffail.test"),
    refused("m-spf-reject", "MAU-1", "authenticate", "spf", 550, sender="m-reject@spffail.test", phase="strict", text="(SPF)"),
    taken("m-spf-soft", "MAU-1", "authenticate", "spf-mailfrom", "softfail:", sender="m@softfail.test"),
    taken("m-spf-neutral", "MAU-1", "authenticate", "spf-mailfrom", "neutral:", sender="m@neutral.test"),
    taken("m-spf-broken", "MAU-1", "authenticate", "spf-mailfrom", "permerror:", sender="m@broken.test"),
    taken("m-spf-none", "MAU-1", "authenticate", "spf-mailfrom", "none:", sender="m@onlya.test"),
    taken("m-dkim-pass", "MAU-1", "authenticate", "dkim", "pass: signed.test", content=_signed("m-dkim-pass"), place=INBOX),
    taken(
        "m-dkim-fail",
        "MAU-1",
        "authenticate",
        "dkim",
        "fail: signed.test",
        content=_signed("m-dkim-fail", domain="elsewhere.test", spoil=b"Other text"),
    ),
    refused(
        "m-dmarc-forged",
        "MAU-1",
        "authenticate",
        "dmarc",
        550,
        content=_signed("m-dmarc-forged", spoil=b"Other text"),
        text="(DMARC)",
    ),
    taken("m-dmarc-pass", "MAU-1", "authenticate", "dmarc", "pass:", content=_signed("m-dmarc-pass")),
    refused("m-dmarc-reject", "MAU-1", "authenticate", "dmarc", 550, author="boss@strict.test", text="strict.test"),
    taken("m-dmarc-mark", "MAU-1", "authenticate", "dmarc", "fail:", author="boss@strict.test", phase="lenient"),
    taken(
        "m-dmarc-enforce",
        "MAU-1 CON-11",
        "authenticate",
        "dmarc",
        verdict="score",
        author="boss@wary.test",
        place="Junk Mail of jane@example.test",
    ),
    taken(
        "m-results", "MAU-1", "authenticate", "results", "spf=pass", verdict="tag", place=INBOX, gets=b"Authentication-Results:"
    ),
    taken(
        "m-forged-results",
        "MAU-1",
        "dispose",
        "committed",
        place=INBOX,
        lacks=b"forged-by-a-stranger",
        fields=(("Authentication-Results", "mx.example.test; dkim=pass (forged-by-a-stranger)"),),
    ),
    taken(
        "m-ours",
        "MAU-1",
        "dispose",
        "committed",
        login=OMAR,
        sender=OMAR,
        rcpt=(JANE,),
        place=INBOX,
        lacks=b"Authentication-Results",
    ),
]

CASES = [*NET, *INB, *GRY, *RTE, *MAU]
