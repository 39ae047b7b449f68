"""Tells a client of changes while no command is under way: during IDLE, and whenever NOTIFY asked for it (RFC 2177, RFC 5465).

A task of its own is made when there is something to tell, and lives no longer; the session lets it end before the next command
is carried out, so that two never write about the same mailbox at once.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from posthouse.base import log
from posthouse.base.errors import MailError
from posthouse.servers.imap.refusal import Disconnected, Goodbye, Refused

if TYPE_CHECKING:
    from posthouse.servers.imap.session import ImapSession

_GONE = 1 << 63  # above every mod-sequence
_log = log.get("imap")


class Teller:
    """One session's. ``waiting``: the session waits for its client. ``idling``: in IDLE."""

    __slots__ = ("_noticed", "_session", "_task", "_touched", "idling", "waiting")

    def __init__(self, session: ImapSession) -> None:
        self._session = session
        self._task: asyncio.Task[None] | None = None
        self._touched = self.idling = self.waiting = False
        self._noticed = 0

    @property
    def dirty(self) -> bool:
        """Whether the selected mailbox may have changed since the session looked: it was told so, or something was noticed
        that the session has not come up to meanwhile, as by its own STORE."""
        selected = self._session.selected
        return self._touched or (selected is not None and self._noticed > selected.mod_seq)

    @dirty.setter
    def dirty(self, value: bool) -> None:
        self._touched = value
        self._noticed = 0

    def notice(self, mod_seq: int) -> None:
        """The selected mailbox has reached ``mod_seq`` (0: it is gone)."""
        selected = self._session.selected
        if selected is None or 0 < mod_seq <= selected.mod_seq:
            return
        self._noticed = max(self._noticed, mod_seq or _GONE)
        self.start()

    def start(self) -> None:
        """Begins to tell if there is something, and if it is the time for it."""
        if self._task is None and self._has_news():
            self._task = asyncio.get_running_loop().create_task(self._tell())

    async def settle(self) -> None:
        """Waits until nothing is being told."""
        if self._task is not None:
            await self._task

    async def idle(self) -> bytes:
        """IDLE: changes go out as they happen, until a line comes from the client."""
        self.idling = self._touched = True
        try:
            self.start()
            return await self._session.read_line()
        finally:
            self.idling = False
            await self.settle()

    @property
    def _wants_selected(self) -> bool:
        """Whether NOTIFY asked for the selected mailbox."""
        notify = self._session.notify
        return notify is not None and notify.selected is not None and bool(notify.selected.events)

    @property
    def _wants_expunges(self) -> bool:
        """Whether message numbers may move while no command is under way (RFC 5465 §6.1, §6.2)."""
        notify = self._session.notify
        return notify is not None and notify.selected is not None and notify.selected.filter == "SELECTED"

    def _has_news(self) -> bool:
        session = self._session
        if session.selected is not None and self.dirty and (self.idling or (self.waiting and self._wants_selected)):
            return True
        return session.notify is not None and session.notify.has_news and (self.idling or self.waiting)

    async def _tell(self) -> None:
        session = self._session
        try:
            while self._has_news():
                if session.selected is not None and self.dirty and (self.idling or self._wants_selected):
                    await session.catch_up(expunge=self.idling or self._wants_expunges)
                if session.notify is not None:
                    await session.notify.tell(session)
                await session.drain()
        except Goodbye as goodbye:
            session.say_goodbye(str(goodbye))
        except Disconnected:
            session.connection.abort()
        except (MailError, Refused) as error:
            _log.warning("could not tell of changes", account=session.peer.account, cause=str(error))
        except Exception as error:
            _log.error("telling failed", error=repr(error), exc_info=True)
        finally:
            self._task = None
