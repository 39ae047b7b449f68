"""Adding a set to a chain of ARC seals (RFC 8617 §5.1): what this host says that it saw when it passes a message on."""

from __future__ import annotations

import base64
import hashlib

from posthouse.mailauth.arc import MAX_INSTANCES, ArcProblem, collect
from posthouse.mailauth.dkim import canonical
from posthouse.mailauth.dkim.sign import Signer, signed_names, spaced, spaced_names
from posthouse.mailauth.dkim.verify import Signed
from posthouse.model.mail_authentication import ArcResult

ARC_NAMES = ("ARC-Authentication-Results", "ARC-Message-Signature", "ARC-Seal")


def seal(signed: Signed, signer: Signer, arc: ArcResult, results: str, now: float) -> list[tuple[str, str]]:
    """The fields to put in front, topmost first; none if the chain is broken beyond use, or full.

    ``arc`` is the state that this host found; ``results`` the value of its Authentication-Results, authserv-id first. A
    chain that was already marked as failed stays as it is (RFC 8617 §5.1.2). Spaces in values are where they may be folded.
    """
    if arc.result == "temperror":
        return []
    try:
        sets = collect(signed.fields)
    except ArcProblem:
        return []
    if len(sets) >= MAX_INSTANCES or (sets and sets[-1].seal_tags.get("cv", "").lower() == "fail"):
        return []
    instance = len(sets) + 1
    state = "none" if not sets else "pass" if arc.result == "pass" else "fail"
    own_results = f"i={instance}; {results}"
    own_signature = _message_signature(signed, signer, instance, now)
    hasher = hashlib.sha256()
    for entry in sets if state != "fail" else ():  # A failed chain is sealed by its last set alone (RFC 8617 §5.1.2).
        for field in entry.fields:
            hasher.update(signed.fields.canonical(field, "relaxed"))
    for name, value in zip(ARC_NAMES, (own_results, own_signature), strict=False):
        hasher.update(_relaxed(name, value) + b"\r\n")
    head = f"i={instance}; a={signer.algorithm}; cv={state}; d={signer.domain}; s={signer.selector}; t={int(now)}; b="
    hasher.update(_relaxed(ARC_NAMES[2], head))
    own_seal = head + spaced(signer.sign(hasher.digest()))
    return [(ARC_NAMES[2], own_seal), (ARC_NAMES[1], own_signature), (ARC_NAMES[0], own_results)]


def _message_signature(signed: Signed, signer: Signer, instance: int, now: float) -> str:
    names = signed_names(signed.fields, ("dkim-signature",))
    body_hash = base64.b64encode(signed.bodies.sha256("relaxed")).decode()
    value = (
        f"i={instance}; a={signer.algorithm}; c=relaxed/relaxed; d={signer.domain}; s={signer.selector}; t={int(now)};"
        f" h={spaced_names(names)}; bh={body_hash}; b="
    )
    own = f"{ARC_NAMES[1]}: {value}".encode()
    return value + spaced(signer.sign(signed.fields.digest(names, "relaxed", own, len(ARC_NAMES[1]) + 1)))


def _relaxed(name: str, value: str) -> bytes:
    raw = f"{name}: {value}".encode()
    return canonical.relaxed_header(raw, len(name) + 1).removesuffix(b"\r\n")
