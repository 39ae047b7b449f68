"""Sieve (CON-3): the language of all filters, one engine for the system's, a domain's and a user's scripts.

Where to look: ``lexer`` and ``parser`` make the syntax tree (``syntax``), ``compiler`` checks it against ``specs`` and makes
closures, ``runner`` runs them. Each command is written in ``commands``, each test in ``tests``; ``actions`` is what comes
out, ``changes`` makes the message that goes on, ``notices`` the messages that actions send.

How the path calls it:

    script = compile_script(text, "user")                      # ScriptError: line and column; remembered by text
    view = MessageView(content, summary.root, filetypes.inspect)   # one for all scripts of a message
    facts = Facts(message=view, now=clock.now(), sender=..., recipient=..., owner=..., client_address=...)
    result = await execute(script, facts, lookups)             # does not wait unless the script asks something
    for action in result.actions: ...                          # complete: the implicit keep is among them
    octets = apply(content, summary.root, result.changes[: action.changes])

- Order: the system's script first, then the domain's, then each recipient's own. An action of the system's is final where
  it refuses, quarantines, discards or says ``DeliverNow``; ``Keep`` means "on along the path" there.
- ``result.error`` is for the log and the owner; the message is kept (RFC 5228 §2.10.6).
- ``result.remember`` is written to the memory of ``interfaces.scripts`` once the message is accepted, not before.
- ``Redirect`` sends with the original sender and one more Received field; ``Vacation`` with the null sender (RFC 5230 §5.1).
- A traced script (``traced=True``) fills ``result.trace``; ``filter test`` and rehearsal show it.

Without effects and without clocks: whatever a script may know stands in ``Facts``, or is a ``Question`` for ``Lookups``.
Bounded: ``Limits``, ``lexer`` (sizes), ``parser`` (depth), ``content.patterns`` (expressions).

RFCs: 5228, 3894, 5173, 5183, 5229, 5230, 5231, 5232, 5233, 5235, 5260, 5293, 5429, 5435, 5436, 5463, 5490, 5703, 6131,
6609, 7352, 8579, 8580, 9042; draft-ietf-sieve-regex.
"""

from posthouse.content.sieve.actions import Result
from posthouse.content.sieve.capabilities import NOTIFY_METHODS, Scope, extensions
from posthouse.content.sieve.changes import apply
from posthouse.content.sieve.errors import RunError, ScriptError
from posthouse.content.sieve.facts import Facts, Lookups, Question
from posthouse.content.sieve.message import MessageView
from posthouse.content.sieve.runner import execute, run
from posthouse.content.sieve.script import Script, compile_script
from posthouse.content.sieve.state import Limits

__all__ = [
    "NOTIFY_METHODS",
    "Facts",
    "Limits",
    "Lookups",
    "MessageView",
    "Question",
    "Result",
    "RunError",
    "Scope",
    "Script",
    "ScriptError",
    "apply",
    "compile_script",
    "execute",
    "extensions",
    "run",
]
