"""SPF against pyspf, on policies that hypothesis puts together over one small zone."""

from __future__ import annotations

import asyncio
import ipaddress
import warnings
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from posthouse.backends.memory.resolver import MemoryResolver
from posthouse.mailauth.spf.check import Client, check_mail_from

with warnings.catch_warnings():  # Its docstrings have escapes that Python warns of.
    warnings.simplefilter("ignore")
    import spf  # type: ignore[import-untyped]

HOSTS: dict[tuple[str, str], list[str]] = {
    ("one.test", "A"): ["192.0.2.3"],
    ("two.test", "A"): ["198.51.100.7", "192.0.2.9"],
    ("two.test", "AAAA"): ["2001:db8::7"],
    ("two.test", "MX"): ["10 one.test", "20 two.test"],
    ("3.2.0.192.in.test", "A"): ["127.0.0.2"],
    ("192.0.2.3", "PTR"): ["one.test"],
    ("yes.test", "TXT"): ["v=spf1 ip4:192.0.2.3 -all"],
    ("no.test", "TXT"): ["v=spf1 -all"],
    ("deep.test", "TXT"): ["v=spf1 include:yes.test ?all"],
    ("broken.test", "TXT"): ["v=spf1 nonsense -all"],
}
TERMS = st.sampled_from(
    [
        "all", "a", "mx", "ptr", "a:one.test", "a:two.test", "a:two.test/24", "a:two.test/16//32", "mx:two.test",
        "mx:two.test/29", "ptr:test", "ptr:one.test", "exists:one.test", "exists:%{ir}.in.test", "exists:%{l}.in.test",
        "exists:none.test",
        "ip4:192.0.2.3", "ip4:198.51.0.0/16", "ip4:192.0.2.0/33", "ip6:2001:db8::/32", "include:yes.test", "include:no.test",
        "include:deep.test", "include:broken.test", "include:none.test", "a:none.test", "mx:none.test", "bogus", "x=y", "ip4:x",
        "exists:%{h}", "a:%{o}", "exp=why.test",
    ]
)  # fmt: skip
POLICIES = st.tuples(
    st.lists(st.tuples(st.sampled_from(["", "+", "-", "~", "?"]), TERMS), max_size=6, unique_by=lambda pair: pair[1]),
    st.sampled_from(["", " redirect=yes.test", " redirect=no.test", " redirect=none.test", " redirect=deep.test"]),
)
CLIENTS = st.sampled_from(["192.0.2.3", "192.0.2.9", "198.51.100.7", "203.0.113.1", "2001:db8::7", "2001:db9::1"])


def record_of(policy: tuple[list[tuple[str, str]], str]) -> str:
    terms, redirect = policy
    words = [term if "=" in term else sign + term for sign, term in terms]
    return " ".join(["v=spf1", *words]) + redirect


def as_pyspf_asks(zone: dict[tuple[str, str], list[str]], name: str, kind: str) -> Iterator[tuple[tuple[str, str], object]]:
    owner = name.lower().rstrip(".")
    if kind == "PTR" and owner.endswith(".in-addr.arpa"):
        owner = ".".join(reversed(owner.removesuffix(".in-addr.arpa").split(".")))
    for value in zone.get((owner, kind), []):
        if kind == "MX":
            preference, host = value.split()
            yield (name, kind), (int(preference), host)
        elif kind == "TXT":
            yield (name, kind), (value.encode(),)
        elif kind == "AAAA":
            yield (name, kind), ipaddress.IPv6Address(value).packed
        else:
            yield (name, kind), value


@given(POLICIES, CLIENTS)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_policies_are_judged_as_pyspf_judges_them(
    monkeypatch: pytest.MonkeyPatch, policy: tuple[list[tuple[str, str]], str], client: str
) -> None:
    record = record_of(policy)
    zone = {**HOSTS, ("sender.test", "TXT"): [record]}
    monkeypatch.setattr(spf, "DNSLookup", lambda name, kind, *_, **__: as_pyspf_asks(zone, name, kind))
    expected = spf.query(i=client, s="jane@sender.test", h="helo.test", strict=True).check()[0]
    found = asyncio.run(check_mail_from(MemoryResolver(zone), Client(client, "helo.test"), "jane@sender.test"))
    assert found.result == expected, (record, client, found.detail)
