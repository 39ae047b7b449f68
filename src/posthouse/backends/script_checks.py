"""What every backend of scripts asks before it keeps one: names, sizes, quotas (RFC 5804 §1.3: QUOTA, ACTIVE)."""

from __future__ import annotations

from collections.abc import Mapping

from posthouse.base.errors import BadValue, NotFound, Permanent
from posthouse.model.script import MAX_OWNER_BYTES, MAX_SCRIPT_BYTES, MAX_SCRIPTS, normal_script_name


class OverQuota(Permanent):
    """Too many scripts, or too large ones."""

    def __init__(self, public: str, code: str = "OVERQUOTA") -> None:
        super().__init__(public, code=552, enhanced="5.2.2", imap_code=code)


class IsActive(Permanent):
    """An active script is not deleted (RFC 5804 §2.10)."""

    def __init__(self, name: str) -> None:
        super().__init__(f"the script {name!r} is active", code=550, enhanced="5.3.0", imap_code="ACTIVE")


def no_script(name: str) -> NotFound:
    """The error for a name that is not there."""
    return NotFound(f"no script {name!r}")


def checked_script(name: str, text: str, sizes: Mapping[str, int]) -> str:
    """The normal name; ``sizes`` are those of the owner's scripts by name. Raises BadValue, OverQuota."""
    normal = normal_script_name(name)
    size = len(text.encode("utf-8", "replace"))
    if size > MAX_SCRIPT_BYTES:
        raise BadValue(f"a script is at most {MAX_SCRIPT_BYTES} octets long")
    others = {other: octets for other, octets in sizes.items() if other != normal}
    if len(others) >= MAX_SCRIPTS:
        raise OverQuota(f"there are {MAX_SCRIPTS} scripts already")
    if sum(others.values()) + size > MAX_OWNER_BYTES:
        raise OverQuota(f"all scripts together are at most {MAX_OWNER_BYTES} octets long")
    return normal
