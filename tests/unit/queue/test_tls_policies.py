"""Which policy a host is met with: the administrator's before DANE, DANE before MTA-STS; what happens when none can be had."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from posthouse.backends.memory.resolver import MemoryResolver
from posthouse.backends.memory.sts_policies import MemoryStsPolicies
from posthouse.base.clock import ManualClock
from posthouse.base.errors import Temporary
from posthouse.model.settings import QueueSettings
from posthouse.model.tls_policy import TlsResult
from posthouse.queue.sts import Sts
from posthouse.queue.tls_policies import HostPolicy, TlsPolicies

HOST = "mx.far.test"
RECORD = "3 1 1 " + "ab" * 32
POLICY = "version: STSv1\nmode: enforce\nmx: mx.far.test\nmax_age: 1000\n"


@dataclass
class Web:
    """Gives ``body``, or nothing."""

    body: str = POLICY
    asked: list[str] = field(default_factory=list)

    async def get(self, host: str, path: str, *, limit_bytes: int) -> bytes:
        self.asked.append(host + path)
        if not self.body:
            raise Temporary("no answer")
        return self.body.encode()

    async def post(self, url: str, body: bytes, content_type: str) -> None:
        raise AssertionError("nothing is handed in here")


@dataclass
class World:
    records: dict[tuple[str, str], list[str]] = field(
        default_factory=lambda: {(HOST, "A"): ["192.0.2.1"], ("far.test", "MX"): [f"10 {HOST}"]}
    )
    settings: dict[str, object] = field(default_factory=dict)
    told: list[TlsResult] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.clock, self.web, self.kept = ManualClock(), Web(), MemoryStsPolicies()

    def restarted(self) -> TlsPolicies:
        self.resolver = MemoryResolver(self.records)
        self.resolver.signed = ["signed.test"]
        self.sts = sts = Sts(self.resolver, self.web, self.kept, self.clock)
        return TlsPolicies(
            self.resolver,
            sts,
            lambda: QueueSettings(**self.settings),  # type: ignore[arg-type]
            self.told.append,
        )

    async def met(self, domain: str = "far.test", host: str = HOST, *, implicit: bool = False) -> HostPolicy:
        [found] = await self.restarted().of(domain, [host], implicit=implicit)
        return found

    async def refreshed(self) -> None:
        await self.sts.refresh()


def announced() -> World:
    world = World()
    world.records[("_mta-sts.far.test", "TXT")] = ["v=STSv1; id=1"]
    return world


def signed(host: str = "mx.signed.test") -> World:
    world = World()
    world.records |= {("signed.test", "MX"): [f"10 {host}"], (host, "A"): ["192.0.2.2"]}
    world.records[(f"_25._tcp.{host}", "TLSA")] = [RECORD]
    return world


async def test_most_domains_have_no_policy() -> None:
    world = World()
    assert await world.met() == HostPolicy(HOST)
    assert world.web.asked == []


async def test_a_policy_is_fetched_once_and_then_kept_for_its_age() -> None:
    world = announced()
    first = await world.met()
    assert (first.policy.kind, first.policy.enforced, first.tls) == ("sts", True, "required")
    world.web.body = ""
    assert await world.met() == first
    assert world.web.asked == ["mta-sts.far.test/.well-known/mta-sts.txt"]
    world.clock.advance(1001)
    assert (await world.met()).policy.kind == "none"


async def test_attack_taking_the_record_away_does_not_end_a_policy() -> None:
    world = announced()
    await world.met()
    del world.records[("_mta-sts.far.test", "TXT")]
    assert (await world.met()).policy.kind == "sts"
    world.records[("_mta-sts.far.test", "FAIL")] = []
    assert (await world.met()).policy.kind == "sts"


async def test_a_new_id_brings_the_new_policy_and_a_failed_fetch_leaves_the_old_one() -> None:
    world = announced()
    await world.met()
    world.records[("_mta-sts.far.test", "TXT")] = ["v=STSv1; id=2"]
    world.web.body = ""
    assert (await world.met()).policy.enforced
    world.web.body = POLICY.replace("enforce", "testing")
    world.clock.advance(301)
    found = await world.met()
    assert (found.policy.enforced, found.tls) == (False, "")
    world.records[("_mta-sts.far.test", "TXT")] = ["v=STSv1; id=3"]
    world.web.body = POLICY.replace("enforce", "none")
    assert (await world.met()).policy.kind == "none"


@pytest.mark.parametrize(("body", "failure"), [("", "sts-policy-fetch-error"), ("hello", "sts-policy-invalid")])
async def test_without_a_policy_mail_goes_on_and_the_failure_is_told(body: str, failure: str) -> None:
    world = announced()
    world.web.body = body
    assert await world.met() == HostPolicy(HOST)
    assert [result.failure for result in world.told] == [failure]


async def test_a_host_that_the_policy_does_not_name_is_refused_unless_it_is_testing() -> None:
    world = announced()
    assert "does not name it" in (await world.met(host="mx.evil.test")).refused
    other = announced()
    other.web.body = POLICY.replace("enforce", "testing")
    assert not (await other.met(host="mx.evil.test")).refused
    assert world.told[-1].failure == other.told[-1].failure == "certificate-host-mismatch"


async def test_records_of_a_signed_zone_are_a_policy_and_go_before_mta_sts() -> None:
    world = signed()
    world.records[("_mta-sts.signed.test", "TXT")] = ["v=STSv1; id=1"]
    found = await world.met("signed.test", "mx.signed.test")
    assert (found.policy.kind, found.policy.lines, found.tls) == ("dane", (RECORD,), "required")
    assert not found.refused


async def test_records_of_an_unsigned_host_are_none() -> None:
    world = signed("mx.elsewhere.test")
    assert (await world.met("signed.test", "mx.elsewhere.test")).policy.kind == "none"


async def test_attack_records_that_are_kept_from_us_keep_the_mail() -> None:
    world = signed()
    world.records[("_25._tcp.mx.signed.test", "FAIL")] = []
    assert "cannot be had" in (await world.met("signed.test", "mx.signed.test")).refused
    assert world.told[-1].failure == "dnssec-invalid"


async def test_records_that_are_of_no_use_ask_for_encryption_alone() -> None:
    world = signed()
    world.records[("_25._tcp.mx.signed.test", "TLSA")] = ["0 0 1 " + "ab" * 32]
    found = await world.met("signed.test", "mx.signed.test")
    assert found.tls == "required" and not found.policy.by_record


async def test_the_administrators_word_goes_before_all() -> None:
    world = signed()
    world.settings["tls_domains"] = ("test=verify", "signed.test=off")
    assert await world.met("signed.test", "mx.signed.test") == HostPolicy("mx.signed.test", tls="off")
    found = await world.met()
    assert (found.policy.kind, found.tls) == ("site", "required")


async def test_without_tls_there_are_no_policies() -> None:
    world = signed()
    world.settings["tls"] = "off"
    assert (await world.met("signed.test", "mx.signed.test")).policy.kind == "none"


async def test_each_can_be_switched_off() -> None:
    world = signed()
    world.settings |= {"dane": False, "sts": False}
    assert (await world.met("signed.test", "mx.signed.test")).policy.kind == "none"


def aliased() -> World:
    """A mail host that is an alias: its addresses and records stand where that leads."""
    world = signed("mx.signed.test")
    world.records |= {("mx.signed.test", "CNAME"): ["one.signed.test"], ("one.signed.test", "CNAME"): ["Two.signed.test."]}
    world.records[("_25._tcp.two.signed.test", "TLSA")] = ["3 1 1 " + "cd" * 32]
    return world


async def test_records_stand_where_an_alias_leads_before_its_own_name() -> None:
    found = await aliased().met("signed.test", "mx.signed.test")
    assert (found.policy.base, found.policy.lines) == ("two.signed.test", ("3 1 1 " + "cd" * 32,))


async def test_an_alias_without_records_there_is_met_with_its_own() -> None:
    world = aliased()
    del world.records[("_25._tcp.two.signed.test", "TLSA")]
    found = await world.met("signed.test", "mx.signed.test")
    assert (found.policy.base, found.policy.lines) == ("", (RECORD,))


async def test_attack_records_that_are_kept_from_us_where_an_alias_leads_keep_the_mail() -> None:
    world = aliased()
    world.records[("_25._tcp.two.signed.test", "FAIL")] = []
    assert "cannot be had" in (await world.met("signed.test", "mx.signed.test")).refused


async def test_an_alias_that_leads_round_in_a_circle_ends() -> None:
    world = aliased()
    world.records[("two.signed.test", "CNAME")] = ["one.signed.test"]
    assert (await world.met("signed.test", "mx.signed.test")).policy.kind == "dane"


async def test_attack_who_keeps_us_from_a_site_while_its_policy_ends_does_not_end_it() -> None:
    """It is fetched again at half its time; only who keeps us away for all the other half ends it."""
    world = announced()
    await world.met()
    await world.refreshed()
    assert len(world.web.asked) == 1, "it is too new"
    for _ in range(6):
        world.clock.advance(600)
        await world.refreshed()
    world.web.body = ""
    world.clock.advance(600)
    await world.refreshed()
    assert (await world.met()).policy.kind == "sts" and len(world.web.asked) >= 7


async def test_a_policy_that_is_fetched_again_may_have_changed() -> None:
    world = announced()
    await world.met()
    world.web.body = POLICY.replace("enforce", "testing")
    world.clock.advance(501)
    await world.refreshed()
    assert not (await world.met()).policy.enforced


async def test_policies_of_domains_that_no_mail_goes_to_end() -> None:
    world = announced()
    world.web.body = POLICY.replace("1000", "200000")
    policies = world.restarted()
    await policies.of("far.test", [HOST], implicit=False)
    for _ in range(40):
        world.clock.advance(86_400)
        await world.sts.refresh()
    assert len(world.web.asked) == 31, "once, and daily for thirty days"


async def test_a_domain_without_a_policy_is_told_if_it_wants_to_be() -> None:
    world = World()
    world.records[("_smtp._tls.far.test", "TXT")] = ["v=TLSRPTv1; rua=mailto:tls@far.test"]
    found = await world.met()
    assert (found.policy.kind, found.policy.domain, found.tls, found.refused) == ("none", "far.test", "", "")
    world.records[("_smtp._tls.far.test", "FAIL")] = []
    assert await world.met() == HostPolicy(HOST)
