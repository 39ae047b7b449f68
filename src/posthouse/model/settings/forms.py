"""Forms of values that several groups of settings share: networks, domains, addresses, next hops."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

from posthouse.base.settings import HIDDEN, Form
from posthouse.model.address import Address, normal_domain
from posthouse.model.networks import parse_network
from posthouse.model.route import NextHop

NETWORK = Form("a network such as 192.0.2.0/24, 2001:db8::/32 or 192.168.", parse_network)
DOMAIN = Form("a host or domain name", lambda text: normal_domain(text.strip(".")))
MX_PATTERN = Form("a host name, or *. and a domain", lambda text: normal_domain(text.removeprefix("*.").strip(".")))
ADDRESS = Form("an address", Address.parse)
NEXT_HOP = Form("a next hop", NextHop.parse)
SMART_HOST = Form(
    "a next hop, with smtp://user:password@ before it if it asks for a login", NextHop.parse_with_login, secret=True
)


def _one_of(*words: str) -> Callable[[str], object]:
    def reads(text: str) -> object:
        if text not in words:
            raise ValueError(f"one of {', '.join(words)}")
        return text

    return reads


RECIPIENT_SOURCE = Form("routes, directory, ldap or call-forward", _one_of("routes", "directory", "ldap", "call-forward"))


def _domain_policy(text: str) -> str:
    domain, _, policy = text.partition("=")
    if policy not in ("off", "mark", "reject", "enforce"):
        raise ValueError("the policy is off, mark, reject or enforce")
    return normal_domain(domain)


def _tls_domain(text: str) -> str:
    domain, _, demand = text.partition("=")
    if demand not in ("verify", "required", "opportunistic", "off"):
        raise ValueError("the demand is verify, required, opportunistic or off")
    return f"{normal_domain(domain)}={demand}"


def _http_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.fragment:
        raise ValueError("a URL begins with http:// or https:// and a host, and holds no password")
    if parts.port == 0 or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("that is no URL")
    return text


HTTP_URL = Form("a URL, http or https", _http_url)
TLS_DOMAIN = Form("a domain with a demand, such as bank.example=verify", _tls_domain)
DOMAIN_POLICY = Form("a domain with a policy, such as bank.example=enforce", _domain_policy)


def _sender_or_network(text: str) -> None:
    """Raises ValueError for what is no address, domain or network."""
    if "@" in text.strip("@"):
        Address.parse(text)
        return
    try:
        parse_network(text)
    except ValueError:
        normal_domain(text.strip("@."))


def _exempt_recipient(text: str) -> None:
    if text.endswith("@"):
        Address.parse(f"{text}local.invalid")
    else:
        _sender_or_network(text)


def _shared_database(text: str) -> None:
    parts = urlsplit(text)
    if parts.scheme not in ("postgresql", "postgres", "redis", "rediss", "valkey", "valkeys"):
        raise ValueError("it begins with postgresql://, redis:// or valkey://")
    if HIDDEN in text:
        raise ValueError("the password is hidden in it")
    _ = parts.port


SENDER_OR_NETWORK = Form("an address, a domain or a network", _sender_or_network)
EXEMPT_RECIPIENT = Form("an address, a domain, or a local part with @", _exempt_recipient)
SHARED_DATABASE = Form("a URL such as postgresql://user@host/name or redis://host:6379/0", _shared_database, secret=True)


def _delegate(text: str) -> None:
    account, _, address = text.partition("=")
    Address.parse(account)
    if address.startswith("@"):
        normal_domain(address[1:])
    else:
        Address.parse(address)


def _domain_map(text: str) -> None:
    old, _, new = text.partition("=")
    normal_domain(old.removeprefix("."))
    normal_domain(new)


DELEGATE = Form("an account with an address, such as jane@example.com=sales@example.com", _delegate)
DOMAIN_MAP = Form("two domains, such as host1.example.com=example.com", _domain_map)
