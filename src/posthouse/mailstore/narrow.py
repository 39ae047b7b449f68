"""Narrows a search by the full-text index before anything is opened: what the index rules out need not be looked at.

A key's bound is a set of UIDs that has every message of the mailbox that can match it; None when there is none to be had. It
is always checked afterwards by looking at the messages themselves, so the index may say too much but never too little.
"""

from __future__ import annotations

from collections.abc import Sequence

from posthouse.interfaces.textindex import Term
from posthouse.mailstore.search_scope import Scope
from posthouse.protocols.imap import search_keys as keys
from posthouse.protocols.imap.search_keys import SearchKey

FEW = 20
"""So many messages are looked at sooner than the index is asked."""

_ALWAYS_THERE = frozenset({"from", "to", "subject", "date", "received", "message-id", "content-type", "mime-version"})


async def narrowed(key: SearchKey, candidates: Sequence[int], scope: Scope) -> Sequence[int]:
    """The candidates (indexes, ascending) that may match ``key``."""
    if scope.index is None or len(candidates) <= FEW:
        return candidates
    uids = await _bound(key, scope)
    if uids is None:
        return candidates
    view = scope.view
    if len(uids) > len(candidates) // 4:
        return [at for at in candidates if view.uids[at] in uids]
    found = sorted(at for at in map(view.index, uids) if at >= 0)
    if len(candidates) == len(view):
        return found
    inside = candidates if isinstance(candidates, range) else frozenset(candidates)
    return [at for at in found if at in inside]


async def _bound(key: SearchKey, scope: Scope) -> frozenset[int] | None:
    if isinstance(key, keys.And):
        bound: frozenset[int] | None = None
        for operand in key.keys:
            bound = _both(bound, await _bound(operand, scope))
        return bound
    if isinstance(key, keys.Or):
        left = await _bound(key.left, scope)
        right = None if left is None else await _bound(key.right, scope)
        return None if left is None or right is None else left | right
    if isinstance(key, keys.TextKey):
        return await _ask(Term(key.where, key.text, key.fuzzy), scope)
    if isinstance(key, keys.HeaderKey):
        bound = await _ask(Term("head", key.text, key.fuzzy), scope) if key.text else None
        if key.name in _ALWAYS_THERE or (bound is not None and len(bound) <= FEW):
            return bound
        return _both(bound, await _ask(Term("head", f"{key.name}:"), scope))
    return None


def _both(one: frozenset[int] | None, other: frozenset[int] | None) -> frozenset[int] | None:
    if one is None or other is None:
        return other if one is None else one
    return one & other


async def _ask(term: Term, scope: Scope) -> frozenset[int] | None:
    if term not in scope.answers:
        scope.answers[term] = await scope.index.may_match(scope.mailbox_id, term) if scope.index is not None else None
    return scope.answers[term]
