"""The copies of a message on its way, one for each destination, and its forms: each different content once (CON-2).

After stage ``route`` the copies stand in ``transaction.copies``; most messages have one form for all of them. A stage that
changes the message for everyone replaces the content of each form (``Form.become``); one that changes it for some recipients
gives their copies another form (``Forms.changed``). Large messages are changed and indexed in a thread, so that no session
waits for another's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from posthouse.content import attachments, filetypes
from posthouse.content.attachments import Carried
from posthouse.content.sieve import MessageView, apply
from posthouse.content.sieve.actions import Change
from posthouse.formats.mime import summarise
from posthouse.model.plan import Destination, ToMailbox, ToNowhere, ToQuarantine, ToQueue
from posthouse.model.summary import Summary
from posthouse.model.verdict import QuarantineKind, Reason

IN_THREAD_BYTES = 256 << 10
RETURN_PATH = b"Return-Path:"
Made = TypeVar("Made")


class Form:
    """One content with its index; ``view`` serves every script that looks at it. The first ``tags_written`` of the
    transaction's tags are in it. ``carried`` is what was found in attachments, None until they were looked into."""

    __slots__ = ("_carried", "_summary", "_view", "content", "tags_written")

    def __init__(self, content: bytes = b"", summary: Summary | None = None, tags_written: int = 0) -> None:
        self.content = content
        self._summary = summary
        self._view: MessageView | None = None
        self._carried: tuple[Carried, ...] | None = None
        self.tags_written = tags_written

    @property
    def is_indexed(self) -> bool:
        """Whether there is a summary yet."""
        return self._summary is not None

    @property
    def summary(self) -> Summary:
        """That of ``content``."""
        assert self._summary is not None, "the driver sets the summary before it asks"
        return self._summary

    @property
    def view(self) -> MessageView:
        """With what has been looked at so far."""
        if self._view is None:
            inspect = filetypes.inspect if self._carried is None else attachments.inspector(self._carried)
            self._view = MessageView(self.content, self.summary.root, inspect)
        return self._view

    @property
    def carried(self) -> tuple[Carried, ...] | None:
        """Of the attachments that are worth looking into."""
        return self._carried

    def looked_into(self, carried: tuple[Carried, ...]) -> None:
        """From now on the view tells what is in archives."""
        self._carried, self._view = carried, None

    def become(self, content: bytes, summary: Summary | None) -> None:
        """Another content in its place, for all copies that have this form."""
        self.content, self._summary, self._view, self._carried = content, summary, None, None

    def put_header(self, content: bytes, summary: Summary) -> None:
        """The same with another header: what it carries is known already."""
        self.content, self._summary, self._view = content, summary, None


@dataclass(slots=True, eq=False)
class Copy:
    """One form for one destination. ``is_open``: filters of lower levels and the disposition of junk may still decide where
    it goes. ``points`` come on top of the message's score, for this copy alone. ``is_junk``: it was moved into Junk Mail, so
    nobody is answered."""

    form: Form
    destination: Destination
    is_open: bool = True
    points: float = 0.0
    is_junk: bool = False

    def drop(self, why: str) -> None:
        """Nobody gets it."""
        self.destination, self.is_open = ToNowhere(self.destination.recipient, why), False

    def hold(self, kind: QuarantineKind, reason: Reason, *, name: str = "", release_at: float = 0.0) -> None:
        """Into a quarantine, whence it can go on to where it was going. What is held or dropped already stays so."""
        going = self.destination
        if isinstance(going, (ToQuarantine, ToNowhere)):
            return
        where = (kind, name or _usual_name(kind, going), reason.stage, reason.rule, reason.detail, release_at)
        self.destination, self.is_open = ToQuarantine(going.recipient, *where, onward=going), False


def _usual_name(kind: QuarantineKind, going: ToMailbox | ToQueue) -> str:
    """A quarantine's name where there is one for all, or one for each person."""
    if kind != "junk":
        return kind
    return (going.account if isinstance(going, ToMailbox) and going.account else str(going.recipient.address)).lower()


class Forms:
    """All forms of one message; recipients whose scripts make the same change share one."""

    def __init__(self, forms: Sequence[Form]) -> None:
        self._known = {form.summary.digest: form for form in forms}

    async def changed(self, form: Form, changes: Sequence[Change]) -> Form:
        """``form`` with the changes made; itself if there are none."""
        if not changes:
            return form
        content, summary = await off_loop(len(form.content), lambda: _changed(form, changes))
        found = self._known.get(summary.digest)
        if found is None:
            found = self._known[summary.digest] = Form(content, summary, form.tags_written)
            if form.carried is not None and _body(found) == _body(form):
                found.looked_into(form.carried)
        return found


async def off_loop(size_bytes: int, work: Callable[[], Made]) -> Made:
    """``work()``, in a thread if the message is large."""
    return await asyncio.to_thread(work) if size_bytes > IN_THREAD_BYTES else work()


def merged(copies: Sequence[Copy]) -> dict[Form, list[Destination]]:
    """The destinations of each form, one of several to the same place; a mailbox's has the flags of all."""
    by_form: dict[Form, dict[object, Destination]] = {}
    for copy in copies:
        places = by_form.setdefault(copy.form, {})
        key = _identity(copy.destination)
        places[key] = _joined(places.get(key), copy.destination)
    return {form: list(places.values()) for form, places in by_form.items()}


def _identity(destination: Destination) -> object:
    if isinstance(destination, ToMailbox):
        return destination.account_id, destination.mailbox
    if isinstance(destination, ToQuarantine):
        return destination.kind, destination.name, _identity(destination.onward) if destination.onward else None
    return type(destination), destination.recipient.address.key


def _joined(before: Destination | None, new: Destination) -> Destination:
    if not isinstance(before, ToMailbox) or not isinstance(new, ToMailbox):
        return before or new
    return replace(before, flags=tuple(dict.fromkeys((*before.flags, *new.flags))))


def _body(form: Form) -> memoryview:
    return memoryview(form.content)[form.summary.header_end :]


def _changed(form: Form, changes: Sequence[Change]) -> tuple[bytes, Summary]:
    content = _with_return_path_first(form.content, apply(form.content, form.summary.root, changes))
    return content, summarise(content)


def _with_return_path_first(before: bytes, after: bytes) -> bytes:
    """Fields that a script adds on top come below Return-Path, which is the delivery's own (RFC 5321 §4.4)."""
    if not before.startswith(RETURN_PATH) or after.startswith(RETURN_PATH):
        return after
    line = before[: before.index(b"\n") + 1]
    place = after.find(b"\n" + line, 0, after.find(b"\r\n\r\n") + 2) + 1
    return line + after[:place] + after[place + len(line) :] if place else after
