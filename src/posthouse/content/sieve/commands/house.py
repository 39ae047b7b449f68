"""Our own actions that every script may use (CON-2), ``require "vnd.posthouse.filter"``.

score :add 10; score :subtract 5; score :set 0;
tagsubject "[News] ";
addfooter "Sent by example.com";
stripattachments :matches ["*.exe"] :notice "An attachment was removed.";
excerpt :chars 140 "4915112345@sms.example.com";
"""

from __future__ import annotations

from posthouse.content.sieve.actions import AddFooter, Excerpt, ReplacePart, Score, TagSubject
from posthouse.content.sieve.capabilities import FILTER
from posthouse.content.sieve.commands.delivery import address_text
from posthouse.content.sieve.commands.editing import edited
from posthouse.content.sieve.compiler import Compiler
from posthouse.content.sieve.specs import Bound, CommandSpec, Spec, TagSpec
from posthouse.content.sieve.state import Op, Signal, State
from posthouse.content.sieve.tests.house import ATTACHMENT_TAGS, attachment_test

MAX_POINTS = 10_000
DEFAULT_EXCERPT = 140
MAX_EXCERPT = 2_000
NOTICE = "An attachment was removed here."


def _score(bound: Bound, _compiler: Compiler) -> Op:
    how = bound.one_of("add", "subtract", "set")
    if not how:
        raise bound.error("score needs :add, :subtract or :set")
    number = min(bound.tag_number(how) or 0, MAX_POINTS)
    points, line = float(-number if how == "subtract" else number), bound.line

    def run(state: State) -> Signal | None:
        state.act(Score(line, len(state.changes), points, how == "set"))
        state.score = points if how == "set" else (state.score or 0.0) + points
        return None

    return run


def _tagsubject(bound: Bound, compiler: Compiler) -> Op:
    text, line = compiler.text(bound.strings(0)), bound.line

    def run(state: State) -> Signal | None:
        tag = " ".join(text.value(state).splitlines())[:200]
        subject = next(iter(state.fields("subject")), "")
        if not subject.startswith(tag.rstrip()):
            state.change(TagSubject(tag), line)
            header = edited(state)
            rest = [each for each in header.fields if each[0] != "subject"]
            header.fields = [*rest, ("subject", "Subject", tag + subject)]
        return None

    return run


def _addfooter(bound: Bound, compiler: Compiler) -> Op:
    text, line = compiler.text(bound.strings(0)), bound.line

    def run(state: State) -> Signal | None:
        state.change(AddFooter(text.value(state)), line)
        return None

    return run


def _stripattachments(bound: Bound, compiler: Compiler) -> Op:
    found, line = attachment_test(bound, compiler), bound.line
    given = bound.tag_strings("notice")
    notice = compiler.text(given) if given else None

    def run(state: State) -> Signal | None:
        gone = found(state)
        text = notice.value(state) if notice else NOTICE
        for attachment in gone:
            section = attachment.section if state.message.root.children else ""
            state.change(ReplacePart(section, f"{text}\r\n({attachment.name or attachment.declared})\r\n"), line)
        state.hit = ", ".join(attachment.name or attachment.declared for attachment in gone) or "nothing to strip"
        return None

    return run


def _excerpt(bound: Bound, compiler: Compiler) -> Op:
    address, line = address_text(bound.strings(0), bound, compiler), bound.line
    chars = min(bound.tag_number("chars") or DEFAULT_EXCERPT, MAX_EXCERPT)

    def run(state: State) -> Signal | None:
        state.send(Excerpt(line, len(state.changes), address(state), chars))
        return None

    return run


_OURS = (FILTER,)
_POINTS = tuple(TagSpec(name, "number", group="points") for name in ("add", "subtract", "set"))
COMMANDS = (
    CommandSpec(Spec("score", (), _POINTS, _OURS), _score),
    CommandSpec(Spec("tagsubject", ("string",), extension=_OURS), _tagsubject),
    CommandSpec(Spec("addfooter", ("string",), extension=_OURS), _addfooter),
    CommandSpec(
        Spec("stripattachments", ("strings",), (*ATTACHMENT_TAGS, TagSpec("notice", "string")), _OURS, optional_first=True),
        _stripattachments,
    ),
    CommandSpec(Spec("excerpt", ("string",), (TagSpec("chars", "number"),), _OURS), _excerpt),
)
