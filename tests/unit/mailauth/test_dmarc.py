"""DMARC by RFC 9989: tree walk, organizational domains, alignment, policies, and what DNS does not tell."""

from __future__ import annotations

import pytest

from posthouse.backends.memory.resolver import MemoryResolver
from posthouse.mailauth.dmarc import TreeWalks, evaluate, walk_names
from posthouse.mailauth.dmarc_record import choose
from posthouse.model.mail_authentication import DkimResult, DmarcResult, SpfResult

Records = dict[str, str]


def dns(records: Records, **hosts: str) -> MemoryResolver:
    """DMARC records by domain; ``hosts`` have an address each (``_`` for ``.``)."""
    table: dict[tuple[str, str], list[str]] = {(f"_dmarc.{domain}", "TXT"): [text] for domain, text in records.items()}
    table.update({(name.replace("_", "."), "A"): [address] for name, address in hosts.items()})
    return MemoryResolver(table)


def signed_by(*domains: str) -> list[DkimResult]:
    return [DkimResult("pass", domain, "s1") for domain in domains]


def sent_by(domain: str, result: str = "pass") -> SpfResult:
    return SpfResult("pass" if result == "pass" else "temperror", "mailfrom", domain, f"x@{domain}")


async def judged(
    author: str, records: Records, dkim: list[DkimResult] | None = None, spf: SpfResult | None = None
) -> DmarcResult:
    resolver = dns(records, a_example_org="192.0.2.1")
    return await evaluate(author, spf, dkim or [], resolver, TreeWalks(resolver))


def test_the_walk_asks_at_most_eight_names() -> None:
    assert walk_names("example.org") == ["example.org", "org"]
    assert walk_names("a.b.example.org") == ["a.b.example.org", "b.example.org", "example.org", "org"]
    long = "a.b.c.d.e.f.g.h.i.example.org"
    assert walk_names(long) == [
        long,
        "e.f.g.h.i.example.org",
        "f.g.h.i.example.org",
        "g.h.i.example.org",
        *walk_names("h.i.example.org"),
    ]
    assert len(walk_names("x." * 60 + "org")) == 8


@pytest.mark.parametrize(
    ("start", "records", "organization"),
    [
        ("a.b.example.org", {}, "a.b.example.org"),
        ("a.b.example.org", {"example.org": "v=DMARC1; p=none"}, "example.org"),
        ("a.b.example.org", {"a.b.example.org": "v=DMARC1; p=none", "example.org": "v=DMARC1; p=none"}, "example.org"),
        ("a.b.example.org", {"b.example.org": "v=DMARC1; p=none; psd=n", "example.org": "v=DMARC1; p=none"}, "b.example.org"),
        ("a.b.example.org", {"org": "v=DMARC1; p=none; psd=y"}, "example.org"),
        ("a.b.example.org", {"example.org": "v=DMARC1; p=none; psd=y", "org": "v=DMARC1; p=none"}, "b.example.org"),
        ("bank", {"bank": "v=DMARC1; p=none; psd=y"}, "bank"),
        ("example.org", {"example.org": "v=DMARC1; p=none; psd=u"}, "example.org"),
    ],
)
async def test_organizational_domains(start: str, records: Records, organization: str) -> None:
    assert (await TreeWalks(dns(records)).of(start)).organizational == organization


REJECT = {"example.org": "v=DMARC1; p=reject"}


@pytest.mark.parametrize(
    ("author", "records", "dkim", "spf", "result"),
    [
        ("example.org", REJECT, ["example.org"], "", "pass"),
        ("example.org", REJECT, ["mail.example.org"], "", "pass"),
        ("news.example.org", REJECT, ["example.org"], "", "pass"),
        ("news.example.org", REJECT, ["mail.example.org"], "", "pass"),
        ("example.org", REJECT, [], "bounces.example.org", "pass"),
        ("example.org", REJECT, [], "", "fail"),
        ("example.org", REJECT, ["example.com"], "example.net", "fail"),
        ("example.org", REJECT, ["anexample.org"], "org", "fail"),
        ("example.org", {"example.org": "v=DMARC1; p=reject; adkim=s"}, ["mail.example.org"], "", "fail"),
        ("example.org", {"example.org": "v=DMARC1; p=reject; adkim=s"}, ["example.org"], "", "pass"),
        ("example.org", {"example.org": "v=DMARC1; p=reject; aspf=s"}, [], "mail.example.org", "fail"),
        ("example.org", {"example.org": "v=DMARC1; p=reject; aspf=s"}, ["mail.example.org"], "mail.example.org", "pass"),
        ("a.example.org", {**REJECT, "a.example.org": "v=DMARC1; p=none; psd=n"}, ["example.org"], "", "fail"),
        ("example.org", {}, ["example.org"], "", "none"),
    ],
)
async def test_alignment(author: str, records: Records, dkim: list[str], spf: str, result: str) -> None:
    found = await judged(author, records, signed_by(*dkim), sent_by(spf) if spf else None)
    assert found.result == result, found.detail


@pytest.mark.parametrize(
    ("author", "records", "policy", "at"),
    [
        ("example.org", {"example.org": "v=DMARC1; p=quarantine"}, "quarantine", "example.org"),
        ("a.example.org", {"example.org": "v=DMARC1; p=reject"}, "reject", "example.org"),
        ("a.example.org", {"example.org": "v=DMARC1; p=reject; sp=none"}, "none", "example.org"),
        ("a.example.org", {"example.org": "v=DMARC1; p=none; sp=quarantine; np=reject"}, "quarantine", "example.org"),
        ("b.example.org", {"example.org": "v=DMARC1; p=none; sp=quarantine; np=reject"}, "reject", "example.org"),
        ("b.example.org", {"example.org": "v=DMARC1; p=quarantine; np=none"}, "none", "example.org"),
        ("a.example.org", {"example.org": "v=DMARC1; p=reject", "a.example.org": "v=DMARC1; p=none"}, "none", "a.example.org"),
        ("x.y.bank", {"bank": "v=DMARC1; p=none; np=reject; psd=y"}, "reject", "bank"),
        ("example.org", {"example.org": "v=DMARC1; p=reject; t=y"}, "quarantine", "example.org"),
        ("example.org", {"example.org": "v=DMARC1; p=quarantine; t=y"}, "none", "example.org"),
        ("example.org", {"example.org": "v=DMARC1; p=reject; pct=0"}, "quarantine", "example.org"),
        ("example.org", {"example.org": "v=DMARC1; p=reject; pct=50"}, "reject", "example.org"),
        ("example.org", {"example.org": "v=DMARC1; p=rubbish; rua=mailto:d@example.org"}, "none", "example.org"),
        ("example.org", {"example.org": "v=DMARC1"}, "none", "example.org"),
    ],
)
async def test_the_policy_that_applies(author: str, records: Records, policy: str, at: str) -> None:
    found = await judged(author, records)
    assert (found.result, found.policy, found.policy_domain) == ("fail", policy, at)


@pytest.mark.parametrize(
    ("texts", "is_record"),
    [
        (["v=DMARC1; p=none"], True),
        (["v=DMARC1;p=none;"], True),
        (["v = DMARC1 ; p = none"], True),
        (["V=DMARC1; p=none"], False),
        (["v=dmarc1; p=none"], False),
        (["v=DMARC12; p=none"], False),
        (["p=none; v=DMARC1"], False),
        (["v=DMARC1; p=rubbish"], False),
        (["v=spf1 -all", "v=DMARC1; p=none"], True),
        (["v=DMARC1; p=none", "v=DMARC1; p=reject"], False),
        (["v=DMARC1; p=none;" + "x" * 5000], False),
        ([], False),
    ],
)
def test_what_is_a_record(texts: list[str], *, is_record: bool) -> None:
    assert (choose(texts) is not None) == is_record


def test_addresses_for_reports_are_read() -> None:
    record = choose(["v=DMARC1; p=none; rua=mailto:a@example.org, https://x.test, mailto:b@example.org!10m"])
    assert record is not None
    assert record.reports_to == ("mailto:a@example.org", "mailto:b@example.org!10m")


async def test_without_dns_nothing_is_decided() -> None:
    failing = MemoryResolver({("_dmarc.example.org", "FAIL"): []})
    found = await evaluate("example.org", None, [], failing, TreeWalks(failing))
    assert found.result == "temperror"


async def test_what_dns_owes_keeps_a_message_from_failing() -> None:
    owed = [DkimResult("temperror", "example.org", "s1")]
    assert (await judged("example.org", REJECT, owed)).result == "temperror"
    assert (await judged("example.org", REJECT, [], sent_by("example.org", "temperror"))).result == "temperror"
    assert (await judged("example.org", REJECT, [*owed, *signed_by("example.org")])).result == "pass"


async def test_a_walk_is_taken_once() -> None:
    resolver = dns(REJECT)
    walks = TreeWalks(resolver)
    first = await walks.of("example.org")
    resolver.records.clear()
    assert await walks.of("example.org") is first
