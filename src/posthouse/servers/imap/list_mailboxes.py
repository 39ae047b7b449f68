"""LIST with all its options, and LSUB (RFC 9051 §6.3.9, RFC 5258, RFC 5819, RFC 6154, RFC 3501 §6.3.9)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from posthouse.model.mailbox import SEPARATOR, MailboxInfo
from posthouse.model.mailbox_name import parents, sort_key
from posthouse.protocols.imap import responses
from posthouse.protocols.imap.commands import List, Lsub
from posthouse.protocols.imap.listing import Pattern
from posthouse.servers.imap.status import write_status

if TYPE_CHECKING:
    from posthouse.servers.imap.session import ImapSession


@dataclass(frozen=True, slots=True)
class _Tree:
    """An account's mailboxes and subscriptions at one moment. ``above``: names that have something below them."""

    boxes: dict[str, MailboxInfo]
    subscribed: frozenset[str]
    above: frozenset[str]


async def _tree(session: ImapSession) -> _Tree:
    store = session.services.store
    boxes = {info.name: info for info in await store.mailboxes(session.account_id)}
    subscribed = frozenset(await store.subscriptions(session.account_id))
    return _Tree(boxes, subscribed, frozenset(name for box in boxes for name in parents(box)))


def plain_list_line(info: MailboxInfo, *, utf8: bool) -> bytes:
    """The LIST response that SELECT sends in IMAP4rev2 (RFC 9051 §6.3.2)."""
    return responses.list_line([info.special_use] if info.special_use else [], info.name, utf8=utf8)


async def list_mailboxes(session: ImapSession, command: List) -> str:
    """LIST."""
    if not command.extended and command.patterns == ("",):
        session.write(responses.list_line(["\\Noselect"], "", utf8=session.utf8))
        return "LIST completed"
    tree = await _tree(session)
    patterns = [Pattern(command.reference + pattern) for pattern in command.patterns]
    for name in _candidates(command, tree):
        if not any(pattern.match(name) for pattern in patterns):
            continue
        child_info = _child_info(command, tree, name, patterns)
        if not _selected(command, tree, name) and not child_info:
            continue
        attributes = _attributes(command, tree, name)
        session.write(responses.list_line(attributes, name, utf8=session.utf8, child_info=child_info))
        info = tree.boxes.get(name)
        if command.returns.status and info is not None and info.selectable:
            write_status(session, info, command.returns.status)
    return "LIST completed"


def _candidates(command: List, tree: _Tree) -> Sequence[str]:
    if not command.selection.subscribed:
        return list(tree.boxes)
    names = set(tree.subscribed)
    if command.selection.recursive_match:
        names.update(tree.boxes, *(parents(name) for name in tree.subscribed))
    return sorted(names, key=sort_key)


def _selected(command: List, tree: _Tree, name: str) -> bool:
    info = tree.boxes.get(name)
    if command.selection.special_use and not (info is not None and info.special_use):
        return False
    return name in tree.subscribed or not command.selection.subscribed


def _child_info(command: List, tree: _Tree, name: str, patterns: Sequence[Pattern]) -> Sequence[str]:
    """CHILDINFO: something below is subscribed; of a name that is not chosen itself, only if that is not listed itself."""
    if not command.selection.recursive_match:
        return ()
    below = [one for one in tree.subscribed if one.startswith(name + SEPARATOR)]
    if not _selected(command, tree, name):
        below = [one for one in below if not any(pattern.match(one) for pattern in patterns)]
    return ("SUBSCRIBED",) if below else ()


def _attributes(command: List, tree: _Tree, name: str) -> list[str]:
    info = tree.boxes.get(name)
    out: list[str] = []
    if info is None:
        out.append("\\NonExistent")
    elif not info.selectable:
        out.append("\\Noselect")
    if (command.selection.subscribed or command.returns.subscribed) and name in tree.subscribed:
        out.append("\\Subscribed")
    out.append("\\HasChildren" if name in tree.above else "\\HasNoChildren")
    if info is not None and info.special_use:
        out.append(info.special_use)
    return out


async def lsub(session: ImapSession, command: Lsub) -> str:
    """LSUB. With ``%`` a name that only leads to subscribed ones shows as \\Noselect (RFC 3501 §6.3.9)."""
    if not command.pattern:
        _write_lsub(session, ["\\Noselect"], "")
        return "LSUB completed"
    tree = await _tree(session)
    pattern = Pattern(command.reference + command.pattern)
    matched = {name for name in tree.subscribed if pattern.match(name)}
    if "%" in command.pattern:
        leading = {name for one in tree.subscribed - matched for name in parents(one)}
        matched.update(name for name in leading if pattern.match(name))
    for name in sorted(matched, key=sort_key):
        info = tree.boxes.get(name)
        selectable = name in tree.subscribed and (info is None or info.selectable)
        _write_lsub(session, [] if selectable else ["\\Noselect"], name)
    return "LSUB completed"


def _write_lsub(session: ImapSession, attributes: Sequence[str], name: str) -> None:
    command: Literal["LSUB"] = "LSUB"
    session.write(responses.list_line(attributes, name, utf8=session.utf8, command=command))
