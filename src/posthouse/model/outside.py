"""Directories of other people that addresses are looked up in, and what is found there (RTE-2, INB-5, RTE-4, OUT-2).

A server's attribute names come from its preset, and one by one from what its administrator says instead.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import Literal
from urllib.parse import urlsplit

from posthouse.model.address import Address

Purpose = Literal["recipients", "routes", "groups", "masquerade"]
Preset = Literal["standard", "active-directory", "appliance"]
Scope = Literal["base", "one", "sub"]
Tls = Literal["elsewhere", "starttls", "off"]
PURPOSES: tuple[Purpose, ...] = ("recipients", "routes", "groups", "masquerade")
SCOPES: tuple[Scope, ...] = ("base", "one", "sub")


@dataclass(frozen=True, slots=True)
class AttributeNames:
    """Which attributes hold what; of several, the first that has a value counts, but of addresses and members all do.

    ``addresses``: by these an entry is found, when no filter says otherwise. ``primary``: its main address. ``host``: the host
    that has its mailbox. ``routing``: the address that its mail is rewritten to. ``members``: addresses of a group's members;
    ``member_dns``: names of their entries. ``masquerade``: the domain or address that its mail leaves under, else the primary
    one. ``group_classes``: object classes that make an entry a group. ``posters``: addresses and domains that may write to it,
    ``poster_dns``: entries, groups among them, that may; ``inside_only``: whether only people of the site may.
    """

    addresses: tuple[str, ...]
    primary: tuple[str, ...]
    host: tuple[str, ...]
    routing: tuple[str, ...]
    members: tuple[str, ...]
    member_dns: tuple[str, ...]
    masquerade: tuple[str, ...]
    group_classes: tuple[str, ...]
    posters: tuple[str, ...]
    poster_dns: tuple[str, ...]
    inside_only: tuple[str, ...]


_STANDARD = AttributeNames(
    addresses=("mail", "mailAlternateAddress", "mailLocalAddress"),
    primary=("mail",),
    host=("mailHost",),
    routing=("mailRoutingAddress",),
    members=("mgrpRFC822MailMember", "rfc822MailMember"),
    member_dns=("uniqueMember", "member"),
    masquerade=(),
    group_classes=("mailGroup", "groupOfNames", "groupOfUniqueNames"),
    posters=("mgrpAllowedBroadcaster", "mgrpAllowedDomain"),
    poster_dns=(),
    inside_only=(),
)
PRESETS: Mapping[Preset, AttributeNames] = MappingProxyType(
    {
        "standard": _STANDARD,
        "active-directory": AttributeNames(
            addresses=("proxyAddresses", "mail"),
            primary=("proxyAddresses", "mail"),
            host=("msExchHomeServerName", "homeMDB"),
            routing=("targetAddress",),
            members=(),
            member_dns=("member",),
            masquerade=(),
            group_classes=("group",),
            posters=(),
            poster_dns=("authOrig", "dLMemSubmitPerms"),
            inside_only=("msExchRequireAuthToSendTo",),
        ),
        "appliance": replace(_STANDARD, addresses=("mail", "mailAlternateAddress"), group_classes=("mailGroup",)),
    }
)
"""``standard``: RFC 4524, inetLocalMailRecipient and its relatives. ``appliance``: what the old appliance's directory has."""
ATTRIBUTES: tuple[str, ...] = tuple(each.name for each in fields(AttributeNames))


@dataclass(frozen=True, slots=True)
class LdapServer:
    """One directory, on one or several servers that hold the same: ``urls`` are tried in order.

    ``tls``: whether an ``ldap://`` connection is made secret by StartTLS; ``elsewhere``: if it leaves this machine. ``verify``:
    whether certificates must be good, by ``ca_file`` or the system's authorities. ``filter`` "": made from the address
    attributes. ``domains`` empty: those that the node has or routes, and no other becomes ours. ``attributes`` says what
    differs from the preset. ``host_suffix`` follows a host's name that has no dot. ``domain_filter`` finds a domain's entry
    for masquerading, "" if only addresses are looked up.
    """

    name: str
    urls: tuple[str, ...]
    base: str
    bind_dn: str = ""
    password: str = field(default="", repr=False)
    tls: Tls = "elsewhere"
    verify: bool = True
    ca_file: str = ""
    scope: Scope = "sub"
    preset: Preset = "standard"
    filter: str = ""
    domain_filter: str = ""
    attributes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    domains: tuple[str, ...] = ()
    uses: tuple[Purpose, ...] = ("recipients", "routes", "groups")
    host_suffix: str = ""

    def starts_tls(self, url: str) -> bool:
        """Whether a connection to this URL is made secret before anything is said."""
        return url.startswith("ldap:") and (self.tls == "starttls" or (self.tls == "elsewhere" and not is_here(url)))

    @property
    def names(self) -> AttributeNames:
        """The attribute names that hold for it."""
        return replace(PRESETS[self.preset], **self.attributes)

    def serves(self, domain: str, purpose: Purpose) -> bool:
        """Whether it is asked about addresses of a domain for this."""
        return purpose in self.uses and (not self.domains or domain in self.domains)

    def owns(self, domain: str, purpose: Purpose) -> bool:
        """Whether it names the domain, and is used for this."""
        return domain in self.domains and purpose in self.uses


def is_here(url: str) -> bool:
    """Whether a URL's host is this machine itself."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@dataclass(frozen=True, slots=True)
class Posting:
    """Who may write to a group of directory ``server``. ``inside_only``: people of the site alone. ``addresses`` and
    ``domains``, entries of the names ``dns`` and members of those: nobody else, where any is given."""

    server: str
    group: str
    inside_only: bool = False
    addresses: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()
    dns: tuple[str, ...] = ()

    @property
    def is_open(self) -> bool:
        """Whether anyone may."""
        return not (self.inside_only or self.addresses or self.domains or self.dns)


@dataclass(frozen=True, slots=True)
class OutsideEntry:
    """What a directory says of one address. ``server`` is the directory's name here, ``dn`` the entry's there.

    ``address`` is its main one, None if it has none. ``host``, ``routing``, ``masquerade``: as in ``AttributeNames``, empty or
    None where there is nothing. ``posting``: who may write to a group, None if anyone.
    """

    server: str
    dn: str
    address: Address | None = None
    host: str = ""
    routing: Address | None = None
    masquerade: str = ""
    is_group: bool = False
    posting: Posting | None = None
