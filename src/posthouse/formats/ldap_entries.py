"""What the attributes of a directory's entry mean to mail, by the names that hold for its server (``model.outside``).

Values are other people's: what is no address, no text or no name of a host is passed over, never an error. Sources: RFC 4524
(``mail``), draft-lachman-laser-ldap-mail-routing (``mailHost``, ``mailRoutingAddress``), Microsoft's [MS-ADA]
(``proxyAddresses``, ``homeMDB``, ``msExchHomeServerName``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import unquote, urlsplit

from posthouse.model.address import Address
from posthouse.model.outside import AttributeNames, LdapServer, OutsideEntry, Posting

Attributes = Mapping[str, tuple[bytes, ...]]

_PREFIXED = ("proxyaddresses", "targetaddress")
"""Attributes whose values say of what kind they are: ``smtp:`` for any address, ``SMTP:`` for the main one."""
_RANGE = re.compile(r"(?P<name>[^;]+);range=(?P<first>\d+)-(?P<last>\d+|\*)")
_MAX_VALUE = 1_000


def address_filter(server: LdapServer) -> str:
    """The filter that finds an address: the administrator's own, else one of the address attributes."""
    if server.filter:
        return server.filter
    comparisons = [f"({name}={'smtp:' if name.lower() in _PREFIXED else ''}%s)" for name in server.names.addresses]
    return comparisons[0] if len(comparisons) == 1 else f"(|{''.join(comparisons)})"


def entry_of(server: LdapServer, dn: bytes, attributes: Attributes) -> OutsideEntry:
    """What an entry that was found says."""
    names = server.names
    classes = {value.lower() for value in _texts(attributes, ("objectClass",))}
    is_group, name = any(name.lower() in classes for name in names.group_classes), dn.decode("utf-8", "replace")
    return OutsideEntry(
        server=server.name,
        dn=name,
        address=next(_addresses(attributes, names.primary, main=True), None),
        host=_host(next(_texts(attributes, names.host), ""), server.host_suffix),
        routing=next(_addresses(attributes, names.routing), None),
        masquerade=next(_texts(attributes, names.masquerade), ""),
        is_group=is_group,
        posting=_posting(server, name, attributes) if is_group else None,
    )


def wanted_attributes(server: LdapServer) -> tuple[str, ...]:
    """The attributes that ``entry_of`` looks at."""
    names = server.names
    return tuple(
        dict.fromkeys(("objectClass", *names.primary, *names.host, *names.routing, *names.masquerade, *_about_posting(names)))
    )


def member_addresses(server: LdapServer, attributes: Attributes) -> tuple[Address, ...]:
    """The addresses that a group lists."""
    return tuple(_addresses(attributes, server.names.members))


def member_dns(server: LdapServer, attributes: Attributes) -> tuple[bytes, ...]:
    """The names of the entries that a group lists; a piece of a long list counts too (``member;range=0-1499``)."""
    names = {name.lower() for name in server.names.member_dns}
    return tuple(value for name, values in attributes.items() if name.partition(";")[0] in names for value in values if value)


def rest_of_range(attributes: Attributes) -> str:
    """Active Directory gives long lists in pieces: the attribute to ask for next, "" when all is there."""
    for name in attributes:
        match = _RANGE.fullmatch(name)
        if match is not None and match["last"] != "*":
            return f"{match['name']};range={int(match['last']) + 1}-*"
    return ""


def domain_mask(server: LdapServer, attributes: Attributes) -> str:
    """What a domain's entry says that its mail leaves under."""
    return next(_texts(attributes, server.names.masquerade), "").lower()


def _posting(server: LdapServer, group: str, attributes: Attributes) -> Posting | None:
    """Words that are neither an address nor a domain nor an entry allow nobody."""
    names, addresses, domains = server.names, [], []
    dns = list(_texts(attributes, names.poster_dns))
    for text in _texts(attributes, names.posters):
        scheme, _, rest = text.partition(":")
        if scheme.lower() == "ldap":
            dns.append(unquote(urlsplit(text).path.lstrip("/")))
        elif "@" in text:
            addresses.append((rest if scheme.lower() == "mailto" else text).lower())
        else:
            domains.append(text.lower().lstrip("*@."))
    said = {name.lower() for name in (*names.posters, *names.poster_dns)}
    if not (addresses or domains or dns) and any(attributes[name] for name in attributes if name.partition(";")[0] in said):
        addresses.append("")  # it is closed, by words that are not understood
    inside_only = any(text.lower() == "true" for text in _texts(attributes, names.inside_only))
    found = Posting(server.name, group, inside_only, tuple(addresses), tuple(domains), tuple(dns))
    return None if found.is_open else found


def _about_posting(names: AttributeNames) -> tuple[str, ...]:
    return (*names.posters, *names.poster_dns, *names.inside_only)


def _texts(attributes: Attributes, names: Sequence[str]) -> Iterator[str]:
    for name in names:
        for value in attributes.get(name.lower(), ()):
            text = _text(value)
            if text:
                yield text


def _text(value: bytes) -> str:
    """ "" for what is none."""
    try:
        text = value.decode().strip() if len(value) <= _MAX_VALUE else ""
    except UnicodeDecodeError:
        return ""
    return text if text.isprintable() else ""


def _addresses(attributes: Attributes, names: Sequence[str], *, main: bool = False) -> Iterator[Address]:
    for name in names:
        prefixed = name.lower() in _PREFIXED
        for text in _texts(attributes, (name,)):
            kind, colon, rest = text.partition(":")
            if prefixed and (not colon or (kind != "SMTP" if main else kind.lower() != "smtp")):
                continue
            try:
                yield Address.parse(rest if prefixed else text)
            except ValueError:
                continue


def _host(text: str, suffix: str) -> str:
    """A host's name: as it stands, or the server in Exchange's name of it, which has no domain."""
    if text.startswith("/"):  # /o=Site/ou=Group/cn=Configuration/cn=Servers/cn=EX01
        text = text.rpartition("=")[2]
    elif "=" in text:  # CN=Database,CN=Storage,CN=EX01,CN=Servers,CN=...
        words = [word.strip().partition("=")[2] for word in text.split(",")]
        place = next((at for at, word in enumerate(words) if word.lower() == "servers"), 0)
        text = words[place - 1] if place else ""
    bare = text.lower()
    return f"{bare}.{suffix}" if bare and suffix and not re.search(r"[.:\[]", bare) else bare
