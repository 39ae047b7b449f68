"""LIST with all its options, and LSUB (RFC 9051 §6.3.9, RFC 5258, RFC 5819, RFC 6154, RFC 9590, RFC 3501 §6.3.9)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from posthouse.model.mailbox import SEPARATOR, MailboxInfo
from posthouse.model.mailbox_name import parents, sort_key
from posthouse.model.namespaces import is_personal, may_name_others
from posthouse.model.rights import ALL_RIGHTS, shown_rights
from posthouse.model.undelete import is_shadow, is_shadow_pattern
from posthouse.protocols.imap import responses
from posthouse.protocols.imap.commands import List, Lsub
from posthouse.protocols.imap.listing import Pattern
from posthouse.protocols.imap.parse_acl import my_rights_line
from posthouse.servers.imap.metadata import write_listed
from posthouse.servers.imap.places import others_boxes
from posthouse.servers.imap.status import deleted_bytes, write_status

if TYPE_CHECKING:
    from posthouse.servers.imap.session import ImapSession


@dataclass(frozen=True, slots=True)
class _Tree:
    """What a client can see at one moment, and its subscriptions. ``above``: names that have something below them; ``rights``:
    on mailboxes that are not its own; ``ways``: names that are nothing but the way to such ones."""

    boxes: dict[str, MailboxInfo]
    subscribed: frozenset[str]
    above: frozenset[str]
    rights: dict[str, str]
    ways: frozenset[str]


async def _tree(session: ImapSession, patterns: Sequence[str]) -> _Tree:
    """``patterns``: others' mailboxes are not looked for if none of these can mean one, and deleted messages are shown to those
    who name their tree (STO-2)."""
    store = session.services.store
    boxes = {info.name: info for info in await store.mailboxes(session.account_id)}
    subscribed = frozenset(await store.subscriptions(session.account_id))
    others = await others_boxes(session) if any(may_name_others(pattern) for pattern in patterns) else {}
    ways = frozenset(name for box in others for name in parents(box) if name not in others)
    hidden = not session.services.settings().store.undelete_listed and not any(map(is_shadow_pattern, patterns))
    boxes = {name: info for name, info in boxes.items() if is_personal(name) and not (hidden and is_shadow(name))}
    boxes.update({name: info for name, (info, _) in others.items()})
    above = frozenset(name for box in boxes for name in parents(box))
    return _Tree(boxes, subscribed, above, {name: rights for name, (_, rights) in others.items()}, ways)


def plain_list_line(info: MailboxInfo, *, utf8: bool) -> bytes:
    """The LIST response that SELECT sends in IMAP4rev2 (RFC 9051 §6.3.2)."""
    return responses.list_line([info.special_use] if info.special_use else [], info.name, utf8=utf8)


async def list_mailboxes(session: ImapSession, command: List) -> str:
    """LIST."""
    if not command.extended and command.patterns == ("",):
        session.write(responses.list_line(["\\Noselect"], "", utf8=session.utf8))
        return "LIST completed"
    texts = [command.reference + pattern for pattern in command.patterns]
    tree = await _tree(session, texts)
    patterns = [Pattern(text) for text in texts]
    for name in _candidates(command, tree):
        if not any(pattern.match(name) for pattern in patterns):
            continue
        child_info = _child_info(command, tree, name, patterns)
        if not _selected(command, tree, name) and not child_info:
            continue
        attributes = _attributes(command, tree, name)
        session.write(responses.list_line(attributes, name, utf8=session.utf8, child_info=child_info))
        info = tree.boxes.get(name)
        if info is not None:
            await _write_more(session, command, info, tree.rights.get(name))
    return "LIST completed"


async def _write_more(session: ImapSession, command: List, info: MailboxInfo, rights: str | None) -> None:
    """What RETURN asks for besides the line itself; ``rights`` None: it is the client's own mailbox."""
    if command.returns.my_rights:
        session.write(my_rights_line(info.name, shown_rights(ALL_RIGHTS if rights is None else rights), utf8=session.utf8))
    if command.returns.metadata and (rights is None or "r" in rights):
        await write_listed(session, info, command.returns.metadata)
    items = command.returns.status
    if not items or not info.selectable or not (rights is None or "r" in rights):
        return
    if rights is not None:
        info = replace(info, unseen=await session.services.store.reader_unseen(info.mailbox_id, session.account_id))
    write_status(session, info, items, await deleted_bytes(session, info, items))


def _candidates(command: List, tree: _Tree) -> Sequence[str]:
    if not command.selection.subscribed:
        return sorted({*tree.boxes, *tree.ways}, key=sort_key) if tree.ways else list(tree.boxes)
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
        out += ["\\NonExistent", "\\Noselect"] if name in tree.ways else ["\\NonExistent"]
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
    text = command.reference + command.pattern
    tree = await _tree(session, [text])
    pattern = Pattern(text)
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
