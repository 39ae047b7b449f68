"""Threads of messages: by subject alone, or by what refers to what (RFC 5256 §3, algorithms ORDEREDSUBJECT and REFERENCES).

The tree of REFERENCES is built as Jamie Zawinski's algorithm does, with the RFC's rules for missing messages, doubled message
ids and equal subjects. Nothing recurses: how deep a thread is, strangers decide. Data comes in as ``Letter`` values, so that
this file does no I/O; ``thread_data`` reads them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

NOBODY = -1
_CLIMBS = 100_000
_CLIMBS_EACH = 200


@dataclass(frozen=True, slots=True)
class Letter:
    """What is known of one message. ``at`` is its index, ``references`` are message ids, the oldest first.

    ``subject`` is the base subject, to be compared; ``replied``: the subject says that it is an answer.
    """

    at: int
    sent_at: float
    subject: str
    replied: bool = False
    message_id: str = ""
    references: tuple[str, ...] = ()


class Node:
    """A message in its thread; ``letter`` None: one that is not there but has answers."""

    __slots__ = ("children", "letter", "parent")

    def __init__(self, letter: Letter | None = None) -> None:
        self.letter = letter
        self.parent: Node | None = None
        self.children: list[Node] = []

    @property
    def at(self) -> int:
        """The message's index, NOBODY for one that is not there."""
        return self.letter.at if self.letter is not None else NOBODY

    @property
    def spokesman(self) -> Letter:
        """The letter, or the first that there is below: its date and subject stand for the thread."""
        node = self
        while node.letter is None:
            node = node.children[0]
        return node.letter

    def adopt(self, child: Node) -> None:
        """Makes ``child``, which is nobody's, the last of its children."""
        child.parent = self
        self.children.append(child)


def by_subject(letters: Iterable[Letter]) -> list[Node]:
    """ORDEREDSUBJECT: one thread for each subject, its first message as parent of all others, all by date."""
    threads: dict[str, Node] = {}
    for letter in sorted(letters, key=_when):
        first = threads.get(letter.subject)
        if first is None:
            threads[letter.subject] = Node(letter)
        else:
            first.adopt(Node(letter))
    return list(threads.values())


def by_references(letters: Sequence[Letter]) -> list[Node]:
    """REFERENCES: the roots, each with its tree, all by date."""
    roots = _pruned(_Linker(len(letters)).linked(letters))
    _sort(roots)
    roots = _merged(roots)
    _sort(roots)
    return roots


def _when(letter: Letter) -> tuple[float, int]:
    return letter.sent_at, letter.at


class _Linker:
    """Steps 1 and 2. Only parents are set while links may still change; ``parents`` are those that are one.

    Looking for loops climbs from parent to parent; where that costs too much a link is not made.
    """

    __slots__ = ("climbs_left", "named", "nodes", "parents")

    def __init__(self, count: int) -> None:
        self.named: dict[str, Node] = {}
        self.nodes: list[Node] = []
        self.parents: set[Node] = set()
        self.climbs_left = _CLIMBS + _CLIMBS_EACH * count

    def linked(self, letters: Sequence[Letter]) -> list[Node]:
        """The containers without parent."""
        for letter in letters:
            self._add(letter)
        for node in self.nodes:
            if node.parent is not None:
                node.parent.children.append(node)
        return [node for node in self.nodes if node.parent is None]

    def _add(self, letter: Letter) -> None:
        node = self._container(letter.message_id)
        if node.letter is not None:  # another message has this id: this one stands for itself
            node = self._container("")
        node.letter = letter
        above: Node | None = None
        for message_id in letter.references:
            below = self._container(message_id)
            if below.parent is None:
                self._link(above, below)
            above = below
        if above is None:
            node.parent = None
        else:
            self._link(above, node)

    def _container(self, message_id: str) -> Node:
        node = self.named.get(message_id) if message_id else None
        if node is None:
            node = Node()
            self.nodes.append(node)
            if message_id:
                self.named[message_id] = node
        return node

    def _link(self, above: Node | None, below: Node) -> None:
        if above is not None and above is not below and not self._loops(above, below):
            below.parent = above
            self.parents.add(above)

    def _loops(self, above: Node, below: Node) -> bool:
        """Whether ``below`` stands above ``above`` already."""
        if below not in self.parents:
            return False
        node: Node | None = above
        while node is not None and node is not below:
            node = node.parent
            self.climbs_left -= 1
            if self.climbs_left < 0:
                return True
        return node is below


def _pruned(roots: list[Node]) -> list[Node]:
    """Step 3: containers without message go, their children move up; at the top only if there is one child."""
    order: list[Node] = []
    waiting = list(roots)
    while waiting:
        node = waiting.pop()
        order.append(node)
        waiting += node.children
    for node in reversed(order):
        kept: list[Node] = []
        for child in node.children:
            if child.letter is None:
                kept += child.children
            else:
                kept.append(child)
        node.children = kept
        for child in kept:
            child.parent = node
    out: list[Node] = []
    for root in roots:
        if root.letter is None and len(root.children) <= 1:
            for child in root.children:
                child.parent = None
                out.append(child)
        else:
            out.append(root)
    return out


def _sort(roots: list[Node]) -> None:
    """Steps 4 and 6: siblings by date, at every level; a container without message goes by its first child."""
    order = list(roots)
    for node in order:
        order += node.children
    for node in reversed(order):
        if len(node.children) > 1:
            node.children.sort(key=_node_when)
    roots.sort(key=_node_when)


def _node_when(node: Node) -> tuple[float, int]:
    return _when(node.spokesman)


def _merged(roots: list[Node]) -> list[Node]:
    """Step 5: threads of one subject become one."""
    table: dict[str, Node] = {}
    for root in roots:
        spokesman = root.spokesman
        there = table.get(spokesman.subject)
        if spokesman.subject and (there is None or _comes_first(root, there)):
            table[spokesman.subject] = root
    out: list[Node] = []
    for root in roots:
        there = table.get(root.spokesman.subject)
        if there is None or there is root:
            out.append(root)
            continue
        _merge(root, there, table, out)
    gone = {id(node) for node in out if node.parent is not None}
    return [node for node in out if id(node) not in gone] if gone else out


def _comes_first(root: Node, there: Node) -> bool:
    if root.letter is None or there.letter is None:
        return root.letter is None and there.letter is not None
    return there.letter.replied and not root.letter.replied


def _merge(root: Node, there: Node, table: dict[str, Node], out: list[Node]) -> None:
    """Puts ``root`` where the thread ``there`` of the same subject is; a new root goes to ``out``."""
    if there.letter is None:
        if root.letter is None:
            for child in root.children:
                there.adopt(child)
        else:
            there.adopt(root)
    elif root.letter is not None and root.letter.replied and not there.letter.replied:
        there.adopt(root)
    else:
        both = Node()
        both.adopt(there)
        both.adopt(root)
        table[both.spokesman.subject] = both
        out.append(both)
