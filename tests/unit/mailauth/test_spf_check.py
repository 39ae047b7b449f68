"""SPF: RFC 7208's macro examples, limits, identities, what a result tells; the public suite has its own file."""

from __future__ import annotations

import pytest

from posthouse.backends.memory.resolver import MemoryResolver
from posthouse.mailauth.spf.check import Client, check_helo, check_mail_from
from posthouse.mailauth.spf.errors import PermError
from posthouse.mailauth.spf.macros import domain_name, read
from posthouse.mailauth.spf.record import parse
from posthouse.model.mail_authentication import SpfResult

Zone = dict[tuple[str, str], list[str]]

CLIENT = Client("192.0.2.3", "mx.example.org", receiver="mx.example.test", now=1_700_000_000)
RFC_7208_7_4 = {
    "s": "strong-bad@email.example.com", "l": "strong-bad", "o": "email.example.com", "d": "email.example.com",
    "i": "192.0.2.3", "h": "mx.example.org", "v": "in-addr", "p": "mx.example.org", "c": "192.0.2.3", "r": "x", "t": "1",
}  # fmt: skip


async def check(zone: Zone, sender: str = "jane@example.org", client: Client = CLIENT) -> SpfResult:
    return await check_mail_from(MemoryResolver(zone), client, sender)


def txt(record: str, **more: list[str]) -> Zone:
    """A record at example.org, and more names: ``a__b_test`` is type a of b.test."""
    zone: Zone = {("example.org", "TXT"): [record]}
    for name, values in more.items():
        kind, _, host = name.partition("__")
        zone[(host.replace("_", "."), kind.upper())] = values
    return zone


@pytest.mark.parametrize(
    ("macro", "expected"),
    [
        ("%{s}", "strong-bad@email.example.com"),
        ("%{o}", "email.example.com"),
        ("%{d}", "email.example.com"),
        ("%{d4}", "email.example.com"),
        ("%{d3}", "email.example.com"),
        ("%{d2}", "example.com"),
        ("%{d1}", "com"),
        ("%{dr}", "com.example.email"),
        ("%{d2r}", "example.email"),
        ("%{l}", "strong-bad"),
        ("%{l-}", "strong.bad"),
        ("%{lr}", "strong-bad"),
        ("%{lr-}", "bad.strong"),
        ("%{l1r-}", "strong"),
        ("%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com"),
        ("%{lr-}.lp._spf.%{d2}", "bad.strong.lp._spf.example.com"),
        ("%{lr-}.lp.%{ir}.%{v}._spf.%{d2}", "bad.strong.lp.3.2.0.192.in-addr._spf.example.com"),
        ("%{d2}.trusted-domains.example.net", "example.com.trusted-domains.example.net"),
        ("%{S}", "strong-bad%40email.example.com"),
        ("%%%_%-", "% %20"),
    ],
)
def test_the_macro_examples_of_rfc_7208(macro: str, expected: str) -> None:
    assert read(macro).fill(RFC_7208_7_4) == expected


def test_a_long_name_loses_labels_from_the_left() -> None:
    assert len(domain_name("a." * 200 + "example.org")) <= 253
    assert domain_name("a." * 200 + "example.org").endswith(".example.org")


@pytest.mark.parametrize(
    "record",
    [
        "v=spf1 ipv4:192.0.2.0", "v=spf1 ip4:192.0.2.0/33", "v=spf1 ip4:192.0.2.0/", "v=spf1 ip4", "v=spf1 ip4:192.0.2",
        "v=spf1 ip6:::1/129", "v=spf1 ip6:192.0.2.1", "v=spf1 ip6:fe80::1%eth0", "v=spf1 a:", "v=spf1 a/33", "v=spf1 a//129",
        "v=spf1 mx:example", "v=spf1 include", "v=spf1 include:", "v=spf1 exists", "v=spf1 all:x", "v=spf1 ptr:", "v=spf1 -",
        "v=spf1 exp=x.test exp=y.test", "v=spf1 redirect=a.test redirect=b.test", "v=spf1 redirect=", "v=spf1 x=%{z}",
        "v=spf1 include:%{c}.test", "v=spf1 include:%{d0}", "v=spf1 include:%{d", "v=spf1 include:%a.test", "v=spf1 a:x.123",
        "v=spf1 a:x.-a", "v=spf1\tall", "v=spf1 a:ex\u00e4mple.org", "v=spf1 =x", "v=spf1 ip4:192.0.2.0/024", "v=spf1 +-all",
    ],
)  # fmt: skip
def test_records_that_cannot_be_read(record: str) -> None:
    with pytest.raises(PermError):
        parse(record)


@pytest.mark.parametrize(
    ("zone", "result", "mechanism"),
    [
        (txt("v=spf1 ip4:192.0.2.0/24 -all"), "pass", "ip4:192.0.2.0/24"),
        (txt("v=spf1 ip4:198.51.100.0/24 ~all"), "softfail", "~all"),
        (txt("v=spf1 ?ip4:192.0.2.3 -all"), "neutral", "?ip4:192.0.2.3"),
        (txt("v=spf1 ip6:2001:db8::/32"), "neutral", ""),
        (txt("v=spf1 a -all", a__example_org=["192.0.2.3"]), "pass", "a"),
        (txt("v=spf1 a/30 -all", a__example_org=["192.0.2.1"]), "pass", "a/30"),
        (txt("v=spf1 a/0 -all", a__example_org=["10.0.0.1"]), "pass", "a/0"),
        (txt("v=spf1 mx -all", mx__example_org=["10 m.test"], a__m_test=["192.0.2.3"]), "pass", "mx"),
        (txt("v=spf1 mx -all", mx__example_org=["0 ."]), "fail", "-all"),
        (txt("v=spf1 ptr -all", ptr__192_0_2_3=["h.example.org"], a__h_example_org=["192.0.2.3"]), "pass", "ptr"),
        (txt("v=spf1 ptr -all", ptr__192_0_2_3=["h.example.org"], a__h_example_org=["192.0.2.4"]), "fail", "-all"),
        (txt("v=spf1 exists:%{ir}.ok.test -all", a__3_2_0_192_ok_test=["127.0.0.2"]), "pass", "exists:%{ir}.ok.test"),
        (txt("v=spf1 include:in.test -all", txt__in_test=["v=spf1 ip4:192.0.2.3"]), "pass", "include:in.test"),
        (txt("v=spf1 include:in.test ~all", txt__in_test=["v=spf1 -all"]), "softfail", "~all"),
        (txt("v=spf1 include:in.test -all"), "permerror", ""),
        (txt("v=spf1 redirect=re.test", txt__re_test=["v=spf1 -all"]), "fail", "-all"),
        (txt("v=spf1 redirect=re.test"), "permerror", ""),
        (txt("v=spf1 redirect=re.test ?all"), "neutral", "?all"),
        (txt("v=spf10 -all"), "none", ""),
        (txt("v=spf1"), "neutral", ""),
        ({("example.org", "TXT"): ["v=spf1 -all", "v=spf1 +all"]}, "permerror", ""),
        ({("example.org", "TXT"): ["other", "V=SPF1 -ALL"]}, "fail", "-ALL"),
        ({("example.org", "FAIL"): []}, "temperror", ""),
        (txt("v=spf1 a:down.test -all", fail__down_test=[]), "temperror", ""),
        ({}, "none", ""),
    ],
)
async def test_results_and_the_term_that_decided(zone: Zone, result: str, mechanism: str) -> None:
    found = await check(zone)
    assert (found.result, found.mechanism) == (result, mechanism), found.detail


async def test_the_result_tells_where_the_deciding_term_stands() -> None:
    found = await check(txt("v=spf1 redirect=re.test", txt__re_test=["v=spf1 ip4:192.0.2.3 -all"]))
    assert (found.record_domain, found.lookups) == ("re.test", 1)
    assert found.detail == "192.0.2.3 matches ip4:192.0.2.3 of re.test"


async def test_ten_terms_may_ask_dns_and_no_more() -> None:
    names = {f"a__h{number}_test": ["198.51.100.1"] for number in range(11)}
    terms = [f"a:h{number}.test" for number in range(11)]
    assert (await check(txt(f"v=spf1 {' '.join(terms[:10])} -all", **names))).result == "fail"
    found = await check(txt(f"v=spf1 {' '.join(terms)} -all", **names))
    assert (found.result, found.detail) == ("permerror", "more than 10 terms that need DNS")


async def test_a_ring_of_includes_ends() -> None:
    assert (await check(txt("v=spf1 include:example.org -all"))).result == "permerror"


async def test_two_empty_answers_are_allowed_and_no_more() -> None:
    assert (await check(txt("v=spf1 a:x1.test a:x2.test -all"))).result == "fail"
    found = await check(txt("v=spf1 a:x1.test a:x2.test exists:x3.test -all"))
    assert (found.result, found.detail) == ("permerror", "more than 2 look-ups without an answer")


async def test_eleven_mail_hosts_are_too_many() -> None:
    hosts = [f"10 m{number}.test" for number in range(11)]
    zone = txt("v=spf1 mx -all", mx__example_org=hosts, **{f"a__m{number}_test": ["198.51.100.1"] for number in range(11)})
    assert (await check(zone)).result == "permerror"


async def test_the_publishers_words_come_with_a_failure() -> None:
    words = "%{i} is not one of %{d}'s hosts; asked by %{r} at %{t}%_on %{c}"
    found = await check(txt("v=spf1 -all exp=why.test", txt__why_test=[words]))
    assert (
        found.explanation == "192.0.2.3 is not one of example.org's hosts; asked by mx.example.test at 1700000000 on 192.0.2.3"
    )


@pytest.mark.parametrize("words", [["a", "b"], ["%{x}"], ["caf\u00e9"], ["line\x01"], []])
async def test_unusable_words_are_left_out(words: list[str]) -> None:
    found = await check(txt("v=spf1 -all exp=why.test", txt__why_test=words))
    assert (found.result, found.explanation) == ("fail", "")


async def test_the_null_sender_is_checked_by_its_greeting() -> None:
    zone: Zone = {("mx.example.org", "TXT"): ["v=spf1 ip4:192.0.2.3 -all"]}
    found = await check(zone, sender="")
    assert (found.result, found.identity, found.sender) == ("pass", "helo", "postmaster@mx.example.org")
    assert await check_helo(MemoryResolver(zone), CLIENT) == found


@pytest.mark.parametrize("helo", ["[192.0.2.3]", "localhost", "", "a..b", "x" * 64 + ".test", "with space.test"])
async def test_a_greeting_that_is_no_domain_has_no_result(helo: str) -> None:
    assert (await check_helo(MemoryResolver(), Client("192.0.2.3", helo))).result == "none"


async def test_an_ipv4_client_in_ipv6_clothes_is_an_ipv4_client() -> None:
    found = await check(txt("v=spf1 ip4:192.0.2.3 -all"), client=Client("::ffff:192.0.2.3", "x.test"))
    assert found.result == "pass"


async def test_an_ipv6_client_is_matched_by_its_own_kind_of_records() -> None:
    zone = txt("v=spf1 a//64 -all", a__example_org=["192.0.2.3"], aaaa__example_org=["2001:db8:1::5"])
    assert (await check(zone, client=Client("2001:db8:1::9", "x.test"))).result == "pass"
    assert (await check(zone, client=Client("2001:db8:2::9", "x.test"))).result == "fail"
