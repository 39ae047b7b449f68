"""Domains, accounts, aliases as every role sees them (DIR-1, GRP-1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from posthouse.model.address import Address

Role = Literal["administrator", "domain-administrator", "quarantine-administrator", "help-desk", "reader", "backup", "user"]


@dataclass(frozen=True, slots=True)
class Domain:
    """A domain whose mail ends here. ``catch_all`` receives what no one else does; "" means unknown users are refused."""

    domain_id: int
    name: str
    catch_all: str = ""
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class Forward:
    """Where an account's mail goes on to (RTE-4); ``keep``: into its own mailbox too."""

    targets: tuple[Address, ...]
    keep: bool = False


@dataclass(frozen=True, slots=True)
class Account:
    """One user. ``address`` is the login and main address. ``secret`` is the argon2id hash in PHC form, "" if none.
    ``forward`` None: the mail stays here.

    ``scram`` is ``salt$iterations$stored_key$server_key`` (base64), "" if none: what SCRAM-SHA-256 needs (RFC 5803).
    """

    account_id: int
    domain_id: int
    address: Address
    full_name: str
    role: Role
    enabled: bool
    secret: str
    scram: str
    forward: Forward | None = None


@dataclass(frozen=True, slots=True)
class Alias:
    """Mail for ``address`` goes to ``targets`` (local or foreign addresses) instead. ``owners``: accounts that send as it."""

    address: Address
    targets: tuple[Address, ...]
    owners: tuple[Address, ...] = ()


@dataclass(frozen=True, slots=True)
class Leaving:
    """What was deleted from the directory: the number under which the mail store keeps its mail (an account's, that of a
    domain's shared tree, 0 for an alias), and its identifier in others' access control lists."""

    account_id: int
    identifier: str
