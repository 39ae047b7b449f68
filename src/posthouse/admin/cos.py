"""Classes of service: named sets of limits, for users and domains to refer to (DIR-5, STO-5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from posthouse.admin.arguments import Amount
from posthouse.admin.context import Context
from posthouse.admin.operation import operation
from posthouse.base.errors import AlreadyExists, BadValue, NotFound
from posthouse.model.limits import ClassOfService, Limits, checked_class_name


@dataclass(frozen=True, slots=True)
class CosRow:
    """One class as shown; nothing where it does not say anything."""

    name: str
    quota_bytes: int | None
    quota_messages: int | None
    quota_mailboxes: int | None
    undelete_bytes: int | None
    expire_trash_days: int | None
    expire_junk_days: int | None


def _row(cos: ClassOfService) -> CosRow:
    limits = cos.limits
    return CosRow(
        cos.name,
        limits.quota_bytes,
        limits.quota_messages,
        limits.quota_mailboxes,
        limits.undelete_bytes,
        limits.expire_trash_days,
        limits.expire_junk_days,
    )


@operation("cos add", role="administrator")
async def add(context: Context, name: str) -> CosRow:
    """Adds a class of service, which says nothing until it is set.

    Args:
        name: its name: letters, digits, - and _.
    """
    normal = checked_class_name(name)
    if any(each.name == normal for each in await context.limits.classes()):
        raise AlreadyExists(f"there is a class {normal} already")
    return _row(await context.limits_writer.put_class(normal, Limits()))


@operation("cos list", role="reader", reads=True)
async def list_(context: Context) -> Sequence[CosRow]:
    """Lists the classes of service."""
    return [_row(each) for each in await context.limits.classes()]


@operation("cos show", role="reader", reads=True)
async def show(context: Context, name: str) -> CosRow:
    """Shows one class of service.

    Args:
        name: its name.
    """
    return _row(await find(context, name))


@operation("cos set", role="administrator")
async def set_(
    context: Context,
    name: str,
    *,
    quota_bytes: Amount | None = None,
    quota_messages: Amount | None = None,
    quota_mailboxes: Amount | None = None,
    undelete_bytes: Amount | None = None,
    expire_trash_days: Amount | None = None,
    expire_junk_days: Amount | None = None,
) -> CosRow:  # fmt: skip
    """Changes a class of service; it holds for all its users at once.

    Args:
        name: its name.
        quota_bytes: mail of one user, such as 2G; none for no limit, inherit to say nothing.
        quota_messages: messages of one user.
        quota_mailboxes: mailboxes of one user.
        undelete_bytes: deleted messages kept for one user; none for not keeping any.
        expire_trash_days: days after which messages in Trash are deleted.
        expire_junk_days: days after which messages in Junk Mail are deleted.
    """
    found = await find(context, name)
    changes = said(
        quota_bytes=quota_bytes,
        quota_messages=quota_messages,
        quota_mailboxes=quota_mailboxes,
        undelete_bytes=undelete_bytes,
        expire_trash_days=expire_trash_days,
        expire_junk_days=expire_junk_days,
    )
    if not changes:
        raise BadValue("nothing to change: give one of the limits")
    return _row(await context.limits_writer.put_class(found.name, found.limits.changed(changes)))


@operation("cos delete", role="administrator")
async def delete(context: Context, name: str) -> None:
    """Deletes a class of service that no user and no domain is of.

    Args:
        name: its name.
    """
    await context.limits_writer.delete_class(checked_class_name(name))


async def find(context: Context, name: str) -> ClassOfService:
    """Raises NotFound."""
    normal = checked_class_name(name)
    for each in await context.limits.classes():
        if each.name == normal:
            return each
    raise NotFound(f"there is no class of service {normal}")


def said(**limits: Amount | None) -> dict[str, int]:
    """Those that were given."""
    return {name: int(value) for name, value in limits.items() if value is not None}
