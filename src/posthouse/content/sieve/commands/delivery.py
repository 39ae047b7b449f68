"""keep, fileinto, redirect, discard (RFC 5228 §4), with :copy (RFC 3894), :create (RFC 5490), :flags (RFC 5232),
:specialuse (RFC 8579), :mailboxid (RFC 9042)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from posthouse.base.errors import BadValue
from posthouse.content.sieve.actions import Action, Discard, FileInto, Keep, Redirect
from posthouse.content.sieve.commands.flags import flag_list
from posthouse.content.sieve.compiler import Compiler
from posthouse.content.sieve.errors import RunError
from posthouse.content.sieve.facts import MailboxIdExists, SpecialUseExists
from posthouse.content.sieve.rules import forbid_beside_reject
from posthouse.content.sieve.specs import Bound, CommandSpec, Spec, TagSpec
from posthouse.content.sieve.state import Op, Signal, State
from posthouse.content.sieve.syntax import Strings
from posthouse.content.sieve.text import Text, values
from posthouse.model.address import Address
from posthouse.model.mailbox_name import normal_name

Flags = Callable[[State], tuple[str, ...] | None]


def flags_of(bound: Bound, compiler: Compiler) -> Flags:
    """The value of :flags, else the internal variable; None when flags were never spoken of."""
    given = bound.tag_strings("flags")
    if given is None:
        return lambda state: state.flags
    texts = compiler.texts(given)
    return lambda state: flag_list(values(texts, state))


def mailbox_text(strings: Strings, bound: Bound, compiler: Compiler) -> Callable[[State], str]:
    """A mailbox's name in normal form; a wrong one is an error, at compile time if it can be known. Raises ScriptError."""
    text = compiler.text(strings)
    if text.constant is not None:
        try:
            name = normal_name(text.constant)
        except BadValue as error:
            raise bound.error(error.public, strings.place) from None
        return lambda _state: name

    def run(state: State) -> str:
        try:
            return normal_name(text.value(state))
        except BadValue as error:
            raise RunError(error.public, bound.line) from None

    return run


def address_text(strings: Strings, bound: Bound, compiler: Compiler) -> Callable[[State], str]:
    """An address; a wrong one is an error, at compile time if it can be known. Raises ScriptError."""
    text = compiler.text(strings)
    if text.constant is not None:
        try:
            address = str(Address.parse(text.constant.strip()))
        except ValueError as error:
            raise bound.error(f"{text.constant!r}: {error}", strings.place) from None
        return lambda _state: address

    def run(state: State) -> str:
        value = text.value(state)
        try:
            return str(Address.parse(value.strip()))
        except ValueError as error:
            raise RunError(f"{value!r}: {error}", bound.line) from None

    return run


def add_once(state: State, action: Keep | FileInto) -> None:
    """A mailbox gets a message once (RFC 5228 §2.10.3); flags of a second time are added."""
    for index, old in enumerate(state.actions):
        if _same_place(old, action):
            assert isinstance(old, (Keep, FileInto))
            if old.flags is None and action.flags is None:
                return
            merged = flag_list((*(old.flags or ()), *(action.flags or ())))
            state.actions[index] = replace(old, flags=merged)
            return
    state.act(action)


def _same_place(old: Action, new: Keep | FileInto) -> bool:
    if isinstance(new, FileInto):
        return isinstance(old, FileInto) and (old.mailbox, old.changes) == (new.mailbox, new.changes)
    return isinstance(old, Keep) and old.changes == new.changes


def _keep(bound: Bound, compiler: Compiler) -> Op:
    flags, line = flags_of(bound, compiler), bound.line

    def run(state: State) -> Signal | None:
        forbid_beside_reject(state, "keep", line)
        add_once(state, Keep(line, len(state.changes), flags(state)))
        state.implicit_keep = False
        return None

    return run


def _fileinto(bound: Bound, compiler: Compiler) -> Op:
    mailbox = mailbox_text(bound.strings(0), bound, compiler)
    flags, line = flags_of(bound, compiler), bound.line
    copy, create = "copy" in bound.tags, "create" in bound.tags
    special_use = _tag_text(bound, compiler, "specialuse")
    mailbox_id = _tag_text(bound, compiler, "mailboxid")

    def run(state: State) -> Signal | None:
        forbid_beside_reject(state, "fileinto", line)
        use = special_use.value(state) if special_use else ""
        identity = mailbox_id.value(state) if mailbox_id else ""
        if use and not state.ask(SpecialUseExists("", use), bool):
            use = ""
        if identity and not state.ask(MailboxIdExists(identity), bool):
            identity = ""
        add_once(
            state,
            FileInto(
                line=line,
                changes=len(state.changes),
                mailbox=mailbox(state),
                flags=flags(state),
                create=create,
                special_use=use,
                mailbox_id=identity,
            ),
        )
        if not copy:
            state.implicit_keep = False
        return None

    return run


def _tag_text(bound: Bound, compiler: Compiler, name: str) -> Text | None:
    given = bound.tag_strings(name)
    return compiler.text(given) if given else None


def _redirect(bound: Bound, compiler: Compiler) -> Op:
    address, line, copy = address_text(bound.strings(0), bound, compiler), bound.line, "copy" in bound.tags

    def run(state: State) -> Signal | None:
        forbid_beside_reject(state, "redirect", line)
        action = Redirect(line, len(state.changes), address(state))
        known = {(old.address.lower(), old.changes) for old in state.actions if isinstance(old, Redirect)}
        if (action.address.lower(), action.changes) not in known:
            state.send(action)
        if not copy:
            state.implicit_keep = False
        return None

    return run


def _discard(bound: Bound, _compiler: Compiler) -> Op:
    line = bound.line

    def run(state: State) -> Signal | None:
        if not any(isinstance(old, Discard) for old in state.actions):
            state.act(Discard(line, len(state.changes)))
        state.implicit_keep = False
        return None

    return run


_FLAGS = TagSpec("flags", "strings", "imap4flags")
_COPY = TagSpec("copy", extension="copy")
COMMANDS = (
    CommandSpec(Spec("keep", (), (_FLAGS,)), _keep),
    CommandSpec(
        Spec(
            "fileinto",
            ("string",),
            (
                _COPY,
                _FLAGS,
                TagSpec("create", extension="mailbox"),
                TagSpec("specialuse", "string", "special-use"),
                TagSpec("mailboxid", "string", "mailboxid"),
            ),
            ("fileinto",),
        ),
        _fileinto,
    ),
    CommandSpec(Spec("redirect", ("string",), (_COPY,)), _redirect),
    CommandSpec(Spec("discard"), _discard),
)
