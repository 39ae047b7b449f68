"""What an operation gave, as a page shows it: tables with links to what may be done with each row. No I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from posthouse.admin.operation import Operation
from posthouse.admin.rendering import cell, record

MOST_ROWS = 1000
_MAKING = frozenset({"add", "create", "list", "load"})
"""Verbs that nobody looks for beside what is there already."""


@dataclass(frozen=True, slots=True)
class Link:
    """Leads to a form that is filled with something of a row."""

    verb: str
    url: str
    dangerous: bool


@dataclass(frozen=True, slots=True)
class Row:
    """``cells`` are texts."""

    cells: tuple[str, ...]
    links: tuple[Link, ...]


@dataclass(frozen=True, slots=True)
class Result:
    """One of: a table (``columns`` and ``rows``), a record (``facts``), a list (``items``), a ``text``; none: it is just done.
    ``left_off`` rows are not shown. ``parts`` are tables inside a record."""

    columns: tuple[str, ...] = ()
    rows: tuple[Row, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    links: tuple[Link, ...] = ()
    items: tuple[str, ...] = ()
    text: str = ""
    left_off: int = 0
    nothing: bool = False
    parts: tuple[tuple[str, Result], ...] = ()


def result_of(value: Any, siblings: Sequence[Operation]) -> Result:
    """``value`` in JSON's types; ``siblings`` are the operations of the same noun that the visitor may run."""
    if isinstance(value, list):
        return _list(value, siblings)
    if isinstance(value, dict):
        return _record(value, siblings)
    return Result() if value is None else Result(text=cell(value))


def _list(value: list[Any], siblings: Sequence[Operation]) -> Result:
    left_off = max(len(value) - MOST_ROWS, 0)
    if not value:
        return Result(nothing=True)
    if not all(isinstance(row, dict) for row in value):
        return Result(items=tuple(cell(each) for each in value[:MOST_ROWS]), left_off=left_off)
    columns = tuple(dict.fromkeys(name for row in value[:MOST_ROWS] for name in row))
    rows = tuple(
        Row(tuple(_cell(row.get(name)) for name in columns), _links(row, siblings)) for row in value[:MOST_ROWS]
    )  # fmt: skip
    return Result(columns=tuple(_label(name) for name in columns), rows=rows, left_off=left_off)


def _record(value: dict[str, Any], siblings: Sequence[Operation]) -> Result:
    tables = {name: each for name, each in value.items() if isinstance(each, list) and each and isinstance(each[0], dict)}
    facts = tuple((_label(name), _cell(each)) for name, each in value.items() if name not in tables)
    parts = tuple((_label(name), _list(each, ())) for name, each in tables.items())
    return Result(facts=facts, parts=parts, links=_links(value, siblings), nothing=not value)


def _cell(value: Any) -> str:
    """A record inside a table has a line for each of its fields."""
    if isinstance(value, list) and any(isinstance(each, dict) for each in value):
        return "\n".join(record(each) if isinstance(each, dict) else cell(each) for each in value)
    return cell(value)


def _label(name: str) -> str:
    return name.replace("_", " ")


def _links(row: Mapping[str, Any], siblings: Sequence[Operation]) -> tuple[Link, ...]:
    """The operations whose first word is named in the row."""
    found = []
    for each in siblings:
        if each.verb in _MAKING:
            continue
        first = next((argument for argument in each.arguments if not argument.option), None)
        if first is None:
            continue
        name = first.name if first.name in row else first.name.removesuffix("s") if first.rest else ""
        value = row.get(name)
        if isinstance(value, (str, int)) and not isinstance(value, bool) and value != "":
            url = f"/admin/{each.noun}/{each.verb}?{urlencode({first.name: value})}"
            found.append(Link(each.verb, url, each.dangerous))
    return tuple(found)
