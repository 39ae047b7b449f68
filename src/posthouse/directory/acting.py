"""Administrators who log in as a user, to bring mail, filters and calendars in or out (PLN-4): how it is written, who may.

The password is the administrator's own; the mailboxes are the user's. Three forms: SASL's authorisation identity (RFC 4616),
the login ``user*administrator``, and the login ``#user#administrator#``. Only where users' own data are served: nobody sends
mail or administers in another's name. An administrator may act as anyone, a domain administrator as the plain users of the
own domain; no one else may, and the refusal does not tell who exists.
"""

from __future__ import annotations

from posthouse.model.account import Account
from posthouse.model.session import Service

SERVICES: tuple[Service, ...] = ("imap", "imaps", "pop3", "pop3s", "managesieve")


def split(login: str) -> tuple[str, str] | None:
    """User and administrator of a login that names both; None for any other. An account of just this name goes first."""
    if login.startswith("#") and login.endswith("#") and len(login) > 2:
        user, found, administrator = login[1:-1].rpartition("#")
    else:
        user, found, administrator = login.rpartition("*")
    return (user, administrator) if found and user and administrator else None


def may_act(administrator: Account, user: Account) -> bool:
    """Whether one may log in as the other; both are known to be enabled."""
    if administrator.role == "administrator":
        return True
    same_domain = administrator.domain_id == user.domain_id
    return administrator.role == "domain-administrator" and same_domain and user.role == "user"
