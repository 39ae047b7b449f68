"""Short forms for each group of settings: ``smtp set KEY VALUE``, ``imap list`` and so on (ADM-5).

A group whose name is a noun with work of its own (``queue``, ``route``, ``store``) has no short form; ``setting set queue.x``
does it.
"""

from __future__ import annotations

from collections.abc import Sequence

from posthouse.admin import setting
from posthouse.admin.context import Context
from posthouse.admin.operation import Operation, operation
from posthouse.model.settings import GROUPS

WITHOUT_SHORT_FORM = ("junk", "quarantine", "queue", "route", "store")


def full_key(group: str, key: str) -> str:
    """``max_recipients`` or ``smtp.max_recipients`` as a whole key; ``-`` may stand for ``_``."""
    name = key.lower().replace("-", "_")
    return name if name.startswith(f"{group}.") else f"{group}.{name}"


def _get(group: str) -> Operation:
    async def get(context: Context, key: str) -> setting.SettingDetail:
        return await setting.detail(context, full_key(group, key))

    get.__doc__ = f"""Shows a setting of the group {group}: value, default, bounds, when it takes effect, what it is for.

    Args:
        key: its name, without the group.
    """
    return operation(f"{group} get", role="reader", reads=True, columns=("key", "value"))(get)


def _list(group: str) -> Operation:
    async def list_(context: Context, *, changed: bool = False) -> Sequence[setting.SettingRow]:
        return await setting.rows(context, group, changed=changed)

    list_.__doc__ = f"""Lists the settings of the group {group} with their values.

    Args:
        changed: only those that differ from their default.
    """
    return operation(f"{group} list", role="reader", reads=True, columns=("key", "value"))(list_)


def _set(group: str) -> Operation:
    async def set_(context: Context, key: str, value: tuple[str, ...]) -> setting.SettingRow:
        return await setting.put(context, full_key(group, key), value)

    set_.__doc__ = f"""Changes a setting of the group {group}.

    Args:
        key: its name, without the group.
        value: the new value; lists are several words, and an empty word is the empty value.
    """
    return operation(f"{group} set", role="administrator")(set_)


SHORT_FORMS: tuple[Operation, ...] = tuple(
    make(group) for group in GROUPS if group not in WITHOUT_SHORT_FORM for make in (_list, _get, _set)
)
