"""All operations, and the one way to run them: find, check the role, parse, run, audit (ADM-1).

Every face (shell, protocol, API) calls ``run``. Operations stand in one module a noun; ``_MODULES`` lists them.
"""

from __future__ import annotations

import difflib
import functools
import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from posthouse.admin.arguments import Secret, UsageError, is_dash, missing, parse_named, parse_words
from posthouse.admin.context import Context, NotAllowed
from posthouse.admin.operation import Operation, audit_text
from posthouse.base.errors import MailError
from posthouse.interfaces.configuration import AuditEntry
from posthouse.model.api_token import covers, role_limits

_MODULES = (
    "domain", "user", "account", "cos", "quota", "alias", "forward", "route", "mailbox", "share", "sharedmailbox", "expiry",
    "undelete",    "filter", "filtertest", "wordlist", "sender", "junk", "spamrule", "lesson", "setting", "group", "queue",
    "quarantine", "policy", "mail", "node", "certificate", "check", "dkim", "report", "suppression", "store", "search",
    "migration", "audit", "help", "greylist", "reject", "dnsbl", "antivirus", "outbreak", "antispam", "postponed",
    "recipient", "ldapserver", "token",
)  # fmt: skip
_SHARED_NOUNS = {
    "mailbox": ("mailbox", "expiry", "migration"),
    "filter": ("filter", "filtertest"),
    "search": ("group", "search"),
    "greylist": ("group", "greylist"),
    "antivirus": ("group", "antivirus"),
    "outbreak": ("group", "outbreak"),
    "antispam": ("group", "antispam"),
}
"""Nouns whose operations stand in several modules. One operation loads its noun only: a command must start quickly."""
_ALONE = {"check": "all"}
"""What a noun alone means."""
_MAX_OUTCOME = 500


class NoSuchOperation(UsageError):
    """There is no such noun, or it has no such verb."""

    def __init__(self, public: str) -> None:
        super().__init__(public)
        self.imap_code = "NOSUCHOPERATION"


@dataclass(frozen=True, slots=True)
class Done:
    """An operation that was run, and what it gave."""

    operation: Operation
    result: object


@functools.cache
def operations() -> Mapping[str, Operation]:
    """All operations by name, ``user add``; in the order of nouns, then as they stand in their module."""
    return _of_modules(_MODULES)


def _of_modules(names: Sequence[str]) -> dict[str, Operation]:
    found: dict[str, Operation] = {}
    for module_name in names:
        module = importlib.import_module(f"posthouse.admin.{module_name}")
        for value in vars(module).values():
            listed = value if isinstance(value, tuple) else (value,)
            found.update({each.name: each for each in listed if isinstance(each, Operation)})
    return found


def nouns() -> list[str]:
    """All nouns, in order."""
    return list(dict.fromkeys(each.noun for each in operations().values()))


def of_noun(noun: str) -> list[Operation]:
    """The operations of one noun; empty if there is no such noun."""
    name = noun.lower()
    modules = _SHARED_NOUNS.get(name) or ((name,) if name in _MODULES else _MODULES)
    return [each for each in _of_modules(modules).values() if each.noun == name]


def find(words: Sequence[str]) -> tuple[Operation, list[str]]:
    """The operation that the first two words name (in any case), and the words after them. Raises UsageError."""
    if not words:
        raise UsageError("which operation? 'help' lists them")
    noun = words[0].lower()
    by_verb = {each.verb: each for each in of_noun(noun)}
    if noun == "help":
        return by_verb["show"], list(words[1:])
    if not by_verb:
        raise NoSuchOperation(f"there is no noun {words[0]!r}{_near(noun, nouns())}")
    if len(words) == 1 and noun in _ALONE:
        return by_verb[_ALONE[noun]], []
    if len(words) == 1:
        raise UsageError(f"{noun}: which verb? {', '.join(by_verb)}")
    found = by_verb.get(words[1].lower())
    if found is None:
        raise NoSuchOperation(f"{noun} has no verb {words[1]!r}; it has {', '.join(by_verb)}")
    return found, list(words[2:])


def _near(word: str, words: Sequence[str]) -> str:
    close = difflib.get_close_matches(word, words, n=1)
    return f"; did you mean {close[0]!r}?" if close else "; 'help' lists them all"


async def run(
    context: Context, words: Sequence[str], *, given: Mapping[str, str] | None = None, protocol: bool = False
) -> Done:
    """Runs the operation that ``words`` name for the caller in ``context``.

    ``given`` holds texts by argument name that came by another way than words (a password from standard input).
    ``protocol``: words follow the administration protocol's looser grammar. Raises UsageError, NotAllowed, MailError.
    """
    found, rest = find(words)
    _require(context, found)
    domain = await _domain(context)
    values = parse_words(found.arguments, rest, now=context.clock.now(), domain=domain, protocol=protocol)
    return await call(context, found, _with_given(found, values, given or {}))


async def run_named(context: Context, noun: str, verb: str, named: Mapping[str, object]) -> Done:
    """Runs an operation with arguments by name, in the types of JSON. Raises UsageError, NotAllowed, MailError."""
    found, _ = find([noun, verb])
    if (found.noun, found.verb) != (noun.lower(), verb.lower()):
        raise NoSuchOperation(f"{noun} has no verb {verb!r}")
    _require(context, found)
    values = parse_named(found.arguments, named, now=context.clock.now(), domain=await _domain(context))
    return await call(context, found, values)


async def _domain(context: Context) -> str:
    """The one that bare names belong to."""
    return context.domain or (await context.configuration.load()).auth.default_domain


def _require(context: Context, found: Operation) -> None:
    """Raises NotAllowed if the caller's role or token does not cover the operation."""
    for role in (context.role, *role_limits(context.scopes or ())):
        if not found.allowed(role):
            raise NotAllowed(f"the role {role} may not run {found.name!r}")
    if not covers(context.scopes or (), found.noun, found.verb):
        raise NotAllowed(f"this token's scopes do not cover {found.name!r}")


def _with_given(found: Operation, values: dict[str, object], given: Mapping[str, str]) -> dict[str, object]:
    by_name = {argument.name: argument for argument in found.arguments}
    for name, text in given.items():
        argument = by_name.get(name)
        if argument is None or not argument.from_input:
            raise UsageError(f"{found.name} takes no {name} from standard input")
        if is_dash(values.get(name)):
            del values[name]
        values.setdefault(name, Secret(text) if argument.kind == "secret" else text)
    return values


async def call(context: Context, found: Operation, values: Mapping[str, object]) -> Done:
    """Runs one operation with parsed values, by name, and writes it to the audit trail if it is one for that."""
    _require(context, found)
    lacking = missing(found.arguments, values)
    if lacking is not None:
        raise UsageError(f"{found.name}: {lacking.word} is missing; usage: {found.usage}")
    outcome = "failed"
    try:
        result = await found.function(context, **_as_parameters(found, values))
        outcome = "ok"
    except MailError as error:
        outcome = error.public[:_MAX_OUTCOME]
        raise
    finally:
        if found.audited:
            await context.configuration.audit(
                AuditEntry(
                    at=context.clock.now(),
                    who=context.who,
                    via=context.via,
                    operation=found.name,
                    arguments=audit_text(values),
                    outcome=outcome,
                )
            )
    return Done(found, result)


def _as_parameters(found: Operation, values: Mapping[str, object]) -> dict[str, object]:
    unknown = set(values) - {argument.name for argument in found.arguments}
    if unknown:
        raise UsageError(f"{found.name} has no argument {sorted(unknown)[0]}")
    return dict(values)
