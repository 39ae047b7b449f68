"""The forms of a message that filters make of it: each different content once, with its index (CON-2).

Part of stage ``filters``. Large messages are changed and indexed in a thread, so that no session waits for another's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from posthouse.content import filetypes
from posthouse.content.sieve import MessageView, apply
from posthouse.content.sieve.actions import Change
from posthouse.formats.mime import summarise
from posthouse.model.plan import Destination
from posthouse.model.summary import Summary

IN_THREAD_BYTES = 256 << 10
RETURN_PATH = b"Return-Path:"


@dataclass(frozen=True, slots=True, eq=False)
class Form:
    """One content; ``view`` serves every script that looks at it."""

    content: bytes
    summary: Summary
    view: MessageView

    @classmethod
    def of(cls, content: bytes, summary: Summary) -> Form:
        """With a view that has looked at nothing yet."""
        return cls(content, summary, MessageView(content, summary.root, filetypes.inspect))


@dataclass(frozen=True, slots=True)
class Copy:
    """One form for one destination; ``place`` tells which of the transaction's it comes from, -1 none."""

    form: Form
    destination: Destination
    place: int = -1


class Forms:
    """All forms of one message; recipients whose scripts make the same change share one."""

    def __init__(self, first: Form) -> None:
        self.first = first
        self._known = {first.summary.digest: first}

    async def changed(self, form: Form, changes: Sequence[Change]) -> Form:
        """``form`` with the changes made; itself if there are none."""
        if not changes:
            return form
        if len(form.content) > IN_THREAD_BYTES:
            content, summary = await asyncio.to_thread(_changed, form, changes)
        else:
            content, summary = _changed(form, changes)
        found = self._known.get(summary.digest)
        if found is None:
            found = self._known[summary.digest] = Form.of(content, summary)
        return found


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
