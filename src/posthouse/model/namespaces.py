"""Names of mailboxes that are not one's own: other users' trees and a domain's shared tree (RFC 2342, STO-3).

``Other Users/jane@example.com/Work`` is Jane's ``Work``; ``Shared/News`` is ``News`` in the shared tree of the reader's own
domain, ``Shared/@example.org/News`` that of another one. A shared tree belongs to no user: its mailboxes are those of a
number that no account can have. Pure text; who may see what is decided elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass

from posthouse.base.errors import BadValue
from posthouse.model.account import Account, Domain
from posthouse.model.address import Address
from posthouse.model.mailbox import SEPARATOR

OTHER_USERS = "Other Users"
SHARED = "Shared"
FOREIGN = "@"
"""Begins the level that names another domain's shared tree, so no shared mailbox's name begins with it."""


@dataclass(frozen=True, slots=True)
class OthersName:
    """A name outside the personal namespace, taken apart. Just one of ``user`` (an address) and ``domain`` is not "", or
    neither for a name that is only a way to others. ``name`` is "" when none of the owner's mailboxes is named."""

    user: str
    domain: str
    name: str


def is_personal(name: str) -> bool:
    """Whether a name, or a pattern's fixed beginning, lies in the reader's own tree. The quick question for most names."""
    return not name.startswith((OTHER_USERS, SHARED)) or name.split(SEPARATOR, 1)[0] not in (OTHER_USERS, SHARED)


def refuse_reserved(account_id: int, name: str) -> None:
    """Raises BadValue for a name in an account's own tree under which it would see others' mailboxes instead."""
    if account_id > 0 and not is_personal(name):
        raise BadValue("Mailboxes of that name are those of others")


def may_name_others(pattern: str) -> bool:
    """Whether a LIST pattern can fit a name that is not personal."""
    fixed = pattern.partition("*")[0].partition("%")[0]
    return any(tree.startswith(fixed) or fixed.startswith(tree) for tree in (OTHER_USERS, SHARED))


def others_name(name: str, own_domain: str) -> OthersName:
    """Takes a name apart that is not personal."""
    tree, _, rest = name.partition(SEPARATOR)
    if tree == OTHER_USERS:
        user, _, below = rest.partition(SEPARATOR)
        return OthersName(user.lower(), "", below)
    if rest.startswith(FOREIGN):
        domain, _, below = rest.removeprefix(FOREIGN).partition(SEPARATOR)
        return OthersName("", domain.lower(), below)
    return OthersName("", own_domain, rest)


def users_mailbox(owner: Address, name: str) -> str:
    """How others name a user's mailbox."""
    return f"{OTHER_USERS}{SEPARATOR}{owner.key}{SEPARATOR}{name}"


def shared_mailbox(domain: str, name: str, own_domain: str) -> str:
    """How a reader of ``own_domain`` names a mailbox of a domain's shared tree."""
    middle = "" if domain == own_domain else f"{FOREIGN}{domain}{SEPARATOR}"
    return f"{SHARED}{SEPARATOR}{middle}{name}"


def shared_account_id(domain_id: int) -> int:
    """The number under which a domain's shared tree is kept: negative, as no account's is, and as durable as the domain's."""
    return -domain_id


def shared_domain_id(account_id: int) -> int:
    """The domain whose shared tree is kept under this number; 0 if it is an account's own."""
    return -account_id if account_id < 0 else 0


def shared_account(domain: Domain, address: Address) -> Account:
    """What stands for the owner of a shared tree where mail is delivered to ``address``; no one can log in as it."""
    return Account(shared_account_id(domain.domain_id), domain.domain_id, address, "", "user", True, "", "")


def delivery_name(local: str) -> str:
    """The shared mailbox that an alias's target ``+archive.list`` names: ``archive/list``. "" if it names none.

    Dots are levels unless there are slashes; the tree's own name may stand before.
    """
    detail = local.removeprefix("+")
    name = detail if SEPARATOR in detail else detail.replace(".", SEPARATOR)
    name = name.removeprefix(SHARED + SEPARATOR)
    usable = local.startswith("+") and name.isprintable() and all(name.split(SEPARATOR)) and not name.startswith(FOREIGN)
    return name if usable and not {"*", "%"} & set(name) else ""
