"""reject, ereject (RFC 5429), vacation (RFC 5230, RFC 6131), notify (RFC 5435), and :fcc (RFC 8580)."""

from __future__ import annotations

from collections.abc import Callable

from posthouse.content.sieve.actions import Notify, Reject, Remember, Vacation
from posthouse.content.sieve.commands.delivery import mailbox_text
from posthouse.content.sieve.compiler import Compiler
from posthouse.content.sieve.errors import RunError
from posthouse.content.sieve.facts import Remembered
from posthouse.content.sieve.notices import is_valid_method
from posthouse.content.sieve.replying import why_no_answer
from posthouse.content.sieve.rules import forbid_beside_reject, forbid_reject
from posthouse.content.sieve.specs import Bound, CommandSpec, Spec, TagSpec
from posthouse.content.sieve.state import Op, Signal, State
from posthouse.content.sieve.tests.memory import memory_key
from posthouse.content.sieve.text import Text, values

DAY_S = 86_400
DEFAULT_DAYS = 7
MAX_SECONDS = 30 * DAY_S


def _rejecter(kind: str) -> Callable[[Bound, Compiler], Op]:
    def make(bound: Bound, compiler: Compiler) -> Op:
        text, line = compiler.text(bound.strings(0)), bound.line

        def run(state: State) -> Signal | None:
            forbid_reject(state, line)
            state.act(Reject(line, len(state.changes), text.value(state), "ereject" if kind == "ereject" else "reject"))
            state.implicit_keep = False
            return None

        return run

    return make


def _optional(bound: Bound, compiler: Compiler, name: str) -> Text | None:
    given = bound.tag_strings(name)
    return compiler.text(given) if given else None


def _value(text: Text | None, state: State) -> str:
    return text.value(state) if text else ""


def _fcc(bound: Bound, compiler: Compiler) -> Callable[[State], str]:
    given = bound.tag_strings("fcc")
    return mailbox_text(given, bound, compiler) if given else lambda _state: ""


def _interval_s(bound: Bound) -> int:
    """How long one sender is not answered again: at least a day by days, by seconds 0 means every time (RFC 6131)."""
    seconds = bound.tag_number("seconds")
    if seconds is not None:
        return min(seconds, MAX_SECONDS)
    days = bound.tag_number("days")
    return min(max(DEFAULT_DAYS if days is None else days, 1) * DAY_S, MAX_SECONDS)


def _vacation(bound: Bound, compiler: Compiler) -> Op:
    reason, line, mime = compiler.text(bound.strings(0)), bound.line, "mime" in bound.tags
    subject, sender, handle = (_optional(bound, compiler, name) for name in ("subject", "from", "handle"))
    given = bound.tag_strings("addresses")
    addresses = compiler.texts(given) if given else []
    interval_s, fcc = _interval_s(bound), _fcc(bound, compiler)

    def run(state: State) -> Signal | None:
        if any(isinstance(action, Vacation) for action in state.actions):
            raise RunError("vacation is given twice", line)
        forbid_beside_reject(state, "vacation", line)
        no = why_no_answer(state, values(addresses, state))
        if no:
            state.hit = f"no answer: {no}"
            return None
        action = Vacation(
            line=line,
            changes=len(state.changes),
            to=state.facts.sender,
            reason=reason.value(state),
            subject=_value(subject, state),
            sender=_value(sender, state),
            mime=mime,
            fcc=fcc(state),
        )
        named = _value(handle, state) or memory_key(action.reason, action.subject, action.sender, str(mime))
        key = memory_key(named, action.to.lower())
        if interval_s and state.ask(Remembered("vacation", key), bool):
            state.hit = "no answer: this sender had one lately"
            return None
        state.act(action)
        if interval_s:
            state.remember.append(Remember("vacation", key, state.facts.now + interval_s))
        return None

    return run


def _notify(bound: Bound, compiler: Compiler) -> Op:
    method, line = compiler.text(bound.strings(0)), bound.line
    if method.constant is not None and not is_valid_method(method.constant):
        raise bound.error(f"{method.constant[:100]!r} is not a method of notification; mailto: is", bound.strings(0).place)
    message, sender, importance = (_optional(bound, compiler, name) for name in ("message", "from", "importance"))
    given = bound.tag_strings("options")
    options = compiler.texts(given) if given else []
    if importance and importance.constant is not None and importance.constant not in ("1", "2", "3"):
        raise bound.error(":importance is 1, 2 or 3", bound.tag_places["importance"])
    fcc = _fcc(bound, compiler)

    def run(state: State) -> Signal | None:
        uri = method.value(state)
        if not is_valid_method(uri):
            raise RunError(f"{uri[:100]!r} is not a method of notification", line)
        level = _value(importance, state)
        state.send(
            Notify(
                line=line,
                changes=len(state.changes),
                method=uri,
                message=_value(message, state),
                importance="1" if level == "1" else "3" if level == "3" else "2",
                sender=_value(sender, state),
                options=tuple(values(options, state)),
                fcc=fcc(state),
            )
        )
        return None

    return run


_FCC = TagSpec("fcc", "string", "fcc")
_VACATION_TAGS = (
    TagSpec("days", "number", group="interval"),
    TagSpec("seconds", "number", "vacation-seconds", "interval"),
    TagSpec("subject", "string"),
    TagSpec("from", "string"),
    TagSpec("addresses", "strings"),
    TagSpec("mime"),
    TagSpec("handle", "string"),
    _FCC,
)
_NOTIFY_TAGS = (
    TagSpec("from", "string"),
    TagSpec("importance", "string"),
    TagSpec("options", "strings"),
    TagSpec("message", "string"),
    _FCC,
)
COMMANDS = (
    CommandSpec(Spec("reject", ("string",), extension=("reject",)), _rejecter("reject")),
    CommandSpec(Spec("ereject", ("string",), extension=("ereject",)), _rejecter("ereject")),
    CommandSpec(Spec("vacation", ("string",), _VACATION_TAGS, ("vacation", "vacation-seconds")), _vacation),
    CommandSpec(Spec("notify", ("string",), _NOTIFY_TAGS, ("enotify",)), _notify),
)
