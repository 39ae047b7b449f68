"""Domains whose mail ends here (GRP-1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from posthouse.admin.arguments import DomainName
from posthouse.admin.context import Context
from posthouse.admin.operation import operation
from posthouse.base.errors import BadValue, NotFound
from posthouse.model.account import Domain
from posthouse.model.address import Address


@dataclass(frozen=True, slots=True)
class DomainRow:
    """One domain as shown."""

    domain: str
    catch_all: str
    enabled: bool


def _row(domain: Domain) -> DomainRow:
    return DomainRow(domain.name, domain.catch_all, domain.enabled)


@operation("domain add", role="administrator")
async def add(context: Context, domain: DomainName, *, catch_all: str = "") -> DomainRow:
    """Adds a domain whose mail ends on this site.

    Args:
        domain: name of the domain, such as example.com.
        catch_all: address that receives mail for unknown users; without one they are refused.
    """
    await context.directory_writer.add_domain(domain)
    return _row(await context.directory_writer.change_domain(domain, catch_all=_catch_all(catch_all)))


@operation("domain list", role="reader", scope="domain", reads=True)
async def list_(context: Context) -> Sequence[DomainRow]:
    """Lists the domains."""
    found = await context.directory.domains()
    return [_row(domain) for domain in found if context.own_domain in ("", domain.name)]


@operation("domain show", role="reader", scope="domain", reads=True)
async def show(context: Context, domain: DomainName) -> DomainRow:
    """Shows one domain.

    Args:
        domain: name of the domain.
    """
    context.require_domain(domain)
    return _row(await _domain(context, domain))


@operation("domain set", role="domain-administrator", scope="domain")
async def set_(context: Context, domain: DomainName, *, catch_all: str | None = None, enabled: bool | None = None) -> DomainRow:
    """Changes a domain.

    Args:
        domain: name of the domain.
        catch_all: address that receives mail for unknown users; an empty one refuses them.
        enabled: on or off; mail for a domain that is off is not accepted.
    """
    context.require_domain(domain)
    if catch_all is None and enabled is None:
        raise BadValue("nothing to change: give --catch-all or --enabled")
    wanted = None if catch_all is None else _catch_all(catch_all)
    return _row(await context.directory_writer.change_domain(domain, catch_all=wanted, enabled=enabled))


@operation("domain delete", role="administrator")
async def delete(context: Context, domain: DomainName) -> None:
    """Deletes a domain that has neither users nor aliases any more.

    Args:
        domain: name of the domain.
    """
    await context.directory_writer.delete_domain(domain)


async def _domain(context: Context, name: str) -> Domain:
    for domain in await context.directory.domains():
        if domain.name == name:
            return domain
    raise NotFound(f"there is no domain {name}")


def _catch_all(text: str) -> str:
    try:
        return str(Address.parse(text)) if text else ""
    except ValueError as error:
        raise BadValue(f"catch-all: {text!r} does not fit ({error})") from None
