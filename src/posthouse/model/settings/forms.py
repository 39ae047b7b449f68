"""Forms of values that several groups of settings share: networks, domains, addresses, next hops."""

from __future__ import annotations

from urllib.parse import urlsplit

from posthouse.base.settings import Form
from posthouse.model.address import Address, normal_domain
from posthouse.model.networks import parse_network
from posthouse.model.route import NextHop

NETWORK = Form("a network such as 192.0.2.0/24, 2001:db8::/32 or 192.168.", parse_network)
DOMAIN = Form("a host or domain name", lambda text: normal_domain(text.strip(".")))
ADDRESS = Form("an address", Address.parse)
NEXT_HOP = Form("a next hop", NextHop.parse)


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
