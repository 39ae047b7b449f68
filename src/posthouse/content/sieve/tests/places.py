"""mailboxexists (RFC 5490), mailboxidexists (RFC 9042), specialuse_exists (RFC 8579), environment (RFC 5183)."""

from __future__ import annotations

from posthouse.content.sieve.compiler import Compiler
from posthouse.content.sieve.facts import MailboxExists, MailboxIdExists, SpecialUseExists
from posthouse.content.sieve.specs import MATCH_TAGS, Bound, Spec, TestSpec
from posthouse.content.sieve.state import State, TestOp
from posthouse.content.sieve.text import values


def _mailbox_exists(bound: Bound, compiler: Compiler) -> TestOp:
    names = compiler.texts(bound.strings(0))
    return lambda state: all(state.ask(MailboxExists(name), bool) for name in values(names, state))


def _mailbox_id_exists(bound: Bound, compiler: Compiler) -> TestOp:
    names = compiler.texts(bound.strings(0))
    return lambda state: all(state.ask(MailboxIdExists(name), bool) for name in values(names, state))


def _special_use_exists(bound: Bound, compiler: Compiler) -> TestOp:
    """``[mailbox] uses``: with a mailbox, whether it has all of them; without, whether there is one for each."""
    uses = compiler.texts(bound.strings(len(bound.positional) - 1))
    mailbox = compiler.text(bound.strings(0)) if len(bound.positional) == 2 else None

    def run(state: State) -> bool:
        name = mailbox.value(state) if mailbox else ""
        return all(state.ask(SpecialUseExists(name, use), bool) for use in values(uses, state))

    return run


def _environment(bound: Bound, compiler: Compiler) -> TestOp:
    item = compiler.text(bound.strings(0))
    matches = compiler.matcher(bound, bound.strings(1)).strings

    def run(state: State) -> bool:
        value = _item(state, item.value(state).lower())
        return value is not None and matches(state, (value,))

    return run


def _item(state: State, name: str) -> str | None:
    """RFC 5183 §4.1; None for an item that is not known."""
    facts = state.facts
    known = {
        "name": "Posthouse",
        "location": "MTA",
        "phase": "during",
        "remote-ip": facts.client_address,
        "remote-host": facts.client_host or facts.client_address,
    }
    return known[name] if name in known else facts.environment.get(name)


TESTS = (
    TestSpec(Spec("mailboxexists", ("strings",), extension=("mailbox",)), _mailbox_exists),
    TestSpec(Spec("mailboxidexists", ("strings",), extension=("mailboxid",)), _mailbox_id_exists),
    TestSpec(
        Spec("specialuse_exists", ("string", "strings"), extension=("special-use",), optional_first=True), _special_use_exists
    ),
    TestSpec(Spec("environment", ("string", "strings"), MATCH_TAGS, ("environment",)), _environment),
)
