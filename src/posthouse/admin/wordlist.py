"""Word lists (CON-4): words and phrases with weights, for filters to hold or to rescue mail. Starters come with the program."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from posthouse.admin.arguments import Document as Text
from posthouse.admin.context import Context
from posthouse.admin.operation import operation
from posthouse.base.errors import BadValue, NotFound
from posthouse.content.wordlists import STARTERS, Entry, checked_name, parse, render


@dataclass(frozen=True, slots=True)
class WordListRow:
    """One list. ``starter``: as it came with the program."""

    name: str
    entries: int
    starter: bool


@dataclass(frozen=True, slots=True)
class WordRow:
    """One entry."""

    weight: int
    words: str


@operation("wordlist list", role="reader", reads=True)
async def list_(context: Context) -> Sequence[WordListRow]:
    """Lists the word lists."""
    stored = {each.name: each.text for each in await context.scripts.word_lists()}
    texts = {**STARTERS, **stored}
    return [WordListRow(name, len(parse(text)), name not in stored) for name, text in sorted(texts.items())]


@operation("wordlist show", role="reader", reads=True)
async def show(context: Context, name: str) -> Sequence[WordRow]:
    """Shows a list's entries.

    Args:
        name: the list's name.
    """
    return [WordRow(entry.weight, entry.text) for entry in await _entries(context, checked_name(name))]


@operation("wordlist add", role="administrator")
async def add(context: Context, name: str, words: tuple[str, ...] = (), *, weight: int = 10) -> WordListRow:
    """Adds words or phrases to a list, or gives those that it has another weight; makes the list if there is none.

    Args:
        name: the list's name.
        words: the words, a phrase in quotes; a word that ends in * stands for all that begin so.
        weight: how much each counts; negative ones speak for a message.
    """
    normal = checked_name(name)
    known = {entry.text.lower(): entry for entry in await _entries(context, normal, missing_ok=True)}
    for each in words:
        if "#" in each or "\n" in each:
            raise BadValue(f"{each!r}: words hold neither # nor line ends")
        known[each.lower()] = Entry(each, weight)
    return await _keep(context, normal, render(list(known.values())))


@operation("wordlist load", role="administrator")
async def load(context: Context, name: str, text: Text) -> WordListRow:
    """Puts a whole list in the place of one: an entry a line, its weight before it, # before comments.

    Args:
        name: the list's name.
        text: the list.
    """
    return await _keep(context, checked_name(name), text)


@operation("wordlist remove", role="administrator")
async def remove(context: Context, name: str, words: tuple[str, ...]) -> WordListRow:
    """Takes words or phrases out of a list.

    Args:
        name: the list's name.
        words: the words, a phrase in quotes.
    """
    normal = checked_name(name)
    known = {entry.text.lower(): entry for entry in await _entries(context, normal)}
    for each in words:
        if known.pop(each.lower(), None) is None:
            raise NotFound(f"{normal} has no entry {each!r}")
    return await _keep(context, normal, render(list(known.values())))


@operation("wordlist delete", role="administrator")
async def delete(context: Context, name: str) -> None:
    """Deletes a list; one that came with the program is as it came again.

    Args:
        name: the list's name.
    """
    await context.scripts_writer.delete_word_list(checked_name(name))


async def _entries(context: Context, name: str, *, missing_ok: bool = False) -> list[Entry]:
    stored = await context.scripts.word_list(name)
    text = stored.text if stored else STARTERS.get(name)
    if text is None and not missing_ok:
        raise NotFound(f"no word list {name}")
    return parse(text or "")


async def _keep(context: Context, name: str, text: str) -> WordListRow:
    entries = parse(text)
    await context.scripts_writer.put_word_list(name, text)
    return WordListRow(name, len(entries), False)
