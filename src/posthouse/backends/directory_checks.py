"""What every directory backend asks of new entries before it keeps them: names in normal form, no empty alias."""

from __future__ import annotations

from collections.abc import Sequence

from posthouse.base.errors import BadValue
from posthouse.model.account import Forward
from posthouse.model.address import Address, normal_domain


def checked_domain_name(name: str) -> str:
    """``name`` as a local domain is kept. Raises BadValue."""
    try:
        normal = normal_domain(name)
    except ValueError as error:
        raise BadValue(f"{name!r}: {error}") from None
    if normal.startswith("["):
        raise BadValue(f"{name!r} is an address literal, not a domain")
    return normal


def checked_catch_all(text: str) -> str:
    """``text`` as an address in normal form, or "" as it is. Raises BadValue."""
    try:
        return str(Address.parse(text)) if text else ""
    except ValueError as error:
        raise BadValue(f"catch-all {text!r}: {error}") from None


def checked_targets(address: Address, targets: Sequence[Address]) -> tuple[Address, ...]:
    """``targets`` in their order, each once. Raises BadValue if there are none."""
    once = _once(targets)
    if not once:
        raise BadValue(f"alias {address} needs at least one target")
    return tuple(once.values())


def checked_forward(address: Address, forward: Forward | None) -> Forward | None:
    """``forward`` with each target once. Raises BadValue if there are none, or one is the account itself."""
    if forward is None:
        return None
    once = _once(forward.targets)
    if not once or address.key in once:
        raise BadValue(f"{address} forwards to at least one address, and not to itself")
    return Forward(tuple(once.values()), forward.keep)


def _once(targets: Sequence[Address]) -> dict[str, Address]:
    """By key, as each was named first."""
    once: dict[str, Address] = {}
    for target in targets:
        once.setdefault(target.key, target)
    return once


def checked_route_target(text: str) -> str:
    """A domain, or an address by its key. Raises BadValue."""
    try:
        return Address.parse(text).key if "@" in text else normal_domain(text)
    except ValueError as error:
        raise BadValue(f"a route's target is a domain or an address: {error}") from None
