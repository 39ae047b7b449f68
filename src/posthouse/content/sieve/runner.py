"""Running a script: from facts to a result, without effects (RFC 5228 §2.10)."""

from __future__ import annotations

import asyncio

from posthouse.base.errors import MailError
from posthouse.content.sieve.actions import Keep, Result
from posthouse.content.sieve.errors import RunError
from posthouse.content.sieve.facts import Facts, Lookups, Unanswered
from posthouse.content.sieve.script import Script
from posthouse.content.sieve.state import DEFAULT_LIMITS, STOP, Limits, State

MAX_QUESTIONS = 100


def run(script: Script, facts: Facts, limits: Limits = DEFAULT_LIMITS) -> Result:
    """One run. Raises Unanswered when it needs to know more than ``facts`` says. An error keeps the message (§2.10.6)."""
    state = State(facts, limits)
    try:
        signal = script.op(state)
    except RunError as error:
        return failed(str(error), state)
    except RecursionError:
        return failed("the script is nested too deeply", state)
    if state.implicit_keep:
        state.actions.append(Keep(0, len(state.changes), state.flags, implicit=True))
    return Result(
        actions=tuple(state.actions),
        changes=tuple(state.changes),
        remember=tuple(state.remember),
        stopped=signal == STOP,
        trace=tuple(state.trace),
    )


def failed(problem: str, state: State | None = None) -> Result:
    """The result of a run that ended in an error."""
    trace = tuple(state.trace) if state is not None else ()
    return Result(actions=(Keep(0, 0, None, implicit=True),), error=problem, trace=trace)


async def execute(
    script: Script, facts: Facts, lookups: Lookups, limits: Limits = DEFAULT_LIMITS, *, aside: bool = False
) -> Result:
    """Runs the script, asking ``lookups`` what it needs to know; ``aside``: in a thread. Else it does not wait when it asks
    nothing.

    Answers are kept in ``facts.answers``, so that several scripts of one message ask once. When a question cannot be
    answered the result is an error, and the message is kept.
    """
    for _ in range(MAX_QUESTIONS):
        try:
            return await asyncio.to_thread(run, script, facts, limits) if aside else run(script, facts, limits)
        except Unanswered as unanswered:
            question = unanswered.question
        try:
            facts.answers[question] = await lookups.answer(question)
        except MailError as error:
            return failed(f"{question!r}: {error.cause or error.public}")
    return failed(f"the script asks more than {MAX_QUESTIONS} questions")
