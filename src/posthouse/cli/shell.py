"""``posthouse shell``: operations line by line, with completion and history at a terminal, or from a pipe (ADM-2).

Words are split as in a Unix shell. ``help``, ``help COMMAND``, ``help about TOPIC``; ``--json`` at any line; ``exit``.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from posthouse.cli.operate import FAILED, UNREACHABLE, USAGE, complain, help_text, show, wants_help
from posthouse.cli.remote import Failed, Node, Unreachable, from_input
from posthouse.protocols.control import Request

_LEAVE = ("exit", "quit", "logout")
HISTORY = Path.home() / ".posthouse_history"


def run(config: Path, *, as_json: bool) -> int:
    """Reads and runs lines until their end; gives the exit code of the last line that failed, 0 if none did."""
    try:
        node = Node(config)
    except Failed as error:
        return complain(str(error), error.code)
    lines = _terminal(node) if sys.stdin.isatty() else _piped()
    worst = 0
    for line in lines:
        code = run_line(node, line, as_json=as_json)
        if code is None:
            break
        worst = code or worst
    node.close()
    return 0 if sys.stdin.isatty() else worst


def _piped() -> Iterator[str]:
    while line := sys.stdin.readline():
        yield line


def _terminal(node: Node) -> Iterator[str]:
    from prompt_toolkit import PromptSession

    from posthouse.cli.completion import ShellCompleter
    from posthouse.cli.history import ShellHistory

    completer = ShellCompleter(_asker(node))
    session: PromptSession[str] = PromptSession(history=ShellHistory(HISTORY), completer=completer, complete_while_typing=False)
    while True:
        try:
            yield session.prompt(f"{node.config.name}> ")
        except KeyboardInterrupt:
            continue
        except EOFError:
            return


def _asker(node: Node) -> Callable[[list[str]], list[str]]:
    """Asks the node for values to complete with; no values when it fails, since completion must not disturb."""

    def ask(words: list[str]) -> list[str]:
        try:
            answer = node.ask(Request(words, face="protocol"))
        except Unreachable:
            return []
        return [str(line[0]) for line in answer.lines if line]

    return ask


def run_line(node: Node, line: str, *, as_json: bool) -> int | None:
    """Runs one line; gives its exit code, None to leave."""
    try:
        words = shlex.split(line, comments=True)
    except ValueError as error:
        return complain(f"the line cannot be read: {error}", USAGE)
    if not words:
        return 0
    if words[0].lower() in _LEAVE and len(words) == 1:
        return None
    plain = [word for word in words if word != "--json"]
    try:
        if wants_help(plain):
            print(help_text([word for word in plain if word not in ("--help", "-h")]))
            return 0
        face = "program" if as_json or len(plain) < len(words) else "people"
        request = Request(plain, given=from_input(plain), face="program" if face == "program" else "people")
        answer = node.ask(request)
    except Failed as error:
        return complain(str(error), error.code)
    except Unreachable as error:
        return complain(str(error), UNREACHABLE)
    if answer.kind != "done":
        return complain(answer.text, USAGE if answer.kind == "usage" else FAILED)
    show(request, answer)
    sys.stdout.flush()
    return 0
