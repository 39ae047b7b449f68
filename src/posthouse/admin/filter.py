"""Filters of the system, of domains and of users (CON-1 to CON-3): shown as conditions and actions, kept as readable Sieve.

Whatever of a script is not in the form of a filter (uploaded by a user, written by hand) stays as it is and is listed as
foreign. ``filtertest`` has what runs a script for the sake of seeing what it does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import msgspec

from posthouse.admin.arguments import Document as Text
from posthouse.admin.arguments import DomainName
from posthouse.admin.context import Context
from posthouse.admin.filterowner import Owner, document_of, keep, keep_text, owner_of, script_of
from posthouse.admin.operation import operation
from posthouse.base.errors import AlreadyExists, BadValue, NotFound
from posthouse.content.filters import Document, Filter, Group
from posthouse.content.filters.document import Foreign, Piece, write_filter
from posthouse.content.filters.phrases import actions_of, conditions_of, told_actions, told_conditions
from posthouse.model.address import Address


@dataclass(frozen=True, slots=True)
class FilterRow:
    """One filter, or a foreign piece of the script, in a list. ``place`` counts from 1."""

    place: int
    name: str
    on: bool
    conditions: str
    actions: str
    script: str


@dataclass(frozen=True, slots=True)
class FilterDetail:
    """One filter whole: as Sieve, and in its structured form as JSON."""

    name: str
    sieve: str
    definition: str

    def told(self) -> str:
        """The Sieve."""
        return self.sieve


@operation("filter add", role="domain-administrator", scope="domain")
async def add(  # noqa: PLR0913 - the signature is the operation's syntax
    context: Context,
    name: str,
    *,
    system: bool = False,
    domain: DomainName | None = None,
    user: Address | None = None,
    when: str = "",
    match: Literal["all", "any", "none"] = "all",
    do: str = "",
    definition: str = "",
    go_on: bool = False,
    off: bool = False,
    script: str = "",
) -> FilterRow:
    """Adds a filter at the end of a script, switched on.

    Conditions and actions are written on one line each, with semicolons between: --when "subject contains news; not from is
    boss@example.com" --do "move_to News; set_flags \\Seen". Fields, operators and actions are those of the structured form.

    Args:
        name: what it is called, once in its script.
        system: a filter of the system, before all others.
        domain: a filter for the mail of this domain.
        user: a filter of this user.
        when: its conditions; none means always.
        match: whether all, any or none of the conditions must hold.
        do: its actions.
        definition: instead of conditions and actions, the structured form as JSON.
        go_on: whether the filters after it are asked even if it applies.
        off: whether it is switched off for now.
        script: which script; the active one if it is not named.
    """
    who = await owner_of(context, system=system, domain=domain, user=user, write=True)
    script_name, document = await document_of(context, who, script)
    if any(one.name == name for one in document.filters):
        raise AlreadyExists(f"{who.words} has a filter {name!r} already")
    if definition:
        made = msgspec.structs.replace(_decoded(definition), name=name)
    else:
        made = Filter(name, Group(match, conditions_of(when)), actions_of(do), stop=not go_on, on=not off)
    await keep(context, who, script_name, replace(document, pieces=(*document.pieces, made)))
    return _row(len(document.pieces) + 1, made, script_name)


def _decoded(text: str) -> Filter:
    try:
        return msgspec.json.decode(text, type=Filter)
    except msgspec.MsgspecError as error:
        raise BadValue(f"the definition does not fit: {error}") from None


@operation("filter list", role="help-desk", scope="domain", reads=True)
async def list_(
    context: Context,
    *,
    system: bool = False,
    domain: DomainName | None = None,
    user: Address | None = None,
    script: str = "",
) -> Sequence[FilterRow]:
    """Lists the filters of a script in their order.

    Args:
        system: those of the system.
        domain: those for the mail of this domain.
        user: those of this user.
        script: which script; the active one if it is not named.
    """
    who = await owner_of(context, system=system, domain=domain, user=user, write=False)
    script_name, document = await document_of(context, who, script)
    return [_row(place, piece, script_name) for place, piece in enumerate(document.pieces, 1)]


@operation("filter show", role="help-desk", scope="domain", reads=True)
async def show(
    context: Context,
    name: str = "",
    *,
    system: bool = False,
    domain: DomainName | None = None,
    user: Address | None = None,
    script: str = "",
) -> FilterDetail:
    """Shows a filter as Sieve, or the whole script when no name is given.

    Args:
        name: the filter's name.
        system: a filter of the system.
        domain: a filter for the mail of this domain.
        user: a filter of this user.
        script: which script; the active one if it is not named.
    """
    who = await owner_of(context, system=system, domain=domain, user=user, write=False)
    if not name:
        stored = await script_of(context, who, script)
        if stored is None:
            raise NotFound(f"{who.words} has no script")
        return FilterDetail(stored.name, stored.text, "")
    _, document = await document_of(context, who, script)
    one = _named(document, who, name)[1]
    return FilterDetail(one.name, write_filter(one), msgspec.json.encode(one).decode())


@operation("filter load", role="domain-administrator", scope="domain")
async def load(
    context: Context,
    text: Text,
    *,
    system: bool = False,
    domain: DomainName | None = None,
    user: Address | None = None,
    script: str = "filters",
) -> Sequence[FilterRow]:
    """Puts a whole Sieve script in the place of one, checked, and lists it; a new one is switched on.

    Args:
        text: the script.
        system: a script of the system.
        domain: a script for the mail of this domain.
        user: a script of this user.
        script: its name.
    """
    who = await owner_of(context, system=system, domain=domain, user=user, write=True)
    await keep_text(context, who, script, text)
    _, document = await document_of(context, who, script)
    return [_row(place, piece, script) for place, piece in enumerate(document.pieces, 1)]


@operation("filter move", role="domain-administrator", scope="domain")
async def move(
    context: Context,
    name: str,
    place: int,
    *,
    system: bool = False,
    domain: DomainName | None = None,
    user: Address | None = None,
    script: str = "",
) -> Sequence[FilterRow]:
    """Moves a filter to another place in its script and lists it anew.

    Args:
        name: the filter's name.
        place: where to, counted from 1.
        system: a filter of the system.
        domain: a filter for the mail of this domain.
        user: a filter of this user.
        script: which script; the active one if it is not named.
    """

    def moved(pieces: list[Piece], index: int) -> None:
        pieces.insert(max(place - 1, 0), pieces.pop(index))

    who = await owner_of(context, system=system, domain=domain, user=user, write=True)
    return await _edit(context, who, name, script, moved)


@operation("filter enable", role="domain-administrator", scope="domain")
async def enable(
    context: Context,
    name: str,
    *,
    system: bool = False,
    domain: DomainName | None = None,
    user: Address | None = None,
    script: str = "",
) -> Sequence[FilterRow]:
    """Switches a filter on and lists its script.

    Args:
        name: the filter's name.
        system: a filter of the system.
        domain: a filter for the mail of this domain.
        user: a filter of this user.
        script: which script; the active one if it is not named.
    """
    who = await owner_of(context, system=system, domain=domain, user=user, write=True)
    return await _edit(context, who, name, script, _switch(on=True))


@operation("filter disable", role="domain-administrator", scope="domain")
async def disable(
    context: Context,
    name: str,
    *,
    system: bool = False,
    domain: DomainName | None = None,
    user: Address | None = None,
    script: str = "",
) -> Sequence[FilterRow]:
    """Switches a filter off, keeps it, and lists its script.

    Args:
        name: the filter's name.
        system: a filter of the system.
        domain: a filter for the mail of this domain.
        user: a filter of this user.
        script: which script; the active one if it is not named.
    """
    who = await owner_of(context, system=system, domain=domain, user=user, write=True)
    return await _edit(context, who, name, script, _switch(on=False))


@operation("filter delete", role="domain-administrator", scope="domain")
async def delete(
    context: Context,
    name: str,
    *,
    system: bool = False,
    domain: DomainName | None = None,
    user: Address | None = None,
    script: str = "",
) -> Sequence[FilterRow]:
    """Deletes a filter and lists what is left of its script.

    Args:
        name: the filter's name.
        system: a filter of the system.
        domain: a filter for the mail of this domain.
        user: a filter of this user.
        script: which script; the active one if it is not named.
    """

    def deleted(pieces: list[Piece], index: int) -> None:
        del pieces[index]

    who = await owner_of(context, system=system, domain=domain, user=user, write=True)
    return await _edit(context, who, name, script, deleted)


def _switch(*, on: bool) -> Callable[[list[Piece], int], None]:
    def switched(pieces: list[Piece], index: int) -> None:
        one = pieces[index]
        assert isinstance(one, Filter)
        pieces[index] = msgspec.structs.replace(one, on=on)

    return switched


async def _edit(
    context: Context, who: Owner, name: str, script: str, edit: Callable[[list[Piece], int], None]
) -> Sequence[FilterRow]:
    script_name, document = await document_of(context, who, script)
    pieces = list(document.pieces)
    edit(pieces, _named(document, who, name)[0])
    await keep(context, who, script_name, replace(document, pieces=tuple(pieces)))
    return [_row(place, piece, script_name) for place, piece in enumerate(pieces, 1)]


def _named(document: Document, who: Owner, name: str) -> tuple[int, Filter]:
    for index, piece in enumerate(document.pieces):
        if isinstance(piece, Filter) and piece.name == name:
            return index, piece
    raise NotFound(f"{who.words} has no filter {name!r}")


def _row(place: int, piece: Piece, script: str) -> FilterRow:
    if isinstance(piece, Foreign):
        lines = piece.text.count("\n") + 1
        return FilterRow(place, "", True, f"(foreign: {lines} lines of Sieve)", "", script)
    return FilterRow(place, piece.name, piece.on, told_conditions(piece.conditions), told_actions(piece), script)
