"""foreverypart, break, extracttext, replace, enclose (RFC 5703)."""

from __future__ import annotations

from posthouse.content.sieve.actions import Enclose, ReplacePart
from posthouse.content.sieve.commands.values import MODIFIER_TAGS, modifiers_of, variable_name
from posthouse.content.sieve.compiler import Compiler
from posthouse.content.sieve.message import walk
from posthouse.content.sieve.specs import Bound, CommandSpec, Spec, TagSpec
from posthouse.content.sieve.state import BREAK, Op, Signal, State
from posthouse.content.sieve.text import values

MAX_LOOPS = 4


def _foreverypart(bound: Bound, compiler: Compiler) -> Op:
    """Every part of the message, or below the current part, depth first (§3)."""
    given = bound.tag_strings("name")
    name = compiler.constant(given, "the name of a foreverypart") if given else ""
    if len(compiler.loops) >= MAX_LOOPS:
        raise bound.error(f"foreverypart is nested deeper than {MAX_LOOPS} levels")
    compiler.loops.append(name)
    block = compiler.block(bound.block)
    compiler.loops.pop()

    def run(state: State) -> Signal | None:
        outer = state.part
        parts = walk(state.message.root)
        if outer is not None:
            parts = walk(outer)
            next(parts)
        signal: Signal | None = None
        for part in parts:
            state.step(5)
            state.part = part
            signal = block(state)
            if signal is not None:
                break
        state.part = outer
        return None if signal in (BREAK, f"{BREAK} {name}") else signal

    return run


def _break(bound: Bound, compiler: Compiler) -> Op:
    given = bound.tag_strings("name")
    name = compiler.constant(given, "the name of a foreverypart") if given else ""
    if not compiler.loops or (name and name not in compiler.loops):
        raise bound.error(f"break without foreverypart {name}".rstrip())
    signal = f"{BREAK} {name}" if name else BREAK
    return lambda _state: signal


def _extracttext(bound: Bound, compiler: Compiler) -> Op:
    """The text of the current part into a variable (§6)."""
    if not compiler.loops:
        raise bound.error("extracttext needs a foreverypart around it")
    name, shared = variable_name(bound, 0, compiler)
    first, modifiers = bound.tag_number("first"), modifiers_of(bound)

    def run(state: State) -> Signal | None:
        body = state.message.part_text(state.part) if state.part is not None and state.part.type == "text" else None
        value = body.text[: state.limits.variable_chars if first is None else first] if body else ""
        for modifier in modifiers:
            value = modifier(value)
        state.set_variable(name, value, shared=shared)
        return None

    return run


def _replace(bound: Bound, compiler: Compiler) -> Op:
    """Another body for the current part, or for the whole message (§5)."""
    text, line, mime = compiler.text(bound.strings(0)), bound.line, "mime" in bound.tags
    subjects, senders = bound.tag_strings("subject"), bound.tag_strings("from")
    subject = compiler.text(subjects) if subjects else None
    sender = compiler.text(senders) if senders else None

    def run(state: State) -> Signal | None:
        part = state.part
        state.change(
            ReplacePart(
                section="" if part is None or part is state.message.root else part.section,
                text=text.value(state),
                mime=mime,
                subject=subject.value(state) if subject else "",
                sender=sender.value(state) if sender else "",
            ),
            line,
        )
        return None

    return run


def _enclose(bound: Bound, compiler: Compiler) -> Op:
    """The message as an attachment of a new one (§7)."""
    text, line = compiler.text(bound.strings(0)), bound.line
    subjects, fields = bound.tag_strings("subject"), bound.tag_strings("headers")
    subject = compiler.text(subjects) if subjects else None
    lines = compiler.texts(fields) if fields else []

    def run(state: State) -> Signal | None:
        given = subject.value(state) if subject else ""
        state.change(Enclose(text.value(state), given, tuple(values(lines, state))), line)
        return None

    return run


_NAME = TagSpec("name", "string")
COMMANDS = (
    CommandSpec(Spec("foreverypart", (), (_NAME,), ("foreverypart",), block=True), _foreverypart),
    CommandSpec(Spec("break", (), (_NAME,), ("foreverypart",)), _break),
    CommandSpec(Spec("extracttext", ("string",), (*MODIFIER_TAGS, TagSpec("first", "number")), ("extracttext",)), _extracttext),
    CommandSpec(
        Spec("replace", ("string",), (TagSpec("mime"), TagSpec("subject", "string"), TagSpec("from", "string")), ("replace",)),
        _replace,
    ),
    CommandSpec(
        Spec("enclose", ("string",), (TagSpec("subject", "string"), TagSpec("headers", "strings")), ("enclose",)), _enclose
    ),
)
