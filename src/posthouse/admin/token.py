"""API tokens, and who is logged in to the administration pages (ADM-6)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from posthouse.admin.arguments import UsageError
from posthouse.admin.context import Context, NotAllowed
from posthouse.admin.operation import operation
from posthouse.admin.rendering import stamp
from posthouse.admin.user import find
from posthouse.base.errors import BadValue, NotFound, Permanent
from posthouse.directory.key_ring import KeyRing
from posthouse.model.address import Address
from posthouse.model.api_token import ApiToken, Kind, checked_scopes

_DAY_S = 86_400.0
_MAX_NAME = 100


@dataclass(frozen=True, slots=True)
class TokenRow:
    """One token, without what it opens with."""

    token_id: str
    owner: str
    name: str
    scopes: tuple[str, ...]
    made: str
    expires: str


@dataclass(frozen=True, slots=True)
class SessionRow:
    """One session of the administration pages."""

    session_id: str
    account: str
    client: str
    began: str
    seen: str
    ends: str


@dataclass(frozen=True, slots=True)
class NewToken:
    """``token`` is shown this once."""

    token: str
    token_id: str
    owner: str
    name: str
    scopes: tuple[str, ...]
    expires: str


@operation("token add", role="domain-administrator", scope="domain")
async def add(context: Context, owner: Address, name: str, scopes: tuple[str, ...] = (), *, days: int = 365) -> NewToken:
    """Makes a token for the HTTP API, with which a program may do what its owner may. It is shown once, and cannot be shown
    again.

    Args:
        owner: an account with an administrative role; its role and domain hold for the token.
        name: what it is for, as the audit trail shows it; unique among the owner's.
        scopes: what it is limited to: nouns (queue), operations (queue:list), and role:reader for no more than that role.
        days: how long it lives; 0 for ever.
    """
    from posthouse.admin import registry

    if context.scopes is not None:
        raise NotAllowed("a token makes no tokens")
    if not name.strip() or len(name) > _MAX_NAME or not name.isprintable():
        raise BadValue(f"a name has 1 to {_MAX_NAME} printable characters")
    if not 0 <= days <= 36_500:
        raise BadValue("days: from 0 (for ever) to 36500")
    wanted = checked_scopes(scopes)
    for scope in wanted:
        noun, _, verb = scope.partition(":")
        verbs = [each.verb for each in registry.of_noun(noun)]
        if noun != "role" and (not verbs or (verb and verb not in verbs)):
            raise UsageError(f"scope {scope!r}: there is no such operation")
    account = await find(context, owner)
    context.require_account(account)
    if account.role in ("user", "backup"):
        raise BadValue(f"{owner} has no administrative role")
    text, token = await _ring(context).issue(account, name.strip(), wanted, lifetime_s=days * _DAY_S)
    return NewToken(text, token.token_id, str(account.address), token.name, token.scopes, stamp(token.expires_at))


@operation("token list", role="domain-administrator", scope="domain", reads=True)
async def list_(context: Context) -> Sequence[TokenRow]:
    """Lists the tokens for the HTTP API, without what they open with."""
    return [
        TokenRow(each.token_id, whose, each.name, each.scopes, stamp(each.made_at), stamp(each.expires_at))
        for each, whose in await _shown(context, "token")
    ]


@operation("token sessions", role="domain-administrator", scope="domain", reads=True)
async def sessions(context: Context) -> Sequence[SessionRow]:
    """Lists who is logged in to the administration pages, and from where."""
    now = context.clock.now()
    return [
        SessionRow(each.token_id, whose, each.name, stamp(each.made_at), stamp(each.seen_at), stamp(each.expires_at))
        for each, whose in await _shown(context, "session")
        if not each.is_over(now)
    ]


@operation("token revoke", role="domain-administrator", scope="domain")
async def revoke(context: Context, token_id: str) -> None:
    """Ends a token, or a session of the administration pages, at once.

    Args:
        token_id: as the lists show it.
    """
    ring = _ring(context)
    token = await ring.reader.api_token(token_id.lower())
    account = await context.directory.account_by_id(token.account_id) if token is not None else None
    if token is None or account is None or context.own_domain not in ("", account.address.domain):
        raise NotFound("there is no such token")
    context.require_account(account)
    await ring.writer.delete_api_token(token.token_id)


async def _shown(context: Context, kind: Kind) -> list[tuple[ApiToken, str]]:
    """Those that the caller may see, with their owners' addresses."""
    found = []
    for token in await _ring(context).reader.api_tokens(kind):
        account = await context.directory.account_by_id(token.account_id)
        if account is not None and context.listed_domain in ("", account.address.domain):
            found.append((token, str(account.address)))
    return found


def _ring(context: Context) -> KeyRing:
    if context.key_ring is None:
        raise Permanent("Tokens need a node", enhanced="5.3.0")
    return context.key_ring
