"""Rehearsal of a change of policy, before it is made (PLN-3): whom it would treat differently, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from posthouse.admin.arguments import Moment, UsageError
from posthouse.admin.context import Context
from posthouse.admin.operation import operation
from posthouse.base.errors import BadValue, Permanent
from posthouse.formats import session_records
from posthouse.interfaces.rehearsals import Rehearsals
from posthouse.model.address import Address
from posthouse.model.rehearsal import ListChange, ProposedPolicy, RehearsalPlan, ScriptChange, Traffic
from posthouse.model.script import MAX_SCRIPT_BYTES
from posthouse.model.senders import EntryKind, normal_pattern
from posthouse.model.settings import spec_of

_DAY_S = 86_400.0
_LISTS: dict[str, EntryKind] = {"allowed": "sender", "allowed-recipient": "recipient", "blocked": "blocked"}


@dataclass(frozen=True, slots=True)
class DifferenceRow:
    """One recipient of one message who would be treated differently."""

    message: str
    subject: str
    sender: str
    recipient: str
    now: str
    then: str
    why: str


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """What came of it. ``skipped`` tells what could not be walked."""

    messages: int
    recipients: int
    different: int
    seconds: float
    differences: tuple[DifferenceRow, ...]
    skipped: tuple[str, ...]

    def told(self) -> str:
        """For people: one paragraph a recipient, then the sum."""
        lines = []
        for each in self.differences:
            lines.append(f"{each.message}  {each.sender or '<>'} -> {each.recipient}  {each.subject!r}")
            lines += [f"    now:  {each.now}", f"    then: {each.then}", f"    why:  {each.why}", ""]
        lines += [f"not walked: {each}" for each in self.skipped]
        same = self.recipients - self.different
        lines.append(
            f"{self.messages} messages in {self.seconds:.1f} s: {self.different} recipients would be treated differently,"
            f" {max(same, 0)} as now. Nothing was delivered."
        )
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Recorded:
    """Sessions as text, a line each."""

    sessions: int
    text: str

    def told(self) -> str:
        """The lines alone, for a file."""
        return self.text.rstrip("\n")


@operation("policy rehearse", role="administrator", reads=True, audited=True)
async def rehearse(  # noqa: PLR0913 - the signature is the operation's syntax
    context: Context,
    changes: tuple[str, ...],
    *,
    path: str = "",
    user: Address | None = None,
    mailbox: str = "INBOX",
    since: Moment | None = None,
    recipient: str = "",
    dns: Literal["none", "live"] = "none",
    engines: bool = False,
    limit: int = 1000,
) -> Rehearsed:
    """Walks recorded mail through the policy as it is and as it would be, and tells who would be treated differently.

    Nothing is delivered, counted or remembered. A change is a setting (junk.action=reject), a script instead of the active
    ones of the system, a domain or a user (filter=FILE, filter:example.com=FILE, filter:jane@example.com=FILE; no FILE for no
    script), or one more entry of a list (blocked=ENTRY, allowed=ENTRY, blocked:example.com=ENTRY, and so on).
    The mail is that of --path, of --user, or what was traced --since and is still stored.

    Args:
        changes: what would be different.
        path: an mbox, a Maildir, a folder of messages, or recorded sessions, on the node.
        user: whose stored mail.
        mailbox: which mailbox of the user's.
        since: traced mail from then on, such as 2h or 7d; a day if it is not given.
        recipient: for whom the mail of --path was, where it does not say; of traced mail only what was for this address.
        dns: none as if nobody published anything, or live to ask, once for each question.
        engines: also asks virus and spam engines that are other programs.
        limit: how many messages at most.
    """
    proposed = _proposed(changes)
    traffic = _traffic(context, path, user, mailbox, since, recipient, limit)
    report = await _rehearsals(context).rehearse(RehearsalPlan(proposed, traffic, context.clock.now(), dns, engines))
    rows = tuple(
        DifferenceRow(each.trace_id or each.source, each.subject, each.sender, each.recipient, each.now, each.then, each.why)
        for each in report.differences
    )
    return Rehearsed(report.messages, report.recipients, len(rows), round(report.seconds, 2), rows, report.skipped)


@operation("policy record", role="administrator", reads=True, audited=True)
async def record(
    context: Context,
    *,
    path: str = "",
    user: Address | None = None,
    mailbox: str = "INBOX",
    since: Moment | None = None,
    recipient: str = "",
    limit: int = 1000,
) -> Recorded:
    """Gives recorded mail as text, one session a line with its envelope, client and message, for later rehearsals.

    Args:
        path: an mbox, a Maildir or a folder of messages, on the node.
        user: whose stored mail.
        mailbox: which mailbox of the user's.
        since: traced mail from then on; a day if it is not given.
        recipient: for whom the mail was, where it does not say; of traced mail only what was for this address.
        limit: how many messages at most.
    """
    traffic = _traffic(context, path, user, mailbox, since, recipient, limit)
    sessions = await _rehearsals(context).record(traffic)
    return Recorded(len(sessions), "".join(f"{session_records.render(each)}\n" for each in sessions))


def _rehearsals(context: Context) -> Rehearsals:
    if context.rehearsals is None:
        raise Permanent("there is nothing to rehearse with here")
    return context.rehearsals


def _traffic(
    context: Context, path: str, user: Address | None, mailbox: str, since: Moment | None, recipient: str, limit: int
) -> Traffic:
    if [bool(path), user is not None, since is not None].count(True) > 1:
        raise UsageError("whose mail? one of --path, --user, --since")
    begin = since if since is not None else context.clock.now() - _DAY_S
    return Traffic(path, str(user) if user else "", mailbox, begin, recipient, max(1, min(limit, 100_000)))


def _proposed(changes: Sequence[str]) -> ProposedPolicy:
    """Raises BadValue, UsageError with what is wrong."""
    settings: list[tuple[str, str]] = []
    scripts: list[ScriptChange] = []
    lists: list[ListChange] = []
    for change in changes:
        name, found, value = change.partition("=")
        what, _, owner = name.partition(":")
        if not found:
            raise UsageError(f"{change!r} is no change; say KEY=VALUE, filter[:OWNER]=FILE, blocked|allowed[:OWNER]=ENTRY")
        if what.lower() == "filter":
            scripts.append(ScriptChange(owner, _script(value)))
        elif what.lower() in _LISTS:
            lists.append(ListChange(owner, _LISTS[what.lower()], normal_pattern(value)))
        else:
            spec = spec_of(name)
            spec.parse(value)
            settings.append((spec.key, value))
    return ProposedPolicy(tuple(settings), tuple(scripts), tuple(lists))


def _script(path: str) -> str:
    """The text of a Sieve script on the node; "" for none."""
    if not path:
        return ""
    try:
        with Path(path).open("rb") as file:
            octets = file.read(MAX_SCRIPT_BYTES + 1)
    except OSError as error:
        raise BadValue(f"{path} cannot be read: {error.strerror or error}") from None
    if len(octets) > MAX_SCRIPT_BYTES:
        raise BadValue(f"{path} is larger than a script may be")
    return octets.decode("utf-8", "replace")
