"""What a script would do with a message, and why (CON-3): it is run with a trace, and nothing happens."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

from posthouse.admin.arguments import Document as Text
from posthouse.admin.arguments import DomainName, UsageError
from posthouse.admin.context import Context
from posthouse.admin.filterowner import Owner, owner_of, script_of
from posthouse.admin.operation import operation
from posthouse.base.errors import NotFound
from posthouse.content import attachments
from posthouse.content.attachments import Carried
from posthouse.content.sieve import Facts, MessageView, Result, compile_script, execute
from posthouse.content.sieve.actions import Action, Change, Keep
from posthouse.content.sieve.lookups import HouseLookups, Sources
from posthouse.content.sieve.state import Limits
from posthouse.formats.mime import summarise
from posthouse.model.address import Address
from posthouse.model.script import StoredScript
from posthouse.model.settings import ArchivesSettings
from posthouse.model.summary import Part

_STORED = re.compile(r"([^\r\n]{1,1000}):(\d{1,10})")


@dataclass(frozen=True, slots=True)
class Step:
    """One test or action of the run. ``why`` is the value that a test found."""

    line: int
    step: str
    outcome: str
    why: str


@dataclass(frozen=True, slots=True)
class Trial:
    """One script's run. ``actions`` and ``changes`` in words, in order."""

    script: str
    actions: tuple[str, ...]
    changes: tuple[str, ...]
    error: str
    steps: tuple[Step, ...]

    def told(self) -> str:
        """For people: the steps, then what would happen."""
        lines = [f"Script {self.script}:"]
        for step in self.steps:
            why = f"  ({step.why})" if step.why else ""
            lines.append(f"  line {step.line}: {step.step} -> {step.outcome}{why}")
        lines.append("It would:")
        lines += [f"  {word}" for word in (*self.changes, *self.actions)] or ["  do nothing: the message would be dropped"]
        if self.error:
            lines.append(f"Error: {self.error}")
        return "\n".join(lines)


@operation("filter test", role="help-desk", scope="domain", reads=True, columns=("script", "actions", "error"))
async def test(  # noqa: PLR0913 - the signature is the operation's syntax
    context: Context,
    message: Text,
    *,
    system: bool = False,
    domain: DomainName | None = None,
    user: Address | None = None,
    script: str = "",
    sender: str = "",
    recipient: Address | None = None,
    client: str = "",
    account: str = "",
    score: int | None = None,
) -> Sequence[Trial]:
    """Runs scripts on a message and tells what would happen, test by test; nothing is delivered or remembered.

    Args:
        message: a whole message; or MAILBOX:UID for one in the mailbox of --user.
        system: the scripts of the system.
        domain: the scripts for the mail of this domain.
        user: the scripts of this user.
        script: one script, also one that is not active; all active ones if it is not named.
        sender: the envelope's sender; the From address if it is not given.
        recipient: the envelope's recipient; the user if it is not given.
        client: the address of the client that brings the message.
        account: the authenticated account that sends it.
        score: the spam score that it has got.
    """
    who = await owner_of(context, system=system, domain=domain, user=user, write=False)
    content = await _content(context, who, message)
    summary, settings = summarise(content), await context.configuration.load()
    carried = await asyncio.to_thread(_carried, content, summary.root, settings.archives, context.clock.steady)
    facts = Facts(
        message=MessageView(content, summary.root, attachments.inspector(carried)),
        now=context.clock.now(),
        sender=sender or next(iter(summary.from_addresses), ""),
        recipient=str(recipient or (who.account.address if who.account else "")),
        owner=str(who.account.address) if who.account else "",
        client_address=client,
        account=account,
        direction="out" if account else "in",
        score=score,
    )
    redirects = settings.sieve.max_redirects
    return [
        await _tried(context, who, each, facts, Limits(redirects=redirects)) for each in await _chosen(context, who, script)
    ]


def _carried(content: bytes, root: Part, chosen: ArchivesSettings, steady: Callable[[], float]) -> tuple[Carried, ...]:
    """What is in archives, as the path would see it."""
    wanted = attachments.candidates(content, root)
    return attachments.look(content, wanted, attachments.limits_of(chosen), steady)


async def _content(context: Context, who: Owner, message: str) -> bytes:
    stored = _STORED.fullmatch(message.strip())
    if stored is None:
        return re.sub(r"\r?\n", "\r\n", message).encode("utf-8", "surrogateescape")
    if who.account is None:
        raise UsageError("MAILBOX:UID needs --user")
    box = await context.store.mailbox(who.account.account_id, stored[1])
    found = await context.store.facts(box.mailbox_id, [int(stored[2])]) if box else ()
    if not found:
        raise NotFound(f"{who.words} has no message {message.strip()}")
    return await context.store.content(found[0].body_id)


async def _chosen(context: Context, who: Owner, script: str) -> Sequence[StoredScript]:
    if script:
        found = await script_of(context, who, script)
        return [found] if found else []
    active = await context.scripts.active(who.owner)
    if not active:
        raise NotFound(f"{who.words} has no active script")
    return active


async def _tried(context: Context, who: Owner, stored: StoredScript, facts: Facts, limits: Limits) -> Trial:
    script = compile_script(stored.text, who.owner.scope, traced=True)
    sources = Sources(context.scripts, context.store, context.directory, context.clock)
    result = await execute(script, facts, HouseLookups(sources, who.owner, who.includes), limits)
    return _trial(stored.name, result)


def _trial(name: str, result: Result) -> Trial:
    steps = tuple(Step(line.line, "  " * line.depth + line.text, line.outcome, line.detail) for line in result.trace)
    actions = tuple(_action_words(action) for action in result.actions)
    return Trial(name, actions, tuple(_words(change) for change in result.changes), result.error, steps)


def _action_words(action: Action) -> str:
    words = _words(action)
    if isinstance(action, Keep) and action.implicit:
        return f"{words} (nothing else was said)"
    return f"{words} (line {action.line})"


def _words(value: Action | Change) -> str:
    """``FileInto`` as ``file into mailbox=News``."""
    name = re.sub(r"(?<!^)(?=[A-Z])", " ", type(value).__name__).lower()
    given = [(field.name, getattr(value, field.name)) for field in fields(value) if field.name not in _UNTOLD]
    told = [f"{key}={_shown(what)}" for key, what in given if what not in ("", None, False, ())]
    return " ".join((name, *told))


_UNTOLD = ("line", "changes", "implicit")


def _shown(what: object) -> str:
    text = " ".join(str(each) for each in what) if isinstance(what, tuple) else str(what)
    flat = " ".join(text.split())
    return flat if len(flat) <= 100 else flat[:100] + "..."
