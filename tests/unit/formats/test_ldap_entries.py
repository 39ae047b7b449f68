"""What a directory's attributes mean: the presets, Exchange's names of hosts, and values that are no good."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.formats import ldap_entries
from posthouse.model.address import Address
from posthouse.model.outside import ATTRIBUTES, PRESETS, LdapServer, Posting

SERVER = LdapServer("corp", (), "dc=corp")
AD = replace(SERVER, preset="active-directory", host_suffix="corp.test")


@pytest.mark.parametrize(
    ("preset", "text"),
    [
        ("standard", "(|(mail=%s)(mailAlternateAddress=%s)(mailLocalAddress=%s))"),
        ("active-directory", "(|(proxyAddresses=smtp:%s)(mail=%s))"),
        ("appliance", "(|(mail=%s)(mailAlternateAddress=%s))"),
    ],
)
def test_an_address_is_looked_for_by_the_presets_attributes(preset: str, text: str) -> None:
    server = replace(SERVER, preset=preset)  # type: ignore[arg-type]
    assert ldap_entries.address_filter(server) == text
    assert ldap_entries.address_filter(replace(server, attributes={"addresses": ("uid",)})) == "(uid=%s)"
    assert ldap_entries.address_filter(replace(server, filter="(cn=%u)")) == "(cn=%u)"


@pytest.mark.parametrize(
    ("attributes", "host"),
    [
        ({"msexchhomeservername": (b"/o=Corp/ou=Exchange Group (FYDIBOHF23SPDLT)/cn=Configuration/cn=Servers/cn=EX01",)},
         "ex01.corp.test"),
        ({"homemdb": (b"CN=Mailbox Store,CN=First Storage Group,CN=InformationStore,CN=EX02,CN=Servers,CN=First,DC=corp",)},
         "ex02.corp.test"),
        ({"homemdb": (b"CN=DB1,CN=Databases,CN=Exchange Administrative Group,DC=corp",)}, ""),
        ({"msexchhomeservername": (b"EX03.other.test",)}, "ex03.other.test"),
        ({"msexchhomeservername": (b"10.0.0.8:2525",)}, "10.0.0.8:2525"),
        ({"msexchhomeservername": (b"",), "homemdb": (b"",)}, ""),
        ({}, ""),
    ],
)  # fmt: skip
def test_exchange_names_its_servers_in_its_own_ways(attributes: dict[str, tuple[bytes, ...]], host: str) -> None:
    assert ldap_entries.entry_of(AD, b"cn=x", attributes).host == host


def test_the_main_address_of_active_directory_is_in_capitals() -> None:
    found = ldap_entries.entry_of(AD, b"cn=x", {
        "proxyaddresses": (b"X500:/o=x/cn=ann@x.test", b"smtp:a@corp.test", b"SMTP:ann@corp.test", b"sip:ann@corp.test"),
        "targetaddress": (b"SMTP:ann@far.test",), "objectclass": (b"top", b"Group"), "mail": (b"other@corp.test",),
    })  # fmt: skip
    assert (found.address, found.routing) == (Address.parse("ann@corp.test"), Address.parse("ann@far.test"))
    assert found.is_group
    assert ldap_entries.entry_of(AD, b"cn=x", {"mail": (b"only@corp.test",)}).address == Address.parse("only@corp.test")


def test_who_may_write_to_a_group() -> None:
    listed = {"objectclass": (b"mailGroup",), "mgrpalloweddomain": (b"corp.test", b"*.partner.test"),
              "mgrpallowedbroadcaster": (b"mailto:Boss@corp.test", b"x@far.test", b"ldap:///cn=a%20b,dc=corp")}  # fmt: skip
    assert ldap_entries.entry_of(SERVER, b"cn=g", listed).posting == Posting(
        "corp",
        "cn=g",
        addresses=("boss@corp.test", "x@far.test"),
        domains=("corp.test", "partner.test"),
        dns=("cn=a b,dc=corp",),
    )
    assert ldap_entries.entry_of(SERVER, b"cn=g", {"objectclass": (b"mailGroup",)}).posting is None
    closed = {"objectclass": (b"group",), "msexchrequireauthtosendto": (b"TRUE",), "authorig": (b"CN=Boss,DC=corp",)}
    assert ldap_entries.entry_of(AD, b"cn=g", closed).posting == Posting(
        "corp", "cn=g", inside_only=True, dns=("CN=Boss,DC=corp",)
    )
    assert ldap_entries.entry_of(AD, b"cn=g", closed | {"objectclass": (b"user",)}).posting is None
    for name, values in (("authorig", (b"\xff",)), ("authorig;range=0-1499", (b"cn=boss",))):
        found = ldap_entries.entry_of(AD, b"cn=g", {"objectclass": (b"group",), name: values}).posting
        assert found is not None and not found.is_open, "what is not understood does not open a group"


def test_the_old_appliances_names_are_understood() -> None:
    server = replace(SERVER, preset="appliance")
    person = {"mail": (b"jane@corp.test",), "mailhost": (b"Store1.corp.test",), "mailroutingaddress": (b"jane@in.test",)}
    found = ldap_entries.entry_of(server, b"uid=jane", person)
    assert (found.host, found.routing, found.is_group) == ("store1.corp.test", Address.parse("jane@in.test"), False)
    listed = {"objectclass": (b"mailGroup",), "mgrprfc822mailmember": (b"a@x.test", b"nobody"), "uniquemember": (b"uid=jane",)}
    assert ldap_entries.entry_of(server, b"cn=all", listed).is_group
    assert ldap_entries.member_addresses(server, listed) == (Address.parse("a@x.test"),)
    assert ldap_entries.member_dns(server, listed) == (b"uid=jane",)


def test_values_that_are_no_good_are_passed_over() -> None:
    values = (b"", b"no address", b"\xff\xfe@x.test", b"a\r\nb@x.test", b"x" * 2_000 + b"@x.test", b"good@x.test")
    found = ldap_entries.entry_of(SERVER, b"\xff", {"mail": values, "mailhost": (b"a\x00b", b"mx\n1", b"mx2.x.test")})
    assert (found.address, found.host) == (Address.parse("good@x.test"), "mx2.x.test")


@given(st.dictionaries(st.sampled_from(["mail", "mailhost", "proxyaddresses", "homemdb", "member;range=0-9", "objectclass",
                                        "uniquemember", "targetaddress", "msexchhomeservername"]),
                       st.lists(st.binary(max_size=80) | st.text(max_size=40).map(str.encode), max_size=4).map(tuple)),
       st.sampled_from(sorted(PRESETS)))  # fmt: skip
def test_no_value_is_an_error(attributes: dict[str, tuple[bytes, ...]], preset: str) -> None:
    server = replace(SERVER, preset=preset, host_suffix="corp.test")  # type: ignore[arg-type]
    found = ldap_entries.entry_of(server, b"cn=x", attributes)
    assert found.host.isprintable()
    assert all(address.domain for address in ldap_entries.member_addresses(server, attributes))
    assert all(ldap_entries.member_dns(server, attributes))
    assert isinstance(ldap_entries.rest_of_range(attributes), str)


def test_every_word_for_attributes_is_one_of_the_presets() -> None:
    for preset in PRESETS.values():
        assert all(isinstance(getattr(preset, word), tuple) for word in ATTRIBUTES)
