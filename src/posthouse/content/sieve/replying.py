"""Who gets an automatic answer (RFC 5230 §4.5, §4.6; RFC 3834 §2): people who wrote to the owner, and nobody else."""

from __future__ import annotations

import re
from collections.abc import Sequence

from posthouse.content.sieve.state import State
from posthouse.formats import headers
from posthouse.formats.addresslist import spelled

_MACHINES = re.compile(
    r"(?:owner-.*|.*-(?:owner|request|bounces?|relay)|mailer-daemon|postmaster|listserv|majordomo|.*[-_.]?no-?reply.*|.*=.*=.*)",
    re.I | re.S,
)
_ADDRESSED = ("to", "cc", "bcc", "resent-to", "resent-cc", "resent-bcc")
_LIST_FIELDS = ("list-id", "list-unsubscribe", "list-post", "list-help", "list-owner", "list-archive")


def why_no_answer(state: State, addresses: Sequence[str]) -> str:
    """The reason why the sender gets no answer, "" if it does. ``addresses`` are further ones of the owner."""
    facts = state.facts
    sender = facts.sender.lower()
    named = (*facts.own_addresses, facts.recipient if facts.recipient_is_own else "")
    mine = {address.lower() for address in (facts.owner, *named, *addresses) if address}
    if not sender:
        return "the sender is empty"
    if sender in mine:
        return "it is from the owner"
    if _MACHINES.fullmatch(sender.partition("@")[0][:100]):
        return "the sender is a machine"
    submitted = state.fields("auto-submitted")
    if submitted and submitted[0].partition(";")[0].strip().lower() != "no":
        return "it is automatic itself"
    if any(value.strip().lower() in ("bulk", "junk", "list") for value in state.fields("precedence")):
        return "it is bulk mail"
    if any(state.fields(name) for name in _LIST_FIELDS):
        return "it is from a list"
    if any("all" in value.lower() or "oof" in value.lower() for value in state.fields("x-auto-response-suppress")):
        return "the sender wants none"
    if state.score is not None and state.score >= 50:
        return "it is spam"
    return "" if mine & set(_addressed(state)) else "the owner is not among those it is addressed to"


def _addressed(state: State) -> list[str]:
    return [
        spelled(local, domain).lower()
        for name in _ADDRESSED
        for value in state.message.raw_fields(name)
        for _, local, domain in headers.addresses(value)
    ]
