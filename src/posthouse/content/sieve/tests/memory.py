"""duplicate (RFC 7352): whether a message like this one was seen before. What is to be remembered goes into the result."""

from __future__ import annotations

import hashlib

from posthouse.content.sieve.actions import Remember
from posthouse.content.sieve.compiler import Compiler
from posthouse.content.sieve.facts import Remembered
from posthouse.content.sieve.specs import Bound, Spec, TagSpec, TestSpec
from posthouse.content.sieve.state import State, TestOp
from posthouse.content.sieve.text import Text

DEFAULT_SECONDS = 7 * 86_400
MAX_SECONDS = 90 * 86_400


def _duplicate(bound: Bound, compiler: Compiler) -> TestOp:
    handle = _tag_text(bound, compiler, "handle")
    header = _tag_text(bound, compiler, "header")
    unique_id = _tag_text(bound, compiler, "uniqueid")
    seconds = bound.tag_number("seconds")
    lifetime_s = DEFAULT_SECONDS if seconds is None else min(seconds, MAX_SECONDS)
    last = "last" in bound.tags

    def run(state: State) -> bool:
        if unique_id is not None:
            identity = unique_id.value(state)
        else:
            found = state.fields(header.value(state).lower() if header else "message-id")
            identity = found[0] if found else ""
        if not identity:
            return False
        kind = "uniqueid" if unique_id else header.value(state).lower() if header else ""
        key = memory_key(handle.value(state) if handle else "", kind, identity)
        seen = state.ask(Remembered("duplicate", key), bool)
        if not seen or last:
            state.remember.append(Remember("duplicate", key, state.facts.now + lifetime_s))
        return seen

    return run


def _tag_text(bound: Bound, compiler: Compiler, name: str) -> Text | None:
    given = bound.tag_strings(name)
    return compiler.text(given) if given else None


def memory_key(*words: str) -> str:
    """A short key for texts of any length."""
    return hashlib.sha256("\0".join(words).encode("utf-8", "replace")).hexdigest()[:40]


_TAGS = (
    TagSpec("handle", "string"),
    TagSpec("header", "string", group="identity"),
    TagSpec("uniqueid", "string", group="identity"),
    TagSpec("seconds", "number"),
    TagSpec("last"),
)
TESTS = (TestSpec(Spec("duplicate", (), _TAGS, ("duplicate",)), _duplicate),)
