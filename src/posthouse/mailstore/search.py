"""Evaluates a SEARCH's tree over a mailbox view: what costs nothing first, what must open messages last (RFC 9051 §6.4.4).

Three tiers: the view (flags, numbers, UIDs, mod-sequences) without any I/O; the unchanging facts (dates, size, ENVELOPE) in
batches; the content, message by message. Conjunctions narrow the candidates tier by tier; alternatives look at what is left.
Before facts or contents are looked at, the full-text index rules out what it can (``narrow``).
Between batches and messages the loop gets a turn, so a long search does not hold up other sessions.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, date, datetime

from posthouse.base.errors import NotFound
from posthouse.formats.text import near
from posthouse.mailstore import envelope
from posthouse.mailstore.content_text import ContentText
from posthouse.mailstore.narrow import narrowed
from posthouse.mailstore.search_scope import Scope as Scope
from posthouse.mailstore.thread_ids import is_thread_id
from posthouse.mailstore.view import MailboxView
from posthouse.model.flags import known_bits
from posthouse.model.mailbox import MessageFacts
from posthouse.protocols.imap import search_keys as keys
from posthouse.protocols.imap.search_keys import SearchKey

_VIEW, _FACTS, _CONTENT = 0, 1, 2
_BATCH = 256
_LARGE_BYTES = 65_536  # from here on a message is looked through in a thread
_MANY_KEYS = 8  # from here on every message is
_MANY_ROWS = 2_000  # so many candidates are a turn's work
_ENVELOPE_FIELDS = frozenset({"subject", "from", "to", "cc", "bcc"})
# A text with one of these may span what ENVELOPE has apart; the field itself must be read then.
_ADDRESS_SYNTAX = frozenset('"<>(),:;\\@')


async def search(key: SearchKey, scope: Scope, among: Sequence[int] | None = None) -> Sequence[int]:
    """Indexes (message number minus one) of the messages that match, ascending; ``among``: only these are asked about."""
    return await _select(key, range(len(scope.view)) if among is None else among, scope)


async def _select(key: SearchKey, candidates: Sequence[int], scope: Scope) -> Sequence[int]:
    if not candidates:
        return candidates
    if isinstance(key, keys.ObjectIdKey) and key.field == "thread" and not is_thread_id(key.object_id):
        return ()
    if len(candidates) > _MANY_ROWS:
        await asyncio.sleep(0)
    lowest, highest = _tiers(key)
    if highest == _VIEW and not isinstance(key, (keys.And, keys.Or, keys.Not)):
        return _by_view(key, candidates, scope)
    if isinstance(key, keys.And):
        return await _select_all(key, candidates, scope)
    if isinstance(key, keys.Not):
        out = set(await _select(key.key, candidates, scope))
        return [at for at in candidates if at not in out]
    if lowest == highest == _CONTENT:
        return await _by_content(key, await narrowed(key, candidates, scope), scope)
    if lowest == highest == _FACTS:
        return await _by_facts(key, await narrowed(key, candidates, scope), scope)
    if isinstance(key, keys.Or):
        first, second = sorted((key.left, key.right), key=_tiers)
        left = set(await _select(first, candidates, scope))
        right = await _select(second, [at for at in candidates if at not in left], scope)
        return sorted(left.union(right))
    raise TypeError(f"not a search key: {key!r}")


async def _select_all(key: keys.And, candidates: Sequence[int], scope: Scope) -> Sequence[int]:
    """Narrows by each operand, the cheap ones first; those that only need facts or only content share one pass."""
    passes: dict[tuple[int, int], list[SearchKey]] = {}
    for operand in key.keys:
        passes.setdefault(_tiers(operand), []).append(operand)
    asked = False
    for (lowest, highest), operands in sorted(passes.items(), key=lambda item: (item[0][1], item[0][0])):
        if highest > _VIEW and not asked:
            candidates, asked = await narrowed(key, candidates, scope), True
        if lowest == highest == _CONTENT:
            candidates = await _by_content(keys.And(tuple(operands)), candidates, scope)
        elif lowest == highest == _FACTS:
            candidates = await _by_facts(keys.And(tuple(operands)), candidates, scope)
        else:
            for operand in operands:
                candidates = await _select(operand, candidates, scope)
    return candidates


def _tiers(key: SearchKey) -> tuple[int, int]:
    """The cheapest and the dearest tier that a tree needs."""
    if isinstance(key, (keys.And, keys.Or, keys.Not)):
        inner = key.keys if isinstance(key, keys.And) else (key.key,) if isinstance(key, keys.Not) else (key.left, key.right)
        each = [_tiers(one) for one in inner] or [(_VIEW, _VIEW)]
        return min(low for low, _ in each), max(high for _, high in each)
    tier = _VIEW
    if isinstance(key, keys.TextKey) or (isinstance(key, keys.HeaderKey) and not _in_envelope(key)) or _is_thread(key):
        tier = _CONTENT
    elif isinstance(key, (keys.HeaderKey, keys.DateKey, keys.SizeKey, keys.AgeKey, keys.ObjectIdKey)):
        tier = _FACTS
    return tier, tier


def _size(key: SearchKey) -> int:
    """How many comparisons a tree has."""
    if isinstance(key, keys.And):
        return sum(_size(one) for one in key.keys)
    if isinstance(key, keys.Or):
        return _size(key.left) + _size(key.right)
    return _size(key.key) if isinstance(key, keys.Not) else 1


def _is_thread(key: SearchKey) -> bool:
    return isinstance(key, keys.ObjectIdKey) and key.field == "thread"


def _in_envelope(key: keys.HeaderKey) -> bool:
    if key.name == "subject":
        return bool(key.text)
    return key.name in _ENVELOPE_FIELDS and bool(key.text) and _ADDRESS_SYNTAX.isdisjoint(key.text)


def _by_view(key: SearchKey, candidates: Sequence[int], scope: Scope) -> Sequence[int]:
    view = scope.view
    if isinstance(key, keys.All):
        return candidates
    if isinstance(key, keys.FlagKey):
        return _by_flag(known_bits([key.flag], scope.keywords), candidates, view, present=key.present)
    if isinstance(key, keys.ModSeqKey):
        return [at for at in candidates if view.mod_seqs[at] >= key.mod_seq]
    if isinstance(key, (keys.UidKey, keys.SequenceKey)):
        if key.sequence.saved:
            chosen = {at for at in map(view.index, scope.saved) if at >= 0}
        elif isinstance(key, keys.UidKey):
            chosen = {at for low, high in _uid_spans(key, view) for at in range(low, high)}
        else:
            chosen = {number - 1 for number in key.sequence.numbers(len(view))}
        return candidates if len(chosen) == len(view) else [at for at in candidates if at in chosen]
    raise TypeError(f"not a search key: {key!r}")


def _uid_spans(key: keys.UidKey, view: MailboxView) -> list[tuple[int, int]]:
    last = view.uids[-1] if len(view) else 0
    ranges = [(low or last, high or last) for low, high in key.sequence.ranges]
    spans = [view.span(min(pair), max(pair)) for pair in ranges]
    return [(span.start, span.stop) for span in spans]


def _by_flag(mask: int, candidates: Sequence[int], view: MailboxView, *, present: bool) -> Sequence[int]:
    flags = view.flags
    if len(candidates) == len(view):
        if present:
            return [at for at, bits in enumerate(flags) if bits & mask] if mask else []
        return [at for at, bits in enumerate(flags) if not bits & mask] if mask else candidates
    return [at for at in candidates if bool(flags[at] & mask) is present]


async def _by_facts(key: SearchKey, candidates: Sequence[int], scope: Scope) -> Sequence[int]:
    aside = _size(key) >= _MANY_KEYS

    def matching(facts: Sequence[MessageFacts]) -> list[int]:
        return [one.uid for one in facts if _facts_match(key, one, scope)]

    async def batch(facts: Sequence[MessageFacts]) -> list[int]:
        return await asyncio.to_thread(matching, facts) if aside else matching(facts)

    return await _batches(batch, candidates, scope)


async def _by_content(key: SearchKey, candidates: Sequence[int], scope: Scope) -> Sequence[int]:
    aside = _size(key) >= _MANY_KEYS

    async def batch(facts: Sequence[MessageFacts]) -> list[int]:
        found: list[int] = []
        index = scope.index
        documents = await index.with_documents([one.body_id for one in facts]) if index is not None else frozenset()
        for one in facts:
            try:
                content = await scope.store.content(one.body_id)
            except NotFound:
                continue
            attached = await index.document_text(one.body_id) if index is not None and one.body_id in documents else ""
            text = ContentText(content, attached)
            if len(content) < _LARGE_BYTES and not aside:
                matches = _content_matches(key, one.uid, text, scope)
                await asyncio.sleep(0)
            else:
                matches = await asyncio.to_thread(_content_matches, key, one.uid, text, scope)
            if matches:
                found.append(one.uid)
        return found

    return await _batches(batch, candidates, scope)


async def _batches(
    batch: Callable[[Sequence[MessageFacts]], Awaitable[list[int]]], candidates: Sequence[int], scope: Scope
) -> Sequence[int]:
    """The candidates of which ``batch`` gives back the UIDs, asked with facts for some hundred at a time."""
    view = scope.view
    out: list[int] = []
    for start in range(0, len(candidates), _BATCH):
        chunk = candidates[start : start + _BATCH]
        facts = await scope.store.facts(scope.mailbox_id, [view.uids[at] for at in chunk])
        out += [view.index(uid) for uid in await batch(facts)]
        scope.progress(start + len(chunk), len(candidates))
        await asyncio.sleep(0)
    return out


def _facts_match(key: SearchKey, facts: MessageFacts, scope: Scope) -> bool:
    match key:
        case keys.And():
            return all(_facts_match(one, facts, scope) for one in key.keys)
        case keys.Or():
            return _facts_match(key.left, facts, scope) or _facts_match(key.right, facts, scope)
        case keys.Not():
            return not _facts_match(key.key, facts, scope)
        case keys.SizeKey():
            return facts.size_bytes > key.size_bytes if key.op == "larger" else facts.size_bytes < key.size_bytes
        case keys.DateKey():
            return _day_matches(key, facts)
        case keys.AgeKey():
            age_s = scope.now - facts.received_at
            return age_s >= key.seconds if key.op == "older" else age_s <= key.seconds
        case keys.ObjectIdKey():
            return facts.object_id == key.object_id
        case keys.HeaderKey():
            return _envelope_matches(key, facts, scope)
    raise TypeError(f"not a search key: {key!r}")


def _envelope_matches(key: keys.HeaderKey, facts: MessageFacts, scope: Scope) -> bool:
    if key.fuzzy:
        return scope.note(facts.uid, near.score(envelope.field_text(facts.envelope, key.name), key.text))
    if _ADDRESS_SYNTAX.isdisjoint(key.text) and not envelope.may_have(facts.envelope, key.text):
        return False
    return key.text.casefold() in envelope.field_text(facts.envelope, key.name).casefold()


def _day_matches(key: keys.DateKey, facts: MessageFacts) -> bool:
    day: date | None
    if key.field == "sent":
        day = envelope.sent_day(facts.envelope)
    else:
        day = datetime.fromtimestamp(facts.received_at if key.field == "internal" else facts.saved_at, UTC).date()
    if day is None:
        return False
    if key.op == "on":
        return day == key.day
    return day < key.day if key.op == "before" else day >= key.day


def _content_matches(key: SearchKey, uid: int, text: ContentText, scope: Scope) -> bool:
    match key:
        case keys.And():
            return all(_content_matches(one, uid, text, scope) for one in key.keys)
        case keys.Or():
            return _content_matches(key.left, uid, text, scope) or _content_matches(key.right, uid, text, scope)
        case keys.Not():
            return not _content_matches(key.key, uid, text, scope)
        case keys.HeaderKey():
            if key.fuzzy and key.text:
                return scope.note(uid, near.score(text.field_text(key.name), key.text))
            return text.field_has(key.name, key.text)
        case keys.TextKey():
            if key.fuzzy and key.text:
                return scope.note(uid, near.score(text.whole(with_header=key.where == "text"), key.text))
            return text.body_has(key.text) or (key.where == "text" and text.header_has(key.text))
        case keys.ObjectIdKey():
            return text.thread_id() == key.object_id
    raise TypeError(f"not a search key: {key!r}")
