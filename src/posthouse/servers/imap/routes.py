"""What the session must know of a command besides its handler: where it is valid, and when to tell of changes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, TypeVar, cast

from posthouse.protocols.imap.commands import Command
from posthouse.servers.imap.refusal import Refused

if TYPE_CHECKING:
    from posthouse.servers.imap.session import ImapSession

CommandT = TypeVar("CommandT", bound=Command)
Done = str | tuple[str, bytes]


class State(Enum):
    """Where a command is valid (RFC 9051 §3)."""

    ANY = "any"
    NOT_AUTHENTICATED = "not authenticated"
    AUTHENTICATED = "authenticated"
    SELECTED = "selected"


@dataclass(frozen=True, slots=True)
class Route:
    """``handler`` gives the text after OK, maybe with a response code, or raises Refused or MailError.

    ``before``: the session catches up before the command already, and after it only if there is reason to; whether expunges
    may be told then, it says of the command. ``late``: of such a command the handler finds out whether there is reason to catch
    up before. ``after``: the session catches up after it. ``finish`` runs once OK is written.
    """

    handler: Callable[[ImapSession, Command], Awaitable[Done]]
    state: State
    before: Callable[[Command], bool] | None
    late: Callable[[ImapSession, Command], bool] | None
    after: bool
    finish: Callable[[ImapSession], Awaitable[None]] | None

    def looks_before(self, session: ImapSession, command: Command) -> bool:
        """Whether the session catches up before this command."""
        if self.before is None or session.selected is None:
            return False
        return self.late is None or not self.late(session, command) or bool(session.contexts) or session.notify is not None

    def admit(self, session: ImapSession) -> None:
        """Raises Refused (BAD) if the command is not valid in the session's state."""
        if self.state is State.ANY:
            return
        if self.state is State.NOT_AUTHENTICATED:
            if session.account_id:
                raise Refused("Already logged in", status="BAD")
        elif not session.account_id:
            raise Refused("Log in first", status="BAD")
        elif self.state is State.SELECTED and session.selected is None:
            raise Refused("No mailbox is selected", status="BAD")


Routes = Mapping[type[Command], Route]


def route(
    handler: Callable[[ImapSession, CommandT], Awaitable[Done]],
    state: State,
    *,
    before: Callable[[CommandT], bool] | None = None,
    late: Callable[[ImapSession, CommandT], bool] | None = None,
    after: bool = True,
    finish: Callable[[ImapSession], Awaitable[None]] | None = None,
) -> Route:
    """A route; the casts are safe because the table's key is the command's own class."""
    return Route(
        cast(Callable[["ImapSession", Command], Awaitable[Done]], handler),
        state,
        cast("Callable[[Command], bool] | None", before),
        cast("Callable[[ImapSession, Command], bool] | None", late),
        after,
        finish,
    )
