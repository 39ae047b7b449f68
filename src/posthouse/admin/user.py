"""Users: accounts with a login, a main address, and mailboxes (DIR-1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from posthouse.admin.arguments import Amount, Secret
from posthouse.admin.context import Context
from posthouse.admin.cos import said
from posthouse.admin.leaving import finish_leaving
from posthouse.admin.operation import operation
from posthouse.base.errors import BadValue, NotFound
from posthouse.model.account import Account, Role
from posthouse.model.address import Address
from posthouse.model.limits import UserTerms, checked_class_name


@dataclass(frozen=True, slots=True)
class UserRow:
    """One user as shown. ``address`` is bare within a protocol session's current domain."""

    address: str
    name: str
    role: str
    enabled: bool


@dataclass(frozen=True, slots=True)
class UserDetail:
    """One user with what the mail store knows of them."""

    address: str
    name: str
    role: str
    enabled: bool
    mailboxes: int
    messages: int
    size_bytes: int
    cos: str
    aliases: tuple[str, ...]


def _row(context: Context, account: Account) -> UserRow:
    bare = context.domain == account.address.domain
    shown = account.address.local if bare else str(account.address)
    return UserRow(shown, account.full_name, account.role, account.enabled)


@operation("user add", role="domain-administrator", scope="domain", columns=())
async def add(context: Context, address: Address, *, password: Secret, name: str = "", role: Role = "user") -> UserRow:
    """Adds a user, whose login and main address is ADDRESS.

    Args:
        address: the new address, jane@example.com; its domain must be there.
        password: the password; better given on standard input, where no one sees it.
        name: full name.
        role: what the user may do besides reading their mail.
    """
    context.require_domain(address.domain)
    context.require_grant(role)
    if await context.directory.domain(address.domain) is None:
        raise NotFound(f"there is no domain {address.domain}, or it is off")
    await finish_leaving(context)  # someone of this address may have left just before a crash
    secret, scram = await _stored_forms(context, password)
    account = await context.directory_writer.add_account(address, full_name=name, role=role, secret=secret, scram=scram)
    if context.holds is not None:  # someone of this address may have been held and deleted
        await context.holds.release(account.address.key, context.who, "keep")
    return _row(context, account)


@operation("user list", role="reader", scope="domain", reads=True, columns=("address", "name"))
async def list_(context: Context, pattern: str = "*", start: int = 0, count: int = 10_000) -> Sequence[UserRow]:
    """Lists users in the order of their addresses.

    Args:
        pattern: address with * for any run of characters, such as j*@example.com; without @, any domain.
        start: how many to skip.
        count: how many to show at most.
    """
    if start < 0 or count < 1:
        raise BadValue("start is 0 or more, count is 1 or more")
    wanted = pattern.replace("%", "*")
    found: list[Account] = []
    after = ""
    while len(found) < start + count:
        page = await context.directory.accounts(
            pattern=wanted if "@" in wanted or wanted == "*" else f"{wanted}@*",
            domain=context.listed_domain,
            after=after,
            limit=min(1000, start + count - len(found)),
        )
        found += page
        if not page:
            break
        after = str(page[-1].address)
    return [_row(context, account) for account in found[start : start + count]]


@operation("user show", role="reader", scope="domain", reads=True)
async def show(context: Context, address: Address) -> UserDetail:
    """Shows one user with mailboxes and aliases.

    Args:
        address: the user's address.
    """
    account = await find(context, address)
    await context.store.mailboxes(account.account_id)  # makes the default ones for a new user
    used = await context.store.usage(account.account_id)
    aliases = await context.directory.aliases(domain=context.own_domain)
    return UserDetail(
        address=str(account.address),
        name=account.full_name,
        role=account.role,
        enabled=account.enabled,
        mailboxes=used.mailboxes,
        messages=used.messages,
        size_bytes=used.size_bytes,
        cos=(await context.limits.user_terms(address)).cos,
        aliases=tuple(
            str(alias.address) for alias in aliases if any(target.key == account.address.key for target in alias.targets)
        ),
    )


@operation("user set", role="domain-administrator", scope="domain")
async def set_(  # noqa: PLR0913 - the signature is the operation's syntax
    context: Context,
    address: Address,
    *,
    name: str | None = None,
    role: Role | None = None,
    enabled: bool | None = None,
    cos: str | None = None,
    quota_bytes: Amount | None = None,
    quota_messages: Amount | None = None,
    quota_mailboxes: Amount | None = None,
    undelete_bytes: Amount | None = None,
) -> UserRow:
    """Changes a user.

    Args:
        address: the user's address.
        name: full name.
        role: what the user may do besides reading their mail.
        enabled: on or off; a user who is off cannot log in, their mail is kept.
        cos: class of service; an empty one for none.
        quota_bytes: mail, such as 2G; none for no limit, inherit for what class, domain and site say.
        quota_messages: messages.
        quota_mailboxes: mailboxes.
        undelete_bytes: deleted messages kept; none for not keeping any.
    """
    account = await find(context, address)
    context.require_account(account)
    changes = said(
        quota_bytes=quota_bytes,
        quota_messages=quota_messages,
        quota_mailboxes=quota_mailboxes,
        undelete_bytes=undelete_bytes,
    )
    if not changes and (name, role, enabled, cos) == (None, None, None, None):
        raise BadValue("nothing to change: give --name, --role, --enabled, --cos or a limit")
    if role is not None:
        context.require_grant(role)
    if changes or cos is not None:
        terms = await context.limits.user_terms(address)
        wanted = terms.cos if cos is None else checked_class_name(cos) if cos else ""
        await context.limits_writer.put_user_terms(address, UserTerms(wanted, terms.limits.changed(changes)))
    if (name, role, enabled) == (None, None, None):
        return _row(context, account)
    changed = await context.directory_writer.change_account(address, full_name=name, role=role, enabled=enabled)
    return _row(context, changed)


@operation("user password", role="help-desk", scope="domain")
async def password(context: Context, address: Address, *, password: Secret) -> None:
    """Gives a user a new password.

    Args:
        address: the user's address.
        password: the new password; better given on standard input, where no one sees it.
    """
    context.require_account(await find(context, address))
    secret, scram = await _stored_forms(context, password)
    await context.directory_writer.change_account(address, secret=secret, scram=scram)


@operation("user delete", role="domain-administrator", scope="domain")
async def delete(context: Context, address: Address) -> None:
    """Deletes a user with all their mailboxes and messages.

    Args:
        address: the user's address.
    """
    context.require_account(await find(context, address))
    # From this step on no one can log in or receive, and the rest will be done whatever happens.
    await context.directory_writer.delete_account(address)
    await finish_leaving(context)


async def _stored_forms(context: Context, password: Secret) -> tuple[str, str]:
    """``secret`` and ``scram`` of ``Account``. Raises BadValue for an unusable password."""
    # Imported late: the command line loads this module for its syntax only, and every script waits for it.
    from posthouse.directory.passwords import hash_password

    return await hash_password(context.hasher, password.text)


async def find(context: Context, address: Address) -> Account:
    """The account of this address in a domain of the caller's. Raises NotFound, NotAllowed."""
    context.require_domain(address.domain)
    account = await context.directory.account(address)
    if account is None:
        raise NotFound(f"there is no user {address}")
    return account
