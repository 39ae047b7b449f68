"""Quotas: what users and domains may use and do use (STO-5)."""

from __future__ import annotations

from dataclasses import dataclass

from posthouse.admin import user
from posthouse.admin.context import Context
from posthouse.admin.operation import operation
from posthouse.admin.rendering import stamp
from posthouse.base.errors import BadValue, NotFound
from posthouse.model.account import Domain
from posthouse.model.address import Address
from posthouse.model.quota import used_percent

_PAGE = 500


@dataclass(frozen=True, slots=True)
class QuotaDetail:
    """What is used, and what may be; a quota of 0 is none. ``over_since`` is "" while nothing is exceeded."""

    what: str
    size_bytes: int
    quota_bytes: int
    messages: int
    quota_messages: int
    mailboxes: int
    quota_mailboxes: int
    percent: int
    over_since: str
    deleted_bytes: int
    undelete_bytes: int


@dataclass(frozen=True, slots=True)
class Recounted:
    """How many accounts and domains were looked at, and how many sums were wrong."""

    accounts: int
    wrong: int


@operation("quota show", role="help-desk", scope="domain", reads=True)
async def show(context: Context, which: str) -> QuotaDetail:
    """Shows what a user or a domain uses, and may use.

    Args:
        which: a user's address, or the name of a domain.
    """
    if "@" not in which:
        return await _of_domain(context, which.lower())
    try:
        account = await user.find(context, Address.parse(which))
    except ValueError as error:
        raise BadValue(f"which: {which!r} does not fit ({error})") from None
    allowed = await context.allowances(account.account_id)
    used = await context.store.usage(account.account_id)
    return QuotaDetail(
        what=str(account.address),
        size_bytes=used.size_bytes,
        quota_bytes=allowed.quota_bytes,
        messages=used.messages,
        quota_messages=allowed.quota_messages,
        mailboxes=used.mailboxes,
        quota_mailboxes=allowed.quota_mailboxes,
        percent=used_percent(allowed, used),
        over_since=stamp((await context.store.standing(account.account_id)).over_since),
        deleted_bytes=used.deleted_bytes,
        undelete_bytes=allowed.undelete_bytes,
    )


@operation("quota recount", role="administrator")
async def recount(context: Context) -> Recounted:
    """Counts anew what all users and domains use. The counts are always right; this is for being sure."""
    accounts = 0
    for domain in await context.directory.domains():
        accounts += await count_in(context, domain)
    return Recounted(accounts, await context.store.recount())


async def count_in(context: Context, domain: Domain) -> int:
    """Sees to it that a domain's sums are over all its users; gives how many these are."""
    after, count = "", 0
    while page := await context.directory.accounts(domain=domain.name, after=after, limit=_PAGE):
        await context.store.belong([(account.account_id, domain.domain_id) for account in page])
        after, count = str(page[-1].address), count + len(page)
    return count


async def _of_domain(context: Context, name: str) -> QuotaDetail:
    context.require_domain(name)
    domain = next((each for each in await context.directory.domains() if each.name == name), None)
    if domain is None:
        raise NotFound(f"there is no domain {name}")
    await count_in(context, domain)
    terms, used = await context.limits.domain_terms(name), await context.store.domain_usage(domain.domain_id)
    pairs = ((terms.quota_bytes, used.size_bytes), (terms.quota_messages, used.messages))
    return QuotaDetail(
        what=name,
        size_bytes=used.size_bytes,
        quota_bytes=terms.quota_bytes,
        messages=used.messages,
        quota_messages=terms.quota_messages,
        mailboxes=used.mailboxes,
        quota_mailboxes=0,
        percent=max(present * 100 // limit if limit else 0 for limit, present in pairs),
        over_since="",
        deleted_bytes=used.deleted_bytes,
        undelete_bytes=0,
    )
