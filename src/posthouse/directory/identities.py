"""Who an account is to access control lists, and how people write the identifiers of these lists (RFC 4314 §2, STO-3).

An account goes by its address, by ``anyone`` and ``authenticated``, by its domain, and by every distribution list that
reaches it, through lists of lists too: found upwards from the account, so that a list of thousands costs nothing. It asks the
directory only. Failing closed: when the directory cannot be asked, the look-up raises Temporary and nothing is granted.
"""

from __future__ import annotations

from collections import OrderedDict

from posthouse.base.clock import Clock
from posthouse.base.errors import BadValue, NotFound
from posthouse.interfaces.directory import Directory
from posthouse.model.account import Account
from posthouse.model.address import Address, normal_domain
from posthouse.model.namespaces import shared_domain_id
from posthouse.model.rights import ANYONE, AUTHENTICATED

KEPT_S = 1.0
MAX_KEPT = 10_000
MAX_GROUPS = 500
MAX_DEPTH = 20
GROUP = "group:"
DOMAIN = "domain:"


class Identities:
    """Remembers for ``KEPT_S`` which groups an account belongs to, and the names of domains."""

    def __init__(self, directory: Directory, clock: Clock) -> None:
        self._directory = directory
        self._clock = clock
        self._kept: OrderedDict[str, tuple[float, frozenset[str]]] = OrderedDict()
        self._domains: dict[int, str] = {}

    async def of(self, address: Address) -> frozenset[str]:
        """All identifiers that mean this account. Raises Temporary."""
        now = self._clock.steady()
        kept = self._kept.get(address.key)
        if kept is not None and kept[0] > now:
            return kept[1]
        groups = await self._groups(address)
        plain = (address.key, ANYONE, AUTHENTICATED, DOMAIN + address.domain)
        found = frozenset([*plain, *(GROUP + group for group in groups)])
        self._kept[address.key] = now + KEPT_S, found
        self._kept.move_to_end(address.key)
        while len(self._kept) > MAX_KEPT:
            self._kept.popitem(last=False)
        return found

    async def _groups(self, address: Address) -> set[str]:
        found: set[str] = set()
        level = [address]
        for _ in range(MAX_DEPTH):
            above = [group for member in level for group in await self._directory.memberships(member)]
            level = [group for group in above if group.key not in found]
            found.update(group.key for group in level)
            if not level or len(found) > MAX_GROUPS:
                break
        return found

    async def tree_owner(self, account_id: int) -> Account | str | None:
        """Whose mailboxes are kept under this number: an account, or for a shared tree its domain's name. None if nobody's.

        Raises Temporary."""
        domain_id = shared_domain_id(account_id)
        if not domain_id:
            return await self._directory.account_by_id(account_id)
        if domain_id not in self._domains:
            self._domains = {domain.domain_id: domain.name for domain in await self._directory.domains()}
        return self._domains.get(domain_id)


async def normal_identifier(directory: Directory, text: str, domain: str) -> str:
    """An identifier as it is kept. ``domain`` completes a bare name.

    ``team@example.com`` may be an account or a list; ``$team@example.com`` and ``group:team@example.com`` are lists. Raises
    BadValue (syntax), NotFound: granting rights to a misspelt name would be granting them to whoever gets that name next.
    """
    denied = "-" if text.startswith("-") else ""
    name = text.removeprefix("-")
    if name.lower() in (ANYONE, AUTHENTICATED):
        return denied + name.lower()
    try:
        if name.lower().startswith(DOMAIN):
            return denied + await _domain(directory, normal_domain(name[len(DOMAIN) :]))
        if name.startswith("$") or name.lower().startswith(GROUP):
            address = _address(name[1:] if name.startswith("$") else name[len(GROUP) :], domain)
            return denied + await _group(directory, address)
        address = _address(name, domain)
    except ValueError:
        raise BadValue("That is nobody's name") from None
    if await directory.account(address) is not None:
        return denied + address.key
    return denied + await _group(directory, address)


async def _domain(directory: Directory, name: str) -> str:
    if await directory.domain(name) is None:
        raise NotFound("There is no such domain")
    return DOMAIN + name


async def _group(directory: Directory, address: Address) -> str:
    if await directory.alias(address) is None:
        raise NotFound("There is nobody of that name")
    return GROUP + address.key


def _address(text: str, domain: str) -> Address:
    return Address.parse(text if "@" in text or not domain else f"{text}@{domain}")


def kept_identifier(text: str, domain: str) -> str:
    """An identifier as an entry may have it already, whether or not whom it names is still there; for taking entries away."""
    denied = "-" if text.startswith("-") else ""
    name = text.removeprefix("-").lower()
    if name.startswith("$"):
        name = GROUP + name[1:]
    if name in (ANYONE, AUTHENTICATED) or name.startswith(DOMAIN):
        return denied + name
    return denied + (name if "@" in name or not domain else f"{name}@{domain}")
