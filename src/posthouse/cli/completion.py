"""Tab completion of the shell: nouns, verbs, options, and values where they are known (ADM-2)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document

from posthouse.admin import group, registry
from posthouse.admin.arguments import Argument, UsageError
from posthouse.admin.operation import Operation
from posthouse.admin.topics import TOPICS
from posthouse.model.settings import CATALOGUE

Ask = Callable[[list[str]], list[str]]
_MOST = 50


class ShellCompleter(Completer):
    """``ask`` runs an operation and gives the first field of each line of its result."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        """For prompt_toolkit."""
        words = document.text_before_cursor.split()
        part = "" if not words or document.text_before_cursor.endswith(" ") else words.pop()
        for candidate in self.candidates(words, part):
            yield Completion(f"{candidate} ", start_position=-len(part), display=candidate)

    def candidates(self, words: Sequence[str], part: str) -> list[str]:
        """Words that may follow ``words`` and begin with ``part``."""
        return [each for each in self._possible([word.lower() for word in words], part) if each.startswith(part.lower())]

    def _possible(self, words: list[str], part: str) -> Iterable[str]:
        if words[:1] == ["help"]:
            return list(TOPICS) if words[1:] == ["about"] else ["about", *self._possible(words[1:], part)]
        if not words:
            return [*registry.nouns(), "exit"]
        if len(words) == 1:
            return [each.verb for each in registry.of_noun(words[0])]
        try:
            found, rest = registry.find(words)
        except UsageError:
            return []
        return self._arguments(found, rest, part)

    def _arguments(self, found: Operation, rest: list[str], part: str) -> Iterable[str]:
        options = {f"--{argument.word}": argument for argument in found.arguments if argument.option}
        if part.startswith("--"):
            return [*(name for name in options if name not in rest), "--json"]
        if rest and (option := options.get(rest[-1])) is not None and option.kind != "flag":
            return option.choices or self._values(found, option, part)
        places = [argument for argument in found.arguments if not argument.option]
        plain = sum(1 for word in rest if not word.startswith("--"))
        if not places or (plain >= len(places) and not places[-1].rest):
            return [*options, "--json"]
        return self._values(found, places[min(plain, len(places) - 1)], part)

    def _values(self, found: Operation, argument: Argument, part: str) -> Iterable[str]:
        if argument.kind == "address" and found.name != "user add":
            return self._ask(["alias" if found.noun == "alias" else "user", "list", f"{part}*", *_page(found)])
        if argument.kind == "domain" and found.name != "domain add":
            return self._ask(["domain", "list"])
        if argument.name == "key":
            own = [key.partition(".")[2] for key in CATALOGUE if key.startswith(f"{found.noun}.")]
            return list(CATALOGUE) if found.noun == "setting" or found.noun in group.WITHOUT_SHORT_FORM else own
        if argument.name in ("queue_id", "queue_ids"):
            return self._ask(["queue", "list", "--limit", str(_MOST)])
        return []


def _page(found: Operation) -> list[str]:
    return [] if found.noun == "alias" else ["0", str(_MOST)]
