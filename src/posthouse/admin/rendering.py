"""What an operation gave, for each kind of reader: plain values (JSON), a table or text (people), fields (protocol).

A result is None, a text, a dataclass, or a sequence of dataclasses. A dataclass that has ``told()`` says itself how
people read it. Columns are the dataclass's fields.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Protocol, cast, runtime_checkable

import msgspec

Plain = None | bool | int | float | str | list["Plain"] | dict[str, "Plain"]


@runtime_checkable
class Told(Protocol):
    """A result that knows its own words."""

    def told(self) -> str: ...


def stamp(at: float) -> str:
    """Seconds since 1970 as ``2026-11-24T10:30:00Z``; "" for 0, which stands for never."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if at else ""


def plain(result: object) -> Plain:
    """The result in the types of JSON."""
    return cast(Plain, msgspec.json.decode(msgspec.json.encode(result, enc_hook=str)))


def json(result: object) -> bytes:
    """The result as JSON."""
    return msgspec.json.encode(result, enc_hook=str)


def people(result: object) -> str:
    """The result as text for a terminal, without a final line end; "" when there is nothing to say.

    Much of it may come from strangers (subjects, replies), so nothing gets out that could steer the terminal.
    """
    return "".join(char if char.isprintable() or char == "\n" else "\ufffd" for char in _people(result))


def _people(result: object) -> str:
    if isinstance(result, Told):
        return result.told()
    if isinstance(result, (list, tuple)) and result and all(isinstance(each, Told) for each in result):
        return "\n\n".join(each.told() for each in result)
    value = plain(result)
    if isinstance(value, list):
        return _table([row for row in value if isinstance(row, dict)]) if value else "(none)"
    if isinstance(value, dict):
        return record(value) if value else "(none)"
    return "" if value is None else cell(value)


def cell(value: Plain) -> str:
    """One value as people read it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(cell(each) for each in value)
    if isinstance(value, dict):
        return ", ".join(f"{name} {cell(each)}" for name, each in value.items()) or "(none)"
    return str(value)


def record(value: Mapping[str, Plain]) -> str:
    """One record: a line for each field, lists of records as indented tables below their name."""
    width = max((len(name) for name in value), default=0)
    lines = []
    for name, each in value.items():
        label = name.replace("_", " ")
        if isinstance(each, list) and each and isinstance(each[0], dict):
            rows = _table([row for row in each if isinstance(row, dict)])
            lines += [f"{label}:", *("  " + line for line in rows.splitlines())]
        else:
            lines.append(f"{label:<{width}}  {cell(each)}".rstrip())
    return "\n".join(lines)


def _table(rows: Sequence[Mapping[str, Plain]]) -> str:
    names = list(rows[0])
    body = [[_flat(cell(row.get(name))) for name in names] for row in rows]
    heads = [name.replace("_", " ").upper() for name in names]
    widths = [max(len(line[column]) for line in [heads, *body]) for column in range(len(names))]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip() for line in [heads, *body]
    )


def _flat(text: str) -> str:
    return " ".join(text.splitlines()) if "\n" in text or "\r" in text else text


def fields(result: object, columns: Sequence[str] | None = None) -> list[list[Plain]]:
    """The result as lines of fields for the protocol; ``columns`` chooses and orders a record's fields, None: all.

    A text becomes one line with one field. Lists of plain values are joined by commas, deeper ones are JSON.
    """
    value = plain(result)
    if value is None or columns == ():
        return []
    rows = value if isinstance(value, list) else [value]
    return [_row(row, columns) for row in rows]


def _row(row: Plain, columns: Sequence[str] | None) -> list[Plain]:
    if not isinstance(row, dict):
        return [_field(row)]
    return [_field(row[name]) for name in (columns or list(row)) if name in row]


def _field(value: Plain) -> Plain:
    if isinstance(value, list) and not any(isinstance(each, (list, dict)) for each in value):
        return ",".join(cell(each) for each in value)
    if isinstance(value, (list, dict)):
        return msgspec.json.encode(value).decode()
    return value
