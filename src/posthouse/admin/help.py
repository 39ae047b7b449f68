"""Help on operations and topics (ADM-2). Texts come from the operations' docstrings."""

from __future__ import annotations

from posthouse.admin.arguments import UsageError
from posthouse.admin.context import Context
from posthouse.admin.operation import operation
from posthouse.admin.topics import TOPICS


@operation("help show", role="reader", scope="domain", reads=True)
async def show(context: Context, words: tuple[str, ...] = ()) -> str:
    """Shows all operations, one noun's, one operation's syntax, or a topic: ``help``, ``help user``, ``help user add``,
    ``help about times``.

    Args:
        words: a noun, a noun and a verb, or ``about`` and a topic.
    """
    return text_for([word.lower() for word in words])


def text_for(words: list[str]) -> str:
    """The help text for these words. Raises UsageError when there is none."""
    from posthouse.admin import registry

    if words[:1] == ["about"]:
        return _topic(words[1:])
    if not words:
        lines = [f"  {each.name:<22} {each.summary}" for each in registry.operations().values()]
        return "\n".join(["Operations:", *lines, "", "help COMMAND explains one; topics: help about " + ", ".join(TOPICS)])
    if len(words) == 1 and registry.of_noun(words[0]):
        return "\n".join(f"{each.usage}\n    {each.summary}" for each in registry.of_noun(words[0]))
    return registry.find(words)[0].help


def _topic(words: list[str]) -> str:
    if not words:
        return "Topics: " + ", ".join(TOPICS)
    found = TOPICS.get(words[0])
    if found is None:
        raise UsageError(f"there is no topic {words[0]!r}; topics: {', '.join(TOPICS)}")
    return found
