"""What filters did, in words for the trace, and their reasons as a stranger may see them. Part of stage ``filters``."""

from __future__ import annotations

from posthouse.content.sieve import actions
from posthouse.model.verdict import Reply

MAX_REASON_CHARS = 200
NO_REASON = "The recipient's filters refuse this message"


def told(action: actions.Action) -> str:
    """``files it into News (line 3)``."""
    line = f" (line {action.line})" if action.line else ""
    return _words(action) + line


def _words(action: actions.Action) -> str:
    match action:
        case actions.Keep():
            return "keeps it" + (", as no action says otherwise" if action.implicit else "") + _flags(action.flags)
        case actions.FileInto():
            return f"files it into {action.mailbox}" + _flags(action.flags)
        case actions.Redirect():
            return f"sends it on to {action.address}"
        case actions.Wiretap():
            return f"copies it to {action.address}"
        case actions.Excerpt():
            return f"sends an excerpt to {action.address}"
        case actions.Reject():
            return f"refuses it: {first_line(action.reason)}"
        case actions.Discard():
            return "drops it"
        case actions.Vacation():
            return f"answers {action.to}"
        case actions.Notify():
            return f"notifies {action.method[:200]}"
        case _:
            return _policy_words(action)


def _policy_words(action: actions.Action) -> str:
    match action:
        case actions.Route():
            return f"sends it by way of {action.next_hop}"
        case actions.Score():
            return f"{'sets the score to' if action.absolute else 'adds to the score'} {action.points:g}"
        case actions.Quarantine():
            return f"holds it in quarantine {action.name}"
        case actions.RequireTls():
            return "lets it leave over verified TLS only"
        case actions.Delay():
            return f"holds it back for {action.seconds} s"
        case actions.DeliverNow():
            return "lets no later check look at it"
        case _:
            return type(action).__name__.lower()


def _flags(flags: tuple[str, ...] | None) -> str:
    return f" with {' '.join(flags)}" if flags else ""


def first_line(reason: str) -> str:
    """The first line of a reason as SMTP may say it: printable ASCII, bounded (RFC 5429 §2.1.1)."""
    line = next((line.strip() for line in reason.splitlines() if line.strip()), "")
    if not line or not line.isascii() or not line.isprintable():
        return NO_REASON
    return line[:MAX_REASON_CHARS]


def refusal(reason: str) -> Reply:
    """What a sender is told."""
    return Reply(550, "5.7.1", first_line(reason))
