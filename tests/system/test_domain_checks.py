"""What `posthouse check domain` finds, each finding against real servers: a signed zone (Knot) behind a validating resolver
(Unbound), policies over HTTPS, mail hosts with TLS on port 25. Each must say, to the letter, what to publish. Row PLN-2.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import http.server
import json
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes

from posthouse.backends.dns import DnsResolver
from posthouse.backends.https import HttpsFetch
from posthouse.backends.memory.directory import MemoryDirectory
from posthouse.backends.memory.signing_keys import MemorySigningKeys
from posthouse.backends.probe import SystemProbe
from posthouse.checking.domain import check_domain
from posthouse.checking.domain_desk import DomainDesk, Site
from posthouse.formats import mta_sts
from posthouse.mailauth.dkim.generate import generate
from posthouse.model.finding import Finding
from posthouse.model.signing_key import KeyState, SigningKey
from support.authority import Authority, Issued, key_digest
from support.knot import Knot
from support.node import Node, running, until
from support.scripted_host import ScriptedHost, in_background, server_context
from support.slapd import BASE, READER, Slapd
from support.slapd import PASSWORD as LDAP_PASSWORD
from support.time_server import time_server
from support.unbound import Unbound

HOST, ADDRESS = "mx.own.test", "127.0.9.1"
WEB = "127.0.9.43"
DAY_S = 86_400
LONG = 30 * DAY_S
HOSTS = {
    "mx.own.test": "127.0.9.1",
    "dane.own.test": "127.0.9.1",
    "rolls.own.test": "127.0.9.1",
    "whole.own.test": "127.0.9.1",
    "anchor.own.test": "127.0.9.1",
    "old.own.test": "127.0.9.1",
    "odd.own.test": "127.0.9.1",
    "pkix.own.test": "127.0.9.1",
    "soon.own.test": "127.0.9.2",
    "selfmade.own.test": "127.0.9.3",
    "misnamed.own.test": "127.0.9.1",
    "clear.own.test": "127.0.9.4",
    "cleardane.own.test": "127.0.9.4",
    "dead.own.test": "127.0.9.5",
}
POLICIES = {
    "good": ("enforce", ["mx.own.test"], LONG),
    "testing": ("testing", ["mx.own.test", "gone.own.test"], LONG),
    "nothing": ("none", ["mx.own.test"], LONG),
    "unnamed": ("enforce", ["other.own.test"], LONG),
    "unnamedtest": ("testing", ["*.other.test"], LONG),
    "short": ("enforce", ["*.own.test"], 3600),
    "week": ("enforce", ["*.own.test"], 3 * DAY_S),
    "selfmade": ("enforce", ["selfmade.own.test"], LONG),
    "misnamed": ("testing", ["misnamed.own.test"], LONG),
    "clear": ("enforce", ["clear.own.test"], LONG),
    "dead": ("enforce", ["dead.own.test"], LONG),
}
MX_OF = {"selfmade": "selfmade.own.test", "misnamed": "misnamed.own.test", "clear": "clear.own.test", "dead": "dead.own.test"}
NO_POLICY = ("two", "noid", "nohost", "badcert", "missing", "unreadable")
STS = (*POLICIES, *NO_POLICY)


class Policies(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        name = self.headers["Host"].removeprefix("mta-sts.").removesuffix(".test")
        lines = ["version: STSv7", "mode: enforce"] if name == "unreadable" else []
        if name in POLICIES:
            mode, hosts, age = POLICIES[name]
            lines = ["version: STSv1", f"mode: {mode}", *(f"mx: {host}" for host in hosts), f"max_age: {age}"]
        body = "".join(f"{line}\r\n" for line in lines).encode()
        self.send_response(200 if lines and self.path == "/.well-known/mta-sts.txt" else 404)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        return None


@contextlib.contextmanager
def policy_server(authority: Authority) -> Iterator[None]:
    server = http.server.ThreadingHTTPServer((WEB, 443), Policies)
    names = [f"mta-sts.{name}.test" for name in STS if name != "badcert"]
    server.socket = authority.issue(*names).context(authority.folder).wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join(30)


Records = dict[tuple[str, str], list[str]]


def sts_records() -> Records:
    found: Records = {}
    for name in STS:
        domain = f"{name}.test"
        found[(domain, "MX")] = [f"10 {MX_OF.get(name, HOST)}"]
        found[(f"_mta-sts.{domain}", "TXT")] = ["v=STSv1; id=20261124"]
        if name != "nohost":
            found[(f"mta-sts.{domain}", "A")] = [WEB]
    found[("_mta-sts.two.test", "TXT")].append("v=STSv1; id=7")
    found[("_mta-sts.noid.test", "TXT")] = ["v=STSv1; id=not-good"]
    return found


def dane_records(good: Issued, soon: Issued, authority: Authority) -> Records:
    other = "3 1 1 " + "ab" * 32
    own = {
        "dane": [good.tlsa_ee],
        "rolls": [good.tlsa_ee, other],
        "whole": [f"3 0 1 {good.certificate.fingerprint(hashes.SHA256()).hex()}"],
        "anchor": [authority.tlsa_ta],
        "old": [other],
        "odd": [good.tlsa_ee, "3 1 9 " + "cd" * 32, "3 7 1 " + "cd" * 32, "9 1 1 " + "cd" * 32, "3 1 2 " + "cd" * 32],
        "pkix": ["1 1 1 " + key_digest(good.certificate)],
        "soon": [soon.tlsa_ee],
        "cleardane": [good.tlsa_ee],
    }
    found: Records = {}
    for name, values in own.items():
        found[(f"{name}d.test", "MX")] = [f"10 {name}.own.test"]
        found[(f"_25._tcp.{name}.own.test", "TLSA")] = values
    return found


SENDERS: Records = {
    ("spfgood.test", "TXT"): [f"v=spf1 ip4:{ADDRESS} -all", "something else"],
    ("alias.test", "MX"): ["10 also.own.test"],
    ("also.own.test", "CNAME"): [HOST],
    ("spfhere.test", "MX"): [f"10 {HOST}"],
    ("spftwo.test", "TXT"): ["v=spf1 mx ~all", "v=spf1 -all"],
    ("spfopen.test", "TXT"): ["v=spf1 +all"],
    ("spfwide.test", "TXT"): ["v=spf1 ip4:0.0.0.0/0 -all"],
    ("spfneutral.test", "TXT"): [f"v=spf1 ip4:{ADDRESS} ?all"],
    ("spfendless.test", "TXT"): [f"v=spf1 ip4:{ADDRESS}"],
    ("spfptr.test", "TXT"): [f"v=spf1 ip4:{ADDRESS} ptr -all"],
    ("spfmissing.test", "TXT"): ["v=spf1 ip4:192.0.2.1 -all"],
    ("spfbad.test", "TXT"): [f"v=spf1 ip4:{ADDRESS} ipv4:192.0.2.1 -all"],
    ("spfmany.test", "TXT"): [f"v=spf1 ip4:{ADDRESS} " + " ".join(["include:spfgood.test"] * 11) + " -all"],
    ("spfnine.test", "TXT"): [f"v=spf1 ip4:{ADDRESS} " + " ".join(["include:spfgood.test"] * 9) + " -all"],
    ("_dmarc.dmarcgood.test", "TXT"): ["v=DMARC1; p=reject; rua=mailto:d@dmarcgood.test"],
    ("dmarcgood.test", "MX"): [f"10 {HOST}"],
    ("_dmarc.dmarcnone.test", "TXT"): ["v=DMARC1; p=none; rua=mailto:d@dmarcgood.test,mailto:x@collector.test"],
    ("collector.test", "MX"): [f"10 {HOST}"],
    ("dmarcnone.test._report._dmarc.collector.test", "TXT"): ["v=DMARC1"],
    ("_dmarc.dmarctwo.test", "TXT"): ["v=DMARC1; p=reject", "v=DMARC1; p=none"],
    ("_dmarc.dmarcbad.test", "TXT"): ["v=DMARC1; p=rejects; adkim=strict; rua=dmarc@dmarcbad.test"],
    ("_dmarc.dmarccase.test", "TXT"): ["v=dmarc1; p=reject"],
    ("_dmarc.dmarcodd.test", "TXT"): ["v=DMARC1; p=reject; p=none; fo=2; pct=50; aspf=x; zz=1; ruf=mailto:me"],
    ("_dmarc.dmarctests.test", "TXT"): ["v=DMARC1; p=reject; t=y; rua=mailto:d@dmarctests.test"],
    ("dmarctests.test", "A"): ["192.0.2.1"],
    ("_dmarc.dmarcsub.test", "TXT"): ["v=DMARC1; p=reject; sp=none"],
    ("_dmarc.dmarclost.test", "TXT"): ["v=DMARC1; p=reject; rua=mailto:d@lost.test"],
    ("below.dmarcgood.test", "MX"): [f"10 {HOST}"],
    ("_smtp._tls.rptgood.test", "TXT"): ["v=TLSRPTv1; rua=mailto:t@rptgood.test,https://collector.test/in"],
    ("_smtp._tls.rpttwo.test", "TXT"): ["v=TLSRPTv1; rua=mailto:t@a.test", "v=TLSRPTv1; rua=mailto:t@b.test"],
    ("_smtp._tls.rptbad.test", "TXT"): ["v=TLSRPTv1; rua=t@rptbad.test"],
    ("_smtp._tls.rpthalf.test", "TXT"): ["v=TLSRPTv1; rua=mailto:t@a.test,ftp://b.test"],
    ("default._bimi.dmarcgood.test", "TXT"): ["v=BIMI1; l=https://dmarcgood.test/l.svg"],
    ("default._bimi.dmarcnone.test", "TXT"): ["v=BIMI1; l=https://dmarcnone.test/l.svg"],
    ("default._bimi.dmarcsub.test", "TXT"): ["v=BIMI1; l=http://dmarcsub.test/l.svg"],
    ("default._bimi.dmarctwo.test", "TXT"): ["v=BIMI1; l=; a="],
}


@dataclass
class World:
    good: Issued
    authority: Authority
    knot: Knot
    unbound: Unbound
    keys: MemorySigningKeys

    async def findings(self, domain: str, *, validating: bool = True, own_network: bool = True) -> list[Finding]:
        servers = [f"127.0.0.1:{self.unbound.port}"] if validating else [self.knot.address]
        resolver = DnsResolver(servers, budget_s=60.0)

        def file() -> str:
            return str(self.authority.file)

        probe = SystemProbe(Path("/"), resolver, HOST, lambda: resolver.servers, lambda: own_network, file)
        web = HttpsFetch(resolver, lambda: own_network, file)
        site = Site(HOST, [ADDRESS], report_addresses=("d@dmarcgood.test",))
        return await check_domain(DomainDesk(resolver, self.keys, probe, web, site, domain, time.time()))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("domain-checks")
    authority = Authority(folder / "authority")
    good = authority.issue(*(host for host in HOSTS if host != "misnamed.own.test"), days=60)
    soon = authority.issue("soon.own.test", days=5)
    records: Records = {(host, "A"): [address] for host, address in HOSTS.items()}
    records.update(sts_records())
    records.update(dane_records(good, soon, authority))
    records.update(SENDERS)
    hosts = [
        ScriptedHost(address="127.0.9.1", port=25, context=good.context(folder)),
        ScriptedHost(address="127.0.9.2", port=25, context=soon.context(folder)),
        ScriptedHost(address="127.0.9.3", port=25, context=server_context("selfmade.own.test")),
        ScriptedHost(address="127.0.9.4", port=25),
    ]
    keys, records_of_keys = asyncio.run(dkim_keys())
    records.update(records_of_keys)
    with (
        Knot(folder / "knot", records, signed=True) as knot,
        Unbound(folder / "unbound", knot, alone=True) as unbound,
        policy_server(authority),
        in_background(*hosts),
    ):
        yield World(good, authority, knot, unbound, keys)


async def dkim_keys() -> tuple[MemorySigningKeys, Records]:
    """A key in each of the states that a record may be in."""
    directory = MemoryDirectory()
    keys, records = MemorySigningKeys(directory), Records()
    private, public = generate("rsa-sha256", 2048)
    _, another = generate("rsa-sha256", 1024)
    long_ago = time.time() - 30 * DAY_S
    cases: dict[str, tuple[KeyState, list[str], float]] = {
        "good": ("active", [f"v=DKIM1; k=rsa; p={public}"], 0.0),
        "spaced": ("active", [f"v=DKIM1; k=rsa; p={public[:40]} {public[40:]}"], 0.0),
        "absent": ("active", [], 0.0),
        "next": ("next", [], 0.0),
        "another": ("active", [f"v=DKIM1; k=rsa; p={another}"], 0.0),
        "revoked": ("active", ["v=DKIM1; k=rsa; p="], 0.0),
        "tests": ("active", [f"v=DKIM1; k=rsa; t=y; p={public}"], 0.0),
        "twice": ("active", [f"v=DKIM1; k=rsa; p={public}", "v=DKIM1; p="], 0.0),
        "notmail": ("active", [f"v=DKIM1; k=rsa; s=tlsrpt; p={public}"], 0.0),
        "retired": ("retired", [f"v=DKIM1; k=rsa; p={public}"], long_ago),
        "ended": ("retired", [], long_ago),
    }
    for name, (state, texts, changed_at) in cases.items():
        domain = f"dkim{name}.test"
        await directory.add_domain(domain)
        key = SigningKey(domain, "s1", "rsa-sha256", state, public, changed_at or time.time(), private)
        await keys.add_signing_key(key)
        if texts:
            records[(key.record_name, "TXT")] = texts
    return keys, records


Expected = tuple[str, str, str]
"""The state, how the finding begins, and what its advice must hold."""


async def shows(world: World, domain: str, *expected: Expected, validating: bool = True) -> list[Finding]:
    """All findings; each expected one must be there once."""
    findings = await world.findings(domain, validating=validating)
    told = "\n".join(f"{each.state}: {each.found} | {each.advice}" for each in findings)
    for state, start, advice in expected:
        found = [each for each in findings if each.found.startswith(start)]
        assert len(found) == 1, f"{start!r} in\n{told}"
        assert found[0].state == state and advice in found[0].advice, told
    return findings


STS_CASES: dict[str, tuple[Expected, ...]] = {
    "nosts": (
        (
            "note",
            "MTA-STS: there is no policy",
            "https://mta-sts.nosts.test/.well-known/mta-sts.txt the lines 'version: STSv1 / mode: testing / mx: mx.own.test / "
            "max_age: 2419200'; and publish: _mta-sts.nosts.test. IN TXT \"v=STSv1; id=20",
        ),
    ),
    "two": (("wrong", "MTA-STS: there are 2 records", '_mta-sts.two.test. IN TXT "v=STSv1; id=20'),),
    "noid": (("wrong", "MTA-STS: 'v=STSv1; id=not-good' is no record", '_mta-sts.noid.test. IN TXT "v=STSv1; id=20'),),
    "nohost": (("wrong", "MTA-STS: it is announced, and mta-sts.nohost.test has no", f"mta-sts.nohost.test. IN A {ADDRESS}"),),
    "badcert": (
        ("wrong", "MTA-STS: the policy cannot be fetched", "a certificate for mta-sts.badcert.test that others trust"),
    ),
    "missing": (("wrong", "MTA-STS: the policy cannot be fetched", "https://mta-sts.missing.test/.well-known/mta-sts.txt"),),
    "unreadable": (("wrong", "MTA-STS: the policy cannot be used: its version", "'version: STSv1 / mode: testing / mx:"),),
    "nothing": (("note", "MTA-STS: the policy asks for nothing", "mode: testing, then enforce"),),
    "good": (
        ("ok", "MTA-STS: the policy is announced and served, mode enforce", ""),
        ("ok", "MTA-STS: mx.own.test shows a certificate that holds", ""),
    ),
    "testing": (
        (
            "note",
            "MTA-STS: the policy is in testing",
            "serve 'version: STSv1 / mode: enforce / mx: mx.own.test / mx: gone.own.test / max_age: 2592000'; and publish a",
        ),
        ("note", "MTA-STS: the policy names gone.own.test, which is no MX host", "Take the line 'mx: gone.own.test' out"),
    ),
    "unnamed": (
        (
            "wrong",
            "MTA-STS: the policy does not name the MX host mx.own.test: mail to it waits",
            "Serve 'version: STSv1 / mode: enforce / mx: other.own.test / mx: mx.own.test / max_age",
        ),
    ),
    "unnamedtest": (("warning", "MTA-STS: the policy does not name the MX host mx.own.test: reports", "mx: mx.own.test"),),
    "short": (("warning", "MTA-STS: max_age is 3600 s", "max_age: 2419200"),),
    "week": (("note", "MTA-STS: max_age is 259200 s", "max_age: 2419200"),),
    "selfmade": (("wrong", "MTA-STS: selfmade.own.test does not do what the policy promises: self-signed", "tls.certificate"),),
    "misnamed": (
        ("warning", "MTA-STS: misnamed.own.test does not do what the policy promises: Hostname mismatch", "misnamed.own.test"),
    ),
    "clear": (("wrong", "MTA-STS: clear.own.test does not do what the policy promises: it does not offer STARTTLS", ""),),
    "dead": (("unknown", "MTA-STS: dead.own.test could not be asked for TLS", ""),),
}


@pytest.mark.spec_part("PLN-2")
@pytest.mark.parametrize("name", STS_CASES)
async def test_what_is_wrong_with_mta_sts_is_said_and_what_to_publish(world: World, name: str) -> None:
    await shows(world, f"{name}.test", *STS_CASES[name])


@pytest.mark.spec_part("PLN-2")
async def test_the_cause_of_a_policy_that_cannot_be_fetched_is_told(world: World) -> None:
    for name, cause in {"badcert": "Hostname mismatch", "missing": "404"}.items():
        [found] = [each for each in await world.findings(f"{name}.test") if each.found.startswith("MTA-STS")]
        assert cause in found.found, found


@pytest.mark.spec_part("PLN-2")
@pytest.mark.parametrize(
    ("host", "state", "words", "advice"),
    [
        ("dane", "ok", "TLSA: dane.own.test shows what _25._tcp.dane.own.test promises (3 1 1 ", ""),
        ("anchor", "ok", "TLSA: anchor.own.test shows what _25._tcp.anchor.own.test promises (2 1 1 ", ""),
        ("rolls", "note", "TLSA: '3 1 1 abababababababab...' at _25._tcp.rolls.own.test does not match", "take it away"),
        ("whole", "note", "TLSA: _25._tcp.whole.own.test names the whole certificate", "_25._tcp.whole.own.test. IN TLSA {ee}"),
        ("old", "wrong", "TLSA: old.own.test does not prove itself", "beside the others: _25._tcp.old.own.test. IN TLSA {ee}"),
        ("odd", "warning", "TLSA: _25._tcp.odd.own.test has '3 1 9 " + "cd" * 32 + "', whose matching type 9", "IN TLSA {ee}"),
        ("odd", "warning", "TLSA: _25._tcp.odd.own.test has '3 7 1 " + "cd" * 32 + "', whose selector 7", "IN TLSA {ee}"),
        ("odd", "warning", "TLSA: _25._tcp.odd.own.test has '9 1 1 " + "cd" * 32 + "', whose usage 9 nobody", "IN TLSA {ee}"),
        ("odd", "warning", "TLSA: _25._tcp.odd.own.test has '3 1 2 " + "cd" * 32 + "', whose 32 octets", "IN TLSA {ee}"),
        ("odd", "ok", "TLSA: odd.own.test shows what", ""),
        ("pkix", "wrong", "TLSA: _25._tcp.pkix.own.test has no record that mail can rely on", "IN TLSA {ee}"),
        ("pkix", "warning", "TLSA: _25._tcp.pkix.own.test has '1 1 1", "IN TLSA {ee}"),
        (
            "soon",
            "note",
            "TLSA: the certificate of soon.own.test ends in 4 days",
            "_25._tcp.soon.own.test. IN TLSA 3 1 1 DIGEST",
        ),
        ("cleardane", "wrong", "TLSA: cleardane.own.test does not prove itself", "Offer STARTTLS on port 25 of cleardane.own"),
    ],
)
async def test_tlsa_records_are_held_against_the_certificate_shown(
    world: World, host: str, state: str, words: str, advice: str
) -> None:
    await shows(world, f"{host}d.test", (state, words, advice.replace("{ee}", world.good.tlsa_ee)))


async def test_attack_a_domains_records_cannot_make_the_node_look_around_in_its_own_network(world: World) -> None:
    found = {each.found: each.state for each in await world.findings("good.test", own_network=False)}
    assert found["MTA-STS: the policy could not be asked for: mta-sts.good.test has no public address"] == "unknown"
    found = {each.found: each.state for each in await world.findings("soond.test", own_network=False)}
    assert found["TLSA: soon.own.test could not be asked for TLS: soon.own.test has no public address"] == "unknown"
    found = {each.found: each.state for each in await world.findings("daned.test", own_network=False)}
    assert any(state == "ok" and words.startswith("TLSA:") for words, state in found.items()), "its own address is known"


@pytest.mark.spec_part("PLN-2")
async def test_a_signed_zone_without_tlsa_is_told_the_record_and_an_unsigned_one_to_sign_first(world: World) -> None:
    literal = f"Publish: _25._tcp.mx.own.test. IN TLSA {world.good.tlsa_ee}"
    await shows(world, "good.test", ("note", "TLSA: _25._tcp.mx.own.test has no record (DANE)", literal))
    unsigned = ("note", "TLSA: _25._tcp.mx.own.test has no record (DANE)", "sign the zone of mx.own.test")
    await shows(world, "good.test", unsigned, validating=False)
    unvalidated = ("warning", "TLSA: the records of _25._tcp.dane.own.test were not validated", "Sign the zone with DNSSEC")
    await shows(world, "daned.test", unvalidated, validating=False)


SENDER_CASES: dict[str, tuple[Expected, ...]] = {
    "spfgood": (("ok", f"SPF: v=spf1 ip4:{ADDRESS} -all lets {ADDRESS} send", ""),),
    "spfnone": (("warning", "SPF: there is no record", f'spfnone.test. IN TXT "v=spf1 mx ip4:{ADDRESS} -all"'),),
    "spfhere": (("warning", "SPF: there is no record", 'spfhere.test. IN TXT "v=spf1 mx -all"'),),
    "spftwo": (("wrong", "SPF: there are 2 records", f'spftwo.test. IN TXT "v=spf1 mx ip4:{ADDRESS} ~all"'),),
    "spfopen": (("wrong", "SPF: v=spf1 +all lets everybody send", 'spfopen.test. IN TXT "v=spf1 -all"'),),
    "spfwide": (("wrong", "SPF: v=spf1 ip4:0.0.0.0/0 -all lets everybody send", ""),),
    "spfneutral": (("warning", "SPF: ?all forbids nothing", f'spfneutral.test. IN TXT "v=spf1 ip4:{ADDRESS} -all"'),),
    "spfendless": (
        ("warning", "SPF: the record does not end in -all", f'spfendless.test. IN TXT "v=spf1 ip4:{ADDRESS} -all"'),
    ),
    "spfptr": (("note", "SPF: receivers pass ptr over", "Take it out"),),
    "spfmissing": (
        (
            "wrong",
            f"SPF: v=spf1 ip4:192.0.2.1 -all gives fail for {ADDRESS}",
            f'spfmissing.test. IN TXT "v=spf1 ip4:192.0.2.1 ip4:{ADDRESS} -all"',
        ),
    ),
    "spfbad": (("wrong", f"SPF: v=spf1 ip4:{ADDRESS} ipv4:192.0.2.1 -all is an error for every receiver", "IN TXT"),),
    "spfmany": (("wrong", f"SPF: v=spf1 ip4:{ADDRESS} include:", "Name networks (ip4:, ip6:) in place of include:"),),
    "spfnine": (("note", "SPF: it takes 9 of the 10 look-ups", "in place of an include:"),),
    "dkimgood": (("ok", "DKIM: s1 (active) is published", ""),),
    "dkimspaced": (("ok", "DKIM: s1 (active) is published", ""),),
    "dkimabsent": (
        ("wrong", "DKIM: s1 (active) is not published", 's1._domainkey.dkimabsent.test. IN TXT ( "v=DKIM1; k=rsa; p='),
    ),
    "dkimnext": (("note", "DKIM: s1 (next) is not published", 's1._domainkey.dkimnext.test. IN TXT ( "v=DKIM1'),),
    "dkimanother": (("wrong", "DKIM: s1 (active) is published with another key", "s1._domainkey.dkimanother.test. IN TXT"),),
    "dkimrevoked": (("wrong", "DKIM: s1 (active): the key is revoked", "s1._domainkey.dkimrevoked.test. IN TXT"),),
    "dkimtests": (("warning", "DKIM: s1 (active) is in test mode (t=y)", "s1._domainkey.dkimtests.test. IN TXT"),),
    "dkimtwice": (("wrong", "DKIM: s1 (active) has 2 records", "s1._domainkey.dkimtwice.test. IN TXT"),),
    "dkimnotmail": (("wrong", "DKIM: s1 (active): the key is not for mail", "s1._domainkey.dkimnotmail.test. IN TXT"),),
    "dkimretired": (("note", "DKIM: s1 (retired) is still published 30 days", "posthouse dkim delete dkimretired.test s1"),),
    "dkimended": (("ok", "DKIM: s1 (retired) is no longer published", ""),),
    "dmarcgood": (
        ("ok", "DMARC: v=DMARC1; p=reject; rua=mailto:d@dmarcgood.test", ""),
        ("ok", "BIMI: https://dmarcgood.test/l.svg", ""),
    ),
    "below.dmarcgood": (("ok", "DMARC: the record of dmarcgood.test holds", ""),),
    "dmarcabsent": (
        (
            "warning",
            "DMARC: there is no record",
            '_dmarc.dmarcabsent.test. IN TXT "v=DMARC1; p=none; rua=mailto:postmaster@dmarcabsent.test"',
        ),
    ),
    "dmarcnone": (
        ("note", "DMARC: v=DMARC1; p=none", '_dmarc.dmarcnone.test. IN TXT "v=DMARC1; p=quarantine; rua='),
        (
            "wrong",
            "DMARC reports: dmarcgood.test does not say that it wants any about dmarcnone.test",
            'Let dmarcgood.test publish: dmarcnone.test._report._dmarc.dmarcgood.test. IN TXT "v=DMARC1"',
        ),
        ("warning", "BIMI: nobody shows the picture", "p=quarantine or p=reject"),
    ),
    "dmarctwo": (
        ("wrong", "DMARC: there are 2 records", '_dmarc.dmarctwo.test. IN TXT "v=DMARC1'),
        ("ok", "BIMI: the domain wants no picture shown", ""),
    ),
    "dmarcbad": (
        ("wrong", "DMARC: the record cannot be used: p=rejects is none of none, quarantine, reject; adkim=strict", "IN"),
    ),
    "dmarccase": (("wrong", "DMARC: the record cannot be used: its version", '_dmarc.dmarccase.test. IN TXT "v=DMARC1'),),
    "dmarcodd": (
        ("warning", "DMARC: p= stands twice", ""),
        ("warning", "DMARC: fo=2 is none of 0, 1, d, s", ""),
        ("warning", "DMARC: pct=50 no longer means a part", ""),
        ("warning", "DMARC: aspf=x is none of r, s", ""),
        ("warning", "DMARC: zz= means nothing", ""),
        ("warning", "DMARC: ruf=mailto:me is no mailto: address", ""),
        ("note", "DMARC reports: nobody is asked for any", '; rua=mailto:postmaster@dmarcodd.test"'),
    ),
    "dmarctests": (
        ("note", "DMARC: v=DMARC1; p=reject; t=y; rua=mailto:d@dmarctests.test: in testing", "take t=y"),
        (
            "note",
            "DMARC reports: they come to d@dmarctests.test, and this node does not read them",
            "posthouse setting set reports.addresses d@dmarcgood.test d@dmarctests.test",
        ),
    ),
    "dmarcsub": (
        ("note", "DMARC: v=DMARC1; p=reject; sp=none: others may send in the name of subdomains", "Take sp=none out"),
        ("wrong", "BIMI: the record cannot be used", 'default._bimi.dmarcsub.test. IN TXT "v=BIMI1; l=https://'),
    ),
    "dmarclost": (("wrong", "DMARC reports: none can go to mailto:d@lost.test: lost.test takes no mail", "another address"),),
    "rptabsent": (
        (
            "note",
            "TLS-RPT: nobody is asked",
            '_smtp._tls.rptabsent.test. IN TXT "v=TLSRPTv1; rua=mailto:postmaster@rptabsent.test"',
        ),
    ),
    "rptgood": (
        ("ok", "TLS-RPT: reports go to mailto:t@rptgood.test, https://collector.test/in", ""),
        ("note", "TLS reports: they come to t@rptgood.test, and this node does not read them", "reports.addresses"),
    ),
    "rpttwo": (("wrong", "TLS-RPT: there are 2 records", '_smtp._tls.rpttwo.test. IN TXT "v=TLSRPTv1'),),
    "rptbad": (
        ("wrong", "TLS-RPT: 'v=TLSRPTv1; rua=t@rptbad.test' names no address", '_smtp._tls.rptbad.test. IN TXT "v=TLSRPTv1'),
    ),
    "rpthalf": (
        ("ok", "TLS-RPT: reports go to mailto:t@a.test", ""),
        ("warning", "TLS-RPT: 'ftp://b.test' is no address", "mailto: or https:"),
    ),
}


@pytest.mark.spec_part("PLN-2")
@pytest.mark.parametrize("name", SENDER_CASES)
async def test_what_is_wrong_with_a_sender_record_is_said_and_what_to_publish(world: World, name: str) -> None:
    await shows(world, f"{name}.test", *SENDER_CASES[name])


@pytest.mark.spec_part("PLN-2")
async def test_records_in_order_give_nothing_to_complain_of(world: World) -> None:
    for domain, subject in {
        "spfgood.test": "SPF",
        "dmarcgood.test": "DMARC",
        "good.test": "MTA-STS",
        "daned.test": "TLSA",
    }.items():
        findings = [each for each in await world.findings(domain) if each.found.startswith(f"{subject}:")]
        assert findings and {each.state for each in findings} == {"ok"}, findings


@pytest.fixture(scope="module")
def node(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    folder = tmp_path_factory.mktemp("checking-node")
    with running(folder, services=("smtp", "https"), workers=1, name=HOST, extra=world.unbound.toml) as started:
        started.run("setting", "set", "queue.ca_file", str(world.authority.file))
        started.run("setting", "set", "queue.allow_loopback", "on")
        for domain in ("good.test", "oldd.test", "nosts.test"):
            started.run("domain", "add", domain)
        yield started


@pytest.mark.spec_part("PLN-2")
def test_a_node_says_it_to_its_administrator(world: World, node: Node) -> None:
    shown = node.run("check", "domain", "good.test", check=False).stdout
    assert "MTA-STS: mx.own.test shows a certificate that holds" in shown
    done = node.run("check", "domain", "oldd.test", check=False)
    assert done.returncode == 1 and f"_25._tcp.old.own.test. IN TLSA {world.good.tlsa_ee}" in done.stdout


def policy_at(node: Node, host: str) -> tuple[int, str]:
    """What the node serves under this name, without asking for its certificate."""
    client = http.client.HTTPSConnection("127.0.0.1", node.ports["https"], timeout=60, context=lax_context())
    try:
        client.request("GET", "/.well-known/mta-sts.txt", headers={"Host": host})
        answer = client.getresponse()
        assert answer.headers["Content-Type"].startswith("text/plain")
        return answer.status, answer.read().decode()
    finally:
        client.close()


def lax_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


@pytest.mark.spec_part("PLN-2")
def test_a_node_serves_the_policy_of_its_domains_and_says_which_record_goes_with_it(node: Node) -> None:
    assert policy_at(node, "mta-sts.nosts.test")[0] == 404, "it is off at first"
    node.run("setting", "set", "tls.sts_hosts", "mx.own.test", "*.backup.test")
    node.run("setting", "set", "tls.sts_mode", "enforce")
    try:
        until(lambda: policy_at(node, "mta-sts.nosts.test")[0] == 200, 60.0)
        policy = mta_sts.parse(policy_at(node, "MTA-STS.nosts.test:443")[1].encode())
        assert (policy.mode, policy.hosts, policy.max_age_s) == ("enforce", ("mx.own.test", "*.backup.test"), 28 * DAY_S)
        for other in ("mta-sts.elsewhere.test", "nosts.test", "mta-sts.", "", "mta-sts.x'y"):
            assert policy_at(node, other)[0] == 404, other
        shown = node.run("check", "domain", "nosts.test", check=False).stdout
        assert f'publish: _mta-sts.nosts.test. IN TXT "v=STSv1; id={mta_sts.policy_id(policy)}"' in shown
    finally:
        node.run("setting", "set", "tls.sts_mode", "off")


@pytest.mark.spec("PLN-2")
def test_one_check_finds_what_is_wrong_all_around_the_node_and_says_what_to_do(
    world: World, node: Node, tmp_path_factory: pytest.TempPathFactory
) -> None:
    mail_port = str(node.ports["smtp"])
    with Slapd(tmp_path_factory.mktemp("slapd")) as slapd, time_server(90.0) as clock:
        node.run("ldapserver", "add", "corp", slapd.url, BASE, "--password", LDAP_PASSWORD, f"bind_dn={READER}")
        node.run("ldapserver", "add", "gone", "ldap://127.0.0.1:1", BASE, "--password", LDAP_PASSWORD, f"bind_dn={READER}")
        for domain in ("alias.test", "spfmissing.test", "dmarctwo.test", "good.test"):
            node.run("domain", "add", domain, check=False)
        node.run("dkim", "add", "good.test")
        node.run("dkim", "rotate", "good.test")
        done = node.run("check", "all", f"127.0.0.1:{mail_port}", "127.0.0.1:1", "--time-server", clock, "--json", check=False)
    assert done.returncode == 1 and "things to put right" in done.stderr
    findings = json.loads(done.stdout)["findings"]

    def says(area: str, subject: str, start: str) -> tuple[str, str]:
        found = [each for each in findings if (each["area"], each["subject"]) == (area, subject)]
        [one] = [each for each in found if each["found"].startswith(start)]
        return one["state"], one["advice"]

    # DNS: A, PTR, MX, CNAME, SPF, DKIM, DMARC, MTA-STS, TLSA
    assert says("host", HOST, "has the address")[0] == "ok"
    assert says("host", ADDRESS, "")[0] == "wrong", "it has no name"
    assert says("domain", "nosts.test", "MX: there is none") == ("wrong", f"Publish: nosts.test. IN MX 10 {HOST}.")
    assert says("domain", "alias.test", "MX: also.own.test is an alias")[0] == "wrong"
    assert "IN TXT" in says("domain", "spfmissing.test", "SPF: v=spf1 ip4:192.0.2.1 -all gives fail")[1]
    assert "_domainkey.good.test. IN TXT" in says("domain", "good.test", "DKIM:")[1]
    assert says("domain", "dmarctwo.test", "DMARC: there are 2 records")[0] == "wrong"
    assert says("domain", "good.test", "MTA-STS: the policy is announced and served")[0] == "ok"
    state, advice = says("domain", "oldd.test", "TLSA: old.own.test does not prove itself")
    assert state == "wrong" and f"IN TLSA {world.good.tlsa_ee}" in advice

    # clock, ports in and out, certificates, directories, disk
    assert says("clock", clock, "the clock is")[0] == "wrong"
    assert says("port", f"127.0.0.1:{mail_port}", "smtp answers")[0] == "ok"
    assert says("port", f"127.0.0.1:{mail_port}", "can be reached")[0] == "ok"
    state, advice = says("port", "127.0.0.1:1", "cannot be reached")
    assert state == "wrong" and "port 25" in advice
    assert says("port", f"127.0.0.1:{world.unbound.port}", "the name server answers over UDP and TCP")[0] == "ok"
    closed = next(each["found"] for each in findings if each["subject"] == "in")
    assert all(f"{port} (" in closed for port in (25, 80, 110, 143, 443, 465, 587, 993, 995))
    assert any(each["area"] == "certificate" and each["state"] == "warning" for each in findings), "it is self-made"
    assert says("directory", f"corp at {slapd.url}", "answers")[0] == "ok"
    assert says("directory", "gone at ldap://127.0.0.1:1", "")[0] == "wrong"
    assert {each["area"] for each in findings} >= {"disk", "reputation"}
