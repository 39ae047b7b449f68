"""Where mail for a domain is taken to: MX order, implicit MX, null MX, no way back to this node."""

from __future__ import annotations

import pytest

from posthouse.backends.memory.resolver import MemoryResolver
from posthouse.base.errors import MailError, Permanent, Temporary
from posthouse.model.settings import QueueSettings
from posthouse.queue.targets import NoMail, Targets

RECORDS = {
    ("two.test", "MX"): ["20 b.two.test", "10 a.two.test"],
    ("a.two.test", "A"): ["192.0.2.1"],
    ("a.two.test", "AAAA"): ["2001:db8::1"],
    ("b.two.test", "A"): ["192.0.2.2"],
    ("plain.test", "A"): ["192.0.2.3"],
    ("null.test", "MX"): ["0 ."],
    ("mixed.test", "MX"): ["0 .", "10 b.two.test"],
    ("self.test", "MX"): ["10 mx.example.test"],
    ("backup.test", "MX"): ["5 b.two.test", "10 mx.example.test", "20 a.two.test"],
    ("evil.test", "MX"): ["10 evil.test"],
    ("evil.test", "A"): ["127.0.0.1"],
    ("nothing.test", "TXT"): ["x"],
    ("broken.test", "FAIL"): [],
    ("half.test", "MX"): ["10 broken.test", "20 b.two.test"],
}


def targets(**settings: object) -> Targets:
    return Targets(
        MemoryResolver(RECORDS),
        lambda: QueueSettings(**settings),  # type: ignore[arg-type]
        lambda: ["mx.example.test"],
        lambda group: None,
    )


@pytest.mark.parametrize(
    ("domain", "hop", "found"),
    [
        ("two.test", "", ["2001:db8::1", "192.0.2.1", "192.0.2.2"]),
        ("plain.test", "", ["192.0.2.3"]),
        ("half.test", "", ["192.0.2.2"]),
        ("mixed.test", "", ["192.0.2.2"]),
        ("backup.test", "", ["192.0.2.2"]),
        ("[192.0.2.9]", "", ["192.0.2.9"]),
        ("[IPv6:2001:db8::9]", "", ["2001:db8::9"]),
        ("two.test", "plain.test:2525", ["192.0.2.3"]),
        ("two.test", "127.0.0.1:2525", ["127.0.0.1"]),
    ],
)
async def test_addresses_come_in_the_order_to_try(domain: str, hop: str, found: list[str]) -> None:
    assert [target.address for target in await targets().find(domain, hop)] == found


async def test_a_next_hop_says_port_protocol_and_tls() -> None:
    [target] = await targets().find("x.test", "lmtp://plain.test:2424/required")
    assert (target.port, target.protocol, target.tls) == (2424, "lmtp", "required")


@pytest.mark.parametrize(
    ("domain", "kind", "enhanced"),
    [
        ("null.test", NoMail, "5.1.10"),
        ("nxdomain.test", NoMail, "5.1.2"),
        ("nothing.test", NoMail, "5.4.4"),
        ("self.test", Permanent, "5.4.6"),
        ("evil.test", Permanent, "5.4.4"),
        ("[127.0.0.1]", Permanent, "5.4.4"),
        ("[IPv6:nonsense]", NoMail, "5.1.2"),
        ("broken.test", Temporary, "4.4.3"),
    ],
)
async def test_what_leads_nowhere_says_why(domain: str, kind: type[MailError], enhanced: str) -> None:
    with pytest.raises(kind) as failure:
        await targets().find(domain, "")
    assert failure.value.enhanced == enhanced


async def test_a_next_hop_that_is_not_understood_may_be_put_right_later() -> None:
    with pytest.raises(Temporary, match="not understood"):
        await targets().find("two.test", "no such host!")


async def test_loopback_may_be_allowed() -> None:
    assert [target.address for target in await targets(allow_loopback=True).find("evil.test", "")] == ["127.0.0.1"]
