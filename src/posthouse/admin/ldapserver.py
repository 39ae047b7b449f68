"""Outside directories: the LDAP servers that addresses are looked up in (RTE-2, INB-5, RTE-4, OUT-2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast
from urllib.parse import urlsplit

from posthouse.admin.arguments import Secret, UsageError
from posthouse.admin.context import Context
from posthouse.admin.ldapdesk import LdapDesk
from posthouse.admin.operation import operation
from posthouse.base.errors import AlreadyExists, BadValue, NotFound, Temporary
from posthouse.formats.ldap_entries import address_filter
from posthouse.model.address import Address, normal_domain
from posthouse.model.outside import ATTRIBUTES, PRESETS, PURPOSES, SCOPES, LdapServer, Purpose
from posthouse.protocols.ldap.filters import BadFilter, Filter


@dataclass(frozen=True, slots=True)
class ServerRow:
    """One directory as lists show it."""

    name: str
    urls: tuple[str, ...]
    base: str
    domains: tuple[str, ...]
    uses: tuple[str, ...]
    preset: str


@dataclass(frozen=True, slots=True)
class ServerCard:
    """Everything that is set of a directory; of the password only whether there is one."""

    name: str
    urls: tuple[str, ...]
    base: str
    scope: str
    bind_dn: str
    password: str
    tls: str
    verify: bool
    ca_file: str
    preset: str
    filter: str
    domain_filter: str
    attributes: tuple[str, ...]
    host_suffix: str
    domains: tuple[str, ...]
    uses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TriedRow:
    """What came of asking one server."""

    url: str
    outcome: str
    seconds: float


@dataclass(frozen=True, slots=True)
class FoundRow:
    """What the directories say of an address, for one purpose."""

    purpose: str
    server: str
    dn: str
    address: str
    leads_to: tuple[str, ...]
    trouble: str = ""


@operation("ldapserver add", role="administrator")
async def add(
    context: Context,
    name: str,
    urls: str,
    base: str,
    terms: tuple[str, ...] = (),
    *,
    password: Secret = Secret(""),  # noqa: B008 - never changed
) -> ServerCard:
    """Adds an outside directory, in which addresses are looked up over LDAP.

    Args:
        name: a word of your own for it.
        urls: ldap://host:port or ldaps://host:port; several that hold the same, with commas between, are tried in this order.
        base: the entry below which it is searched, such as dc=example,dc=com.
        terms: what else is to be said, each as WORD=VALUE; the words are those of ldapserver set.
        password: the password of the entry that we log in as (bind_dn=).
    """
    desk = _desk(context)
    if any(each.name == _name(name) for each in desk.servers.servers()):
        raise AlreadyExists(f"Already exists: {name}")
    return await _put(desk, changed(LdapServer(_name(name), _urls(urls), base, password=password.text), terms))


@operation("ldapserver set", role="administrator")
async def set_(context: Context, name: str, terms: tuple[str, ...]) -> ServerCard:
    """Changes what is set of an outside directory; an empty value takes something away.

    ``domains``: those whose addresses it is asked about, and whose mail is taken if it knows the recipient and its host; none:
    it is asked about the node's domains and routed ones. ``uses``: recipients (who is unknown is refused), routes, groups,
    masquerade. ``preset``: which attributes hold what: standard, active-directory, appliance. ``bind_dn``: the entry that we
    log in as. ``tls``: starttls encrypts ldap:// connections before anything is said; elsewhere does if they leave this machine
    (at first); off does not. ``verify``: off accepts any certificate.
    ``ca_file``: the authority that certificates must be from; none: the system's. ``scope``: base, one or sub. ``filter``: how
    an address is found, %s the address, %u its local part, %d its domain; none: by the preset's attributes.
    ``domain_filter``: how a domain's entry is found for masquerading, %d the domain. ``host_suffix``: domain that follows a
    host's name without one. Attribute names that differ from the preset's, with commas between: ``addresses``, ``primary``,
    ``host``, ``routing``, ``members``, ``member_dns``, ``masquerade``, ``group_classes``,
    ``posters``, ``poster_dns``, ``inside_only``. ``urls`` and ``base``: as added.

    Args:
        name: the directory.
        terms: what changes, each as WORD=VALUE, such as domains=example.com,example.org.
    """
    desk = _desk(context)
    if not terms:
        raise UsageError("ldapserver set: give at least one WORD=VALUE")
    return await _put(desk, changed(_server(desk, name), terms))


@operation("ldapserver password", role="administrator")
async def password(context: Context, name: str, *, password: Secret) -> None:
    """Sets the password that we log in with at an outside directory.

    Args:
        name: the directory.
        password: the password of its bind DN.
    """
    desk = _desk(context)
    await _put(desk, replace(_server(desk, name), password=password.text))


@operation("ldapserver list", role="reader", reads=True)
async def list_(context: Context) -> Sequence[ServerRow]:
    """Lists the outside directories, in the order in which they are asked."""
    return [
        ServerRow(each.name, each.urls, each.base, each.domains, each.uses, each.preset)
        for each in _desk(context).servers.servers()
    ]


@operation("ldapserver show", role="reader", reads=True)
async def show(context: Context, name: str) -> ServerCard:
    """Shows everything that is set of an outside directory; never its password.

    Args:
        name: the directory.
    """
    return _card(_server(_desk(context), name))


@operation("ldapserver delete", role="administrator")
async def delete(context: Context, name: str) -> None:
    """Deletes an outside directory: it is not asked any more.

    Args:
        name: the directory.
    """
    await _desk(context).writer.delete_server(_name(name))


@operation("ldapserver test", role="administrator", reads=True)
async def test(context: Context, name: str) -> Sequence[TriedRow]:
    """Connects to each server of an outside directory, logs in, and reads its base.

    Args:
        name: the directory.
    """
    desk = _desk(context)
    tried = await desk.tries.tried(_server(desk, name))
    return [TriedRow(each.url, each.problem or "answers", round(each.took_s, 3)) for each in tried]


@operation("ldapserver lookup", role="help-desk", reads=True)
async def lookup(context: Context, address: Address) -> Sequence[FoundRow]:
    """Shows what the outside directories say of an address, and where its mail would go by them.

    Args:
        address: any address.
    """
    outside = _desk(context).outside
    rows = []
    for purpose in PURPOSES:
        if not outside.covers(address.domain, purpose):
            continue
        try:
            found = await outside.find(address, purpose)
            if found is None:
                rows.append(FoundRow(purpose, "", "", "", ()))
                continue
            leads = await _leads(context, address, purpose)
            rows.append(FoundRow(purpose, found.server, found.dn, str(found.address or ""), leads))
        except Temporary as error:
            rows.append(FoundRow(purpose, "", "", "", (), error.cause or error.public))
    return rows


async def _leads(context: Context, address: Address, purpose: Purpose) -> tuple[str, ...]:
    outside = _desk(context).outside
    if purpose == "masquerade":
        return ("@".join(await outside.masked(address.local, address.domain)),)
    if purpose == "recipients" or (lead := await outside.lead(address)) is None:
        return ()
    if lead.members is not None:
        return tuple(map(str, lead.members)) if purpose == "groups" else ()
    return (f"{lead.address} by {lead.hop}" if lead.hop else str(lead.address),) if purpose == "routes" else ()


def _desk(context: Context) -> LdapDesk:
    if context.ldap is None:
        raise BadValue("this node has no outside directories")
    return context.ldap


def _server(desk: LdapDesk, name: str) -> LdapServer:
    for server in desk.servers.servers():
        if server.name == _name(name):
            return server
    raise NotFound(f"no LDAP server {name}")


async def _put(desk: LdapDesk, server: LdapServer) -> ServerCard:
    """Raises BadValue for what cannot be."""
    try:
        Filter.parse(address_filter(server))
        if server.domain_filter:
            Filter.parse(server.domain_filter)
        if server.host_suffix:
            normal_domain(server.host_suffix)
    except BadFilter as error:
        raise BadValue(f"the filter: {error}") from None
    except ValueError as error:
        raise BadValue(f"the host suffix: {error}") from None
    if not server.base.strip() or "=" not in server.base:
        raise BadValue("the base is the name of an entry, such as dc=example,dc=com")
    if server.password and not server.bind_dn:
        raise BadValue("a password goes with a bind DN")
    texts = (server.base, server.bind_dn, server.filter, server.domain_filter, server.ca_file)
    if not all(text.isprintable() for text in texts):
        raise BadValue("names, filters and files are of printable characters")
    await desk.writer.put_server(server)
    return _card(server)


def _card(server: LdapServer) -> ServerCard:
    attributes = tuple(f"{word}={','.join(names)}" for word, names in server.attributes.items())
    return ServerCard(
        name=server.name,
        urls=server.urls,
        base=server.base,
        scope=server.scope,
        bind_dn=server.bind_dn,
        password="***" if server.password else "",
        tls=server.tls,
        verify=server.verify,
        ca_file=server.ca_file,
        preset=server.preset,
        filter=address_filter(server),
        domain_filter=server.domain_filter,
        attributes=attributes,
        host_suffix=server.host_suffix,
        domains=server.domains,
        uses=server.uses,
    )


def changed(server: LdapServer, terms: Sequence[str]) -> LdapServer:
    """With what the terms say. Raises BadValue, UsageError."""
    for term in terms:
        word, equals, value = term.partition("=")
        word = word.strip().lower().replace("-", "_")
        if not equals or word not in (*_TERMS, *ATTRIBUTES):
            if word == "password":
                raise UsageError("a password is given by --password or by ldapserver password, so that nobody reads it later")
            raise UsageError(f"{word!r} is none of the words in WORD=VALUE: {', '.join((*_TERMS, *ATTRIBUTES))}")
        if word in ATTRIBUTES:
            names = {**server.attributes, word: tuple(_words(value))}
            server = replace(server, attributes=names if value else {key: names[key] for key in names if key != word})
        else:
            server = replace(server, **{word: _TERMS[word](value.strip())})
    return server


def _name(text: str) -> str:
    name = text.lower()
    if not name or len(name) > 64 or not all(char.isalnum() or char in "._-" for char in name):
        raise BadValue("a name is of letters, digits, dots and hyphens")
    return name


def _words(text: str) -> list[str]:
    return [word for word in text.replace(",", " ").split() if word]


def _urls(text: str) -> tuple[str, ...]:
    urls = _words(text)
    if not urls:
        raise UsageError("give at least one URL")
    for url in urls:
        try:
            parts = urlsplit(url)
            usable = parts.scheme in ("ldap", "ldaps") and parts.hostname and parts.port != 0
        except ValueError:
            usable = False
        if not usable or parts.username or parts.path.strip("/") or parts.query or parts.fragment:
            raise BadValue(f"{url!r} is not ldap://host:port or ldaps://host:port")
    return tuple(urls)


def _domains(text: str) -> tuple[str, ...]:
    try:
        return tuple(dict.fromkeys(normal_domain(word) for word in _words(text)))
    except ValueError as error:
        raise BadValue(f"domains: {error}") from None


def _uses(text: str) -> tuple[Purpose, ...]:
    words = [word.lower() for word in _words(text)]
    if not words or (unknown := set(words) - set(PURPOSES)):
        raise BadValue(f"uses are of {', '.join(PURPOSES)}" + (f", not {min(unknown)}" if words else ""))
    return tuple(cast(Purpose, word) for word in dict.fromkeys(words))


def _one_of(*words: str) -> Callable[[str], object]:
    def reads(text: str) -> object:
        if text.lower() not in words:
            raise BadValue(f"{text!r} is not one of {', '.join(words)}")
        return text.lower()

    return reads


_TERMS: Mapping[str, Callable[[str], Any]] = {
    "urls": _urls,
    "base": str,
    "domains": _domains,
    "uses": _uses,
    "preset": _one_of(*PRESETS),
    "bind_dn": str,
    "tls": _one_of("elsewhere", "starttls", "off"),
    "verify": lambda text: _one_of("on", "off")(text) == "on",
    "ca_file": str,
    "scope": _one_of(*SCOPES),
    "filter": str,
    "domain_filter": str,
    "host_suffix": str.lower,
}
"""How each word of a term is read."""
