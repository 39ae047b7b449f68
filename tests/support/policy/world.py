"""The world of the table: DNS, users, routes, lists, scripts, and the settings of each phase."""

from __future__ import annotations

from support.policy.filters import DOMAIN_SCRIPT, SYSTEM_SCRIPT, USER_SCRIPT
from support.signing import keypair

GOOD_SPF = "v=spf1 ip4:192.0.2.0/27 -all"
RECORDS: dict[tuple[str, str], list[str]] = {
    ("elsewhere.test", "MX"): ["10 good.elsewhere.test"],
    ("elsewhere.test", "TXT"): [GOOD_SPF],
    ("vip.elsewhere.test", "MX"): ["10 good.elsewhere.test"],
    ("bulk.elsewhere.test", "MX"): ["10 good.elsewhere.test"],
    ("faraway.test", "MX"): ["10 nobody.faraway.test"],
    ("friend.test", "MX"): ["10 good.elsewhere.test"],
    ("friend.test", "TXT"): [GOOD_SPF],
    ("_dmarc.friend.test", "TXT"): ["v=DMARC1; p=reject"],
    ("empty.test", "TXT"): ["nothing but this"],
    ("nullmx.test", "MX"): ["0 ."],
    ("onlya.test", "A"): ["192.0.2.10"],
    ("spffail.test", "MX"): ["10 good.elsewhere.test"],
    ("spffail.test", "TXT"): ["v=spf1 ip4:203.0.113.99 -all"],
    ("softfail.test", "MX"): ["10 good.elsewhere.test"],
    ("softfail.test", "TXT"): ["v=spf1 ~all"],
    ("neutral.test", "MX"): ["10 good.elsewhere.test"],
    ("neutral.test", "TXT"): ["v=spf1 ?all"],
    ("broken.test", "MX"): ["10 good.elsewhere.test"],
    ("broken.test", "TXT"): ["v=spf1 nonsense:x -all"],
    ("strict.test", "MX"): ["10 good.elsewhere.test"],
    ("_dmarc.strict.test", "TXT"): ["v=DMARC1; p=reject"],
    ("wary.test", "MX"): ["10 good.elsewhere.test"],
    ("_dmarc.wary.test", "TXT"): ["v=DMARC1; p=quarantine"],
    ("signed.test", "MX"): ["10 good.elsewhere.test"],
    ("_dmarc.signed.test", "TXT"): ["v=DMARC1; p=reject"],
    ("s1._domainkey.signed.test", "TXT"): [keypair("ed25519").record],
    ("spammy.test", "MX"): ["10 good.elsewhere.test"],
    ("badsender.test", "MX"): ["10 good.elsewhere.test"],
    ("79.2.0.192.reject.lists.test", "A"): ["127.0.0.2"],
    ("79.2.0.192.reject.lists.test", "TXT"): ["listed for the table"],
    ("78.2.0.192.tag.lists.test", "A"): ["127.0.0.2"],
    ("77.2.0.192.codes.lists.test", "A"): ["127.0.0.9"],
    ("76.2.0.192.codes.lists.test", "A"): ["127.0.0.4"],
    ("75.2.0.192.reject.lists.test", "A"): ["127.0.0.2"],
    ("spammy.test.domains.lists.test", "A"): ["127.0.1.2"],
    ("2.0.0.127.reject.lists.test", "A"): ["127.0.0.2"],
}
HOSTS = {
    "192.0.2.10": "good.elsewhere.test",
    "192.0.2.11": "other.elsewhere.test",
    "192.0.2.12": "third.elsewhere.test",
    "192.0.2.40": "outside.elsewhere.test",
    "192.0.2.41": "mail.evil.test",
    "192.0.2.79": "listed.elsewhere.test",
    "192.0.2.78": "tagged.elsewhere.test",
    "192.0.2.77": "coded.elsewhere.test",
    "192.0.2.76": "counted.elsewhere.test",
    "192.0.2.75": "spared.elsewhere.test",
    "203.0.113.20": "relay.partner.test",
    "198.51.100.7": "net.relay.test",
    "198.51.100.66": "bad.hosts.test",
}
for _address, _name in HOSTS.items():
    RECORDS[_name, "A"] = [_address]
    RECORDS[_address, "PTR"] = [_name]
RECORDS["192.0.2.67", "PTR"] = ["good.elsewhere.test"]  # which does not lead back
RECORDS["2001:db8::10", "PTR"] = ["six.elsewhere.test"]
RECORDS["six.elsewhere.test", "AAAA"] = ["2001:db8::10"]

SETTINGS = {
    "smtp.proxy_networks": "127.0.0.1/32",
    "smtp.relay_networks": "198.51.100.0/28",
    "smtp.relay_domains": "partner.test",
    "smtp.tarpit_s": "0",
    "smtp.harvest_free": "1000",
    "smtp.max_hops": "20",
    "smtp.max_parts": "20",
    "smtp.max_part_depth": "6",
    "smtp.max_headers": "100",
    "smtp.max_message_bytes": "200000",
    "antispam.engines": "",
    "outbreak.enabled": "on",
    "antivirus.remember_s": "0",
    "mailauth.dmarc": "reject",
    "mailauth.dmarc_domains": "wary.test=enforce",
    "route.smart_host": "127.0.0.1:9",
}
USERS = ("jane", "omar", "tag", "deliver", "quarantine", "reject", "off", "exclusive", "blockreject", "blockdiscard", "points",
         "gone", "full", "own")  # fmt: skip
"""Of example.test, but for omar of example.org."""
COMMANDS = """
domain add catch.test
user set gone@example.test --enabled off
user set full@example.test --quota-messages 1
domain set catch.test --catch-all jane@example.test
alias add list@example.test jane@example.test omar@example.org
alias add away@example.test far@faraway.test
alias add staff@example.test jane@example.test
alias add loop@example.test pool@example.test
alias add pool@example.test loop@example.test
route add routed.test 127.0.0.1:9
route add single@example.test 127.0.0.1:9
route add lmtp.test lmtp://127.0.0.1:9
route add checked.test 127.0.0.1:9
route add known@checked.test 127.0.0.1:9
alias add postmaster@example.test jane@example.test
reject add 198.51.100.64/28 --note "a bad network"
reject add badsender.test
reject add evil.test
reject add 192.0.3.
dnsbl add reject.lists.test --action reject --exempt 192.0.2.75
dnsbl add tag.lists.test --action tag --points 60
dnsbl add codes.lists.test --action tag --codes "127.0.0.9=70" --points 1
dnsbl add domains.lists.test --about domain --action tag --points 60
junk set --user tag@example.test --action tag
junk set --user deliver@example.test --action deliver
junk set --user quarantine@example.test --action quarantine
junk set --user reject@example.test --action reject
junk filter off@example.test off
junk filter exclusive@example.test exclusive
junk set --user blockreject@example.test --blocked reject
junk set --user blockdiscard@example.test --blocked discard
junk set --user points@example.test --reject-points 200 --spam-points 80
sender block blocked@elsewhere.test --system
sender block *@bulk.elsewhere.test --domain example.test
sender block foe@elsewhere.test --user own@example.test
sender block allowed-anyway@elsewhere.test --system
sender allow allowed-anyway@elsewhere.test --user own@example.test
sender allow friend.test --system
sender allow list@example.test --system --recipients
sender allow boss@elsewhere.test --user exclusive@example.test
wordlist add secrets "project x" merger --weight 30
wordlist add secrets invoice --weight -40
"""
SCRIPTS = (
    (("filter", "load", "--system", "--script", "table"), SYSTEM_SCRIPT),
    (("filter", "load", "--domain", "example.test", "--script", "table"), DOMAIN_SCRIPT),
    (("filter", "load", "--user", "own@example.test", "--script", "table"), USER_SCRIPT),
)
PHASES: dict[str, dict[str, str]] = {
    "base": {},
    "strict": {"smtp.helo_mismatch": "reject", "mailauth.spf_fail": "reject"},
    "tls": {"smtp.starttls": "required"},
    "auth": {"smtp.auth": "required"},
    "lenient": {
        "smtp.helo_check": "off",
        "smtp.sender_check": "off",
        "smtp.bare_newline": "normalise",
        "mailauth.dmarc": "mark",
    },
    "check": {"smtp.recipient_check": "routes"},
    "router": {"route.message_router": "127.0.0.1:9"},
    "greylist": {
        "greylist.mode": "on",
        "greylist.earliest_s": "0",
        "greylist.auto_allow": "0",
        "greylist.allowed_senders": "vip.elsewhere.test other.elsewhere.test",
    },
    "early": {"greylist.mode": "on", "greylist.earliest_s": "3600", "greylist.auto_allow": "0"},
    "learning": {"greylist.mode": "learning", "greylist.auto_allow": "0"},
    "virus": {"outbreak.enabled": "off", "antivirus.engines": "$CLAMD?name=clamd"},
    "virus-drop": {"outbreak.enabled": "off", "antivirus.engines": "$CLAMD?name=clamd&action=discard"},
    "virus-hold": {
        "outbreak.enabled": "off",
        "antivirus.engines": "$CLAMD?name=clamd&action=quarantine",
        "antivirus.encrypted": "quarantine",
    },
    "virus-strip": {"outbreak.enabled": "off", "antivirus.engines": "$CLAMD?name=clamd&action=strip"},
    "virus-down": {"antivirus.engines": "clamd://127.0.0.1:9?name=clamd"},
    "virus-pass": {"antivirus.engines": "clamd://127.0.0.1:9?name=clamd&down=pass"},
    "outbreak": {"outbreak.spread_messages": "2", "outbreak.spread_networks": "2"},
    "outbreak-and-virus": {
        "outbreak.spread_messages": "2",
        "outbreak.spread_networks": "2",
        "antivirus.engines": "$CLAMD?name=clamd",
    },
    "rules": {"antispam.engines": "embedded", "scorer.rule_groups": "default no8bit"},
    "scorer-down": {"antispam.engines": "spamd://127.0.0.1:9", "antispam.failure": "defer"},
    "scorer-left-out": {"antispam.engines": "spamd://127.0.0.1:9"},
    "limits": {"smtp.dos_prevention": "on", "smtp.max_new_per_address": "2"},
}
"""What differs from ``SETTINGS``; in this order, which keeps together what is slow to change."""
