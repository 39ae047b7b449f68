"""Domains whose mail ends here (GRP-1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from posthouse.admin.alias import require_tree
from posthouse.admin.arguments import Amount, DomainName
from posthouse.admin.context import Context, NotAllowed
from posthouse.admin.cos import said
from posthouse.admin.leaving import finish_leaving
from posthouse.admin.operation import operation
from posthouse.admin.quota import count_in
from posthouse.base.errors import BadValue, NotFound
from posthouse.model.account import Domain
from posthouse.model.address import Address
from posthouse.model.limits import DomainTerms, checked_class_name


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
async def set_(  # noqa: PLR0913 - the signature is the operation's syntax
    context: Context,
    domain: DomainName,
    *,
    catch_all: str | None = None,
    enabled: bool | None = None,
    cos: str | None = None,
    quota_bytes: Amount | None = None,
    quota_messages: Amount | None = None,
    user_quota_bytes: Amount | None = None,
    user_quota_messages: Amount | None = None,
    user_quota_mailboxes: Amount | None = None,
    undelete_bytes: Amount | None = None,
) -> DomainRow:
    """Changes a domain.

    Args:
        domain: name of the domain.
        catch_all: address that receives mail for unknown users; an empty one refuses them.
        enabled: on or off; mail for a domain that is off is not accepted.
        cos: class of service of its users; an empty one for none.
        quota_bytes: mail of all its users together, such as 100G; none for no limit.
        quota_messages: messages of all its users together.
        user_quota_bytes: mail of each user for whom nothing else is said; inherit for what class and site say.
        user_quota_messages: messages of each such user.
        user_quota_mailboxes: mailboxes of each such user.
        undelete_bytes: deleted messages kept for each such user; none for not keeping any.
    """
    context.require_domain(domain)
    limits = said(
        quota_bytes=user_quota_bytes,
        quota_messages=user_quota_messages,
        quota_mailboxes=user_quota_mailboxes,
        undelete_bytes=undelete_bytes,
    )
    together = said(quota_bytes=quota_bytes, quota_messages=quota_messages)
    if not limits and not together and (catch_all, enabled, cos) == (None, None, None):
        raise BadValue("nothing to change: give --catch-all, --enabled, --cos or a limit")
    wanted = None if catch_all is None else _catch_all(catch_all)
    if wanted:
        require_tree(context, Address.parse(wanted))
    if limits or together or cos is not None:
        await _set_terms(context, await _domain(context, domain), cos, limits, together)
    return _row(await context.directory_writer.change_domain(domain, catch_all=wanted, enabled=enabled))


@operation("domain delete", role="administrator")
async def delete(context: Context, domain: DomainName) -> None:
    """Deletes a domain that has neither users nor aliases any more, with its shared mailboxes.

    Args:
        domain: name of the domain.
    """
    await _domain(context, domain)
    await context.directory_writer.delete_domain(domain)
    await finish_leaving(context)


async def _set_terms(
    context: Context, domain: Domain, cos: str | None, limits: dict[str, int], together: dict[str, int]
) -> None:
    """What a domain may use is for the administrators of the site to say."""
    if context.role == "domain-administrator":
        raise NotAllowed("the limits of a domain are set by an administrator")
    terms = await context.limits.domain_terms(domain.name)
    changed = DomainTerms(
        terms.cos if cos is None else checked_class_name(cos) if cos else "",
        terms.limits.changed(limits),
        max(together.get("quota_bytes", terms.quota_bytes), 0),
        max(together.get("quota_messages", terms.quota_messages), 0),
    )
    await context.limits_writer.put_domain_terms(domain.name, changed)
    if together:
        await count_in(context, domain)


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
