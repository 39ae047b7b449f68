"""``posthouse NOUN VERB ...``: one operation, its result on standard output, or one line on standard error."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from posthouse.cli.remote import Failed, Node, Unreachable, default_config, from_input, one_line
from posthouse.protocols.control import Answer, Request

FAILED, USAGE, UNREACHABLE = 1, 2, 3


def operate(words: Sequence[str], config: Path | None) -> int:
    """Runs the operation; gives the exit code. ``--json`` may stand anywhere, ``--help`` shows the syntax."""
    plain = [word for word in words if word != "--json"]
    try:
        if wants_help(plain):
            print(help_text([word for word in plain if word not in ("--help", "-h")]))
            return 0
        given = from_input(plain)
        request = Request(plain, given=given, face="program" if len(plain) < len(words) else "people")
        answer = Node(config or default_config()).ask(request)
    except Failed as error:
        return complain(str(error), error.code)
    except Unreachable as error:
        return complain(str(error), UNREACHABLE)
    if answer.kind != "done":
        return complain(answer.text, USAGE if answer.kind == "usage" else FAILED)
    show(request, answer)
    return complain(answer.complaint, FAILED) if answer.complaint else 0


def wants_help(words: Sequence[str]) -> bool:
    """Whether these words ask for help, which needs no node."""
    return words[:1] == ["help"] or "--help" in words or (len(words) < 3 and "-h" in words)


def help_text(words: Sequence[str]) -> str:
    """The help on these words. Raises Failed."""
    from posthouse.admin.arguments import UsageError
    from posthouse.admin.help import text_for

    lower = [word.lower() for word in words]
    try:
        return text_for(lower[1:] if lower[:1] == ["help"] else lower[:2])
    except UsageError as error:
        raise Failed(error.public, USAGE) from None


def show(request: Request, answer: Answer) -> None:
    """Writes a result to standard output."""
    if request.face == "program":
        import msgspec

        print(msgspec.json.format(msgspec.json.encode(answer.value), indent=2).decode())
    elif answer.text:
        print(answer.text)


def complain(text: str, code: int) -> int:
    """Writes the one line to standard error; gives ``code``."""
    print(f"posthouse: {one_line(text)}", file=sys.stderr)
    return code
