"""A stranger whose every command is put off, and who goes on and on: it ends, and what is noted of it is bounded."""

from __future__ import annotations

from pathlib import Path

from posthouse.servers.smtp.session import MAX_PUT_OFF
from support.clients import SmtpWire, proxy_v1
from support.lying_dns import LyingDns
from support.node import running

STRANGER = "192.0.2.66"
TOGETHER = 100


def test_attack_recipients_without_end_that_are_all_greylisted_end_the_connection(tmp_path: Path) -> None:
    """Only refusals for good were counted: each 450 left a line in the trace and a place in memory, for an hour."""
    lying = LyingDns()
    lying.add_host("mail.good.test", STRANGER)
    lying.add_mx("good.test", "mail.good.test")
    with lying, running(tmp_path, workers=1, services=("smtp",), extra=lying.toml) as node:
        node.run("smtp", "set", "proxy_networks", "127.0.0.1/32")
        node.run("greylist", "set", "mode", "on")
        with SmtpWire(node.ports["smtp"], first=proxy_v1(STRANGER)) as wire:
            wire.greeted("mail.good.test")
            assert wire.ask("MAIL FROM:<ann@good.test>").startswith("250")
            said: list[str] = []
            for start in range(0, MAX_PUT_OFF, TOGETHER):
                wire.send("\r\n".join(f"RCPT TO:<jane+{start + place}@example.test>" for place in range(TOGETHER)))
                said += wire.replies(TOGETHER)
            assert {reply[:3] for reply in said} == {"450"}
            assert wire.ask("RCPT TO:<jane@example.test>").startswith("421")
            assert wire.ends()
        [trace] = node.json("mail", "trace", "--sender", "ann@good.test")
        assert trace["outcome"] == "deferred"
