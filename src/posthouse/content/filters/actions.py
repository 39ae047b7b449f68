"""One action as Sieve commands, and back. Reading may be generous: ``document`` takes a filter only if it is written alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast
from urllib.parse import quote, unquote

from posthouse.base.errors import BadValue
from posthouse.content.filters import model
from posthouse.content.filters.writing import numbers_of, quoted, string_list, strings_of, tags_of
from posthouse.content.sieve.syntax import Command


def to_sieve(action: model.Action) -> str:
    """The command, without indentation. Raises BadValue."""
    return _WRITERS[type(action)](action)


def _move_to(action: model.MoveTo) -> str:
    tags = (" :copy" if action.copy else "") + (" :create" if action.create else "")
    return f"fileinto{tags} {quoted(action.mailbox)};"


def _redirect(action: model.Redirect) -> str:
    return f"redirect{' :copy' if action.copy else ''} {quoted(action.address)};"


def _strip(action: model.StripAttachments) -> str:
    if not action.patterns:
        raise BadValue("strip_attachments needs at least one pattern")
    notice = f" :notice {quoted(action.notice)}" if action.notice else ""
    return f"stripattachments :{action.by} :matches{notice} {string_list(action.patterns)};"


def _replace(action: model.ReplaceParts) -> str:
    return (
        f'foreverypart {{ if header :mime :contenttype :is "Content-Type" {quoted(action.type)} '
        f"{{ replace {quoted(action.text)}; }} }}"
    )


def _score(action: model.ChangeScore) -> str:
    return f"score {':subtract' if action.points < 0 else ':add'} {abs(action.points)};"


def _flags(action: model.SetFlags) -> str:
    if not action.flags:
        raise BadValue("set_flags needs at least one flag")
    return f"addflag {string_list(action.flags)};"


def _reply(action: model.Reply) -> str:
    interval = f":days {action.days}" if action.days > 0 else ":seconds 0"
    subject = f" :subject {quoted(action.subject)}" if action.subject else ""
    return f"vacation {interval}{subject} {quoted(action.text)};"


def _notify(action: model.Notify) -> str:
    message = f" :message {quoted(action.text)}" if action.text else ""
    return f"notify{message} {quoted('mailto:' + quote(action.address, safe='@+.-_'))};"


_WRITERS: dict[type, Callable[[Any], str]] = {
    model.Keep: lambda action: "keep;",
    model.MoveTo: _move_to,
    model.Redirect: _redirect,
    model.Wiretap: lambda action: f"wiretap {quoted(action.address)};",
    model.Excerpt: lambda action: f"excerpt :chars {action.chars} {quoted(action.address)};",
    model.Reject: lambda action: f"reject {quoted(action.reason)};",
    model.Discard: lambda action: "discard;",
    model.Quarantine: lambda action: f"quarantine {quoted(action.name)};",
    model.DeliverNow: lambda action: "delivernow;",
    model.TagSubject: lambda action: f"tagsubject {quoted(action.text)};",
    model.AddHeader: lambda action: f"addheader {quoted(action.name)} {quoted(action.value)};",
    model.RemoveHeader: lambda action: f"deleteheader {quoted(action.name)};",
    model.AddFooter: lambda action: f"addfooter {quoted(action.text)};",
    model.StripAttachments: _strip,
    model.ReplaceParts: _replace,
    model.ChangeScore: _score,
    model.SetFlags: _flags,
    model.Reply: _reply,
    model.Notify: _notify,
    model.Delay: lambda action: f"delay {action.seconds};",
    model.Route: lambda action: f"route {quoted(action.next_hop)};",
    model.RequireTls: lambda action: "requiretls;",
}


# Back

Words = Sequence[str]


def from_sieve(command: Command) -> model.Action | None:
    """The action of a command that this module could have written; None for others."""
    if command.name == "foreverypart":
        return _parts(command)
    reader = _READERS.get(command.name)
    if reader is None or command.tests or command.block is not None:
        return None
    strings = strings_of(command.arguments)
    tags, numbers = tags_of(command.arguments), numbers_of(command.arguments)
    try:
        return reader(tags, strings, numbers)
    except IndexError:
        return None


def _parts(command: Command) -> model.Action | None:
    inner = command.block[0] if command.block else None
    if inner is None or inner.name != "if" or not inner.block or not inner.tests or inner.block[0].name != "replace":
        return None
    wanted, text = strings_of(inner.tests[0].arguments), strings_of(inner.block[0].arguments)
    return model.ReplaceParts(wanted[-1][0], text[-1][0]) if wanted and text else None


def _read_reply(tags: Words, strings: Sequence[tuple[str, ...]], numbers: Sequence[int]) -> model.Action:
    subject = strings[0][0] if "subject" in tags else ""
    return model.Reply(strings[-1][0], subject, 0 if "seconds" in tags else numbers[0])


def _read_notify(tags: Words, strings: Sequence[tuple[str, ...]], _: Sequence[int]) -> model.Action:
    text = strings[0][0] if "message" in tags else ""
    return model.Notify(unquote(strings[-1][0].removeprefix("mailto:")), text)


def _read_strip(tags: Words, strings: Sequence[tuple[str, ...]], _: Sequence[int]) -> model.Action:
    notice = strings[0][0] if "notice" in tags else ""
    return model.StripAttachments(strings[-1], cast(Any, tags[0]), notice)


def _read_score(tags: Words, _: Sequence[tuple[str, ...]], numbers: Sequence[int]) -> model.Action:
    return model.ChangeScore(-numbers[0] if "subtract" in tags else numbers[0])


def _read_redirect(tags: Words, strings: Sequence[tuple[str, ...]], _: Sequence[int]) -> model.Action:
    return model.Redirect(strings[0][0], copy="copy" in tags)


def _read_move(tags: Words, strings: Sequence[tuple[str, ...]], _: Sequence[int]) -> model.Action:
    return model.MoveTo(strings[-1][0], copy="copy" in tags, create="create" in tags)


Reader = Callable[[Words, Sequence[tuple[str, ...]], Sequence[int]], model.Action]
_READERS: dict[str, Reader] = {
    "keep": lambda tags, strings, numbers: model.Keep(),
    "fileinto": _read_move,
    "redirect": _read_redirect,
    "wiretap": lambda tags, strings, numbers: model.Wiretap(strings[0][0]),
    "excerpt": lambda tags, strings, numbers: model.Excerpt(strings[0][0], numbers[0]),
    "reject": lambda tags, strings, numbers: model.Reject(strings[0][0]),
    "discard": lambda tags, strings, numbers: model.Discard(),
    "quarantine": lambda tags, strings, numbers: model.Quarantine(strings[0][0]),
    "delivernow": lambda tags, strings, numbers: model.DeliverNow(),
    "tagsubject": lambda tags, strings, numbers: model.TagSubject(strings[0][0]),
    "addheader": lambda tags, strings, numbers: model.AddHeader(strings[0][0], strings[1][0]),
    "deleteheader": lambda tags, strings, numbers: model.RemoveHeader(strings[0][0]),
    "addfooter": lambda tags, strings, numbers: model.AddFooter(strings[0][0]),
    "stripattachments": _read_strip,
    "score": _read_score,
    "addflag": lambda tags, strings, numbers: model.SetFlags(strings[0]),
    "vacation": _read_reply,
    "notify": _read_notify,
    "delay": lambda tags, strings, numbers: model.Delay(numbers[0]),
    "route": lambda tags, strings, numbers: model.Route(strings[0][0]),
    "requiretls": lambda tags, strings, numbers: model.RequireTls(),
}
