"""One IMAP connection: reads commands from the core, has them carried out, tells of changes, answers (RFC 9051 §3, §5).

The states are those of RFC 9051 §3: not authenticated, authenticated, selected, logout; a command's row in ``dispatch`` says
where it is valid. Around the commands that speak of messages the session catches up with its mailbox, so what other sessions
did is seen at once (IMP-2). Errors are rendered here and nowhere else: a ``MailError`` as NO with its code, what nobody
expected as NO [SERVERBUG], logged, and the connection goes on.
"""

from __future__ import annotations

import asyncio

from posthouse.base import log
from posthouse.base.errors import MailError
from posthouse.base.metrics import COMMANDS
from posthouse.mailstore.selected import SelectedMailbox
from posthouse.model.account import Account
from posthouse.protocols.imap import responses
from posthouse.protocols.imap.commands import Command
from posthouse.protocols.imap.core import ImapCore, Limits
from posthouse.protocols.imap.events import BadCommand, Line, NeedContinuation
from posthouse.servers.connection import Connection
from posthouse.servers.imap import capabilities, changes, contexts
from posthouse.servers.imap.notify import Watch
from posthouse.servers.imap.others import check_access, still_readable
from posthouse.servers.imap.places import Place
from posthouse.servers.imap.refusal import Disconnected, Goodbye, Refused
from posthouse.servers.imap.routes import Route, Routes, State
from posthouse.servers.imap.shared import Shared
from posthouse.servers.imap.teller import Teller
from posthouse.servers.peers import peer_of
from posthouse.servers.services import Services

MAX_BAD_IN_A_ROW = 20
MAX_BAD_BEFORE_LOGIN = 10
# So many commands that came in one piece are carried out before other sessions get their turn.
COMMANDS_PER_TURN = 8
PROGRESS_EVERY_S = 10.0

_log = log.get("imap")


class ImapSession:
    """State of one connection. Handlers in this package read and change it; nothing outside does."""

    __slots__ = (
        "__weakref__",
        "_bad",
        "_end_text",
        "_ending",
        "_held",
        "_in_a_row",
        "_progress_at_s",
        "_routes",
        "_tag",
        "_teller",
        "_up_to_date",
        "appended_to",
        "compressed",
        "condstore",
        "connection",
        "contexts",
        "core",
        "failures",
        "notify",
        "peer",
        "qresync",
        "rev2",
        "saved",
        "selected",
        "services",
        "shared",
        "uid_only",
        "utf8",
    )

    def __init__(self, services: Services, shared: Shared, connection: Connection, routes: Routes) -> None:
        settings = services.settings().imap
        self.services = services
        self.shared = shared
        self.connection = connection
        self.core = ImapCore(Limits(line_bytes=settings.max_line_bytes, append_bytes=settings.max_append_bytes))
        self.peer = peer_of(connection, services.clock.now())
        self.selected: SelectedMailbox | None = None
        self.appended_to: Place | None = None
        self.saved: tuple[int, ...] = ()
        self.contexts: dict[bytes, contexts.Context] = {}
        self.notify: Watch | None = None
        self.condstore = self.qresync = self.rev2 = self.utf8 = self.uid_only = self.compressed = False
        self._routes = routes
        self._teller = Teller(self)
        self._tag = b""
        self._progress_at_s = 0.0
        self.failures = 0
        self._bad = 0
        self._ending = ""
        self._held = (0, 0)
        self._in_a_row = 0
        self._up_to_date = False
        self._end_text: str | None = None

    # --- what handlers use

    def write(self, octets: bytes) -> None:
        """Response lines, ready to send (``protocols.imap.responses``)."""
        self.connection.write(octets)

    async def drain(self) -> None:
        """Waits while the client reads slowly. Raises Disconnected."""
        try:
            await self.connection.drain()
        except (TimeoutError, OSError) as error:
            raise Disconnected from error

    @property
    def account_id(self) -> int:
        """The authenticated account's number."""
        return self.peer.account_id

    def log_in(self, account: Account) -> None:
        """The authenticated state."""
        self.peer.account, self.peer.account_id = str(account.address), account.account_id
        self.core.authenticated = True

    def log_out(self) -> None:
        """Back to the state before login, nothing enabled."""
        self.deselect()
        self.set_notify(None)
        self.appended_to = None
        self.peer.account, self.peer.account_id = "", 0
        self.peer.connected_at = self.services.clock.now()
        self.condstore = self.qresync = self.rev2 = self.utf8 = self.uid_only = False
        self.core.authenticated = self.core.utf8 = False

    def end_after_answer(self, text: str) -> None:
        """The session ends once the command is answered, with BYE unless ``text`` is ""."""
        self._end_text = text

    def mailbox(self) -> SelectedMailbox:
        """The selected mailbox; ``dispatch`` has seen to it that there is one."""
        if self.selected is None:
            raise Refused("No mailbox is selected", status="BAD")
        return self.selected

    def select(self, mailbox: SelectedMailbox) -> None:
        self.selected, self.saved, self._teller.dirty = mailbox, (), False
        self.shared.notices.watch(mailbox.mailbox_id, self)

    def deselect(self) -> bool:
        """Leaves the selected mailbox; whether there was one."""
        if self.selected is None:
            return False
        self.shared.notices.unwatch(self.selected.mailbox_id, self)
        self.selected, self.saved = None, ()
        self.contexts.clear()
        return True

    def touched(self) -> None:
        """The session itself has changed the mailbox: the command's end must look."""
        self._teller.dirty = True

    def is_up_to_date(self) -> None:
        """The command has told its client all that happened to the mailbox: there is no need to look at its end."""
        self._up_to_date = True

    async def catch_up(self, *, expunge: bool) -> None:
        """Tells the client what happened to its mailbox. Raises Goodbye if it was deleted, or may not be read any more."""
        if self.selected is None:
            return
        if self.selected.reader and not await still_readable(self):
            self.deselect()
            raise Goodbye("The selected mailbox is not shared any more")
        self._teller.dirty = False
        known = self.selected.uid_next
        update = await self.selected.sync(expunge=expunge)
        if update.deleted:
            self.deselect()
            raise Goodbye("The selected mailbox was deleted")
        if self.contexts:
            contexts.tell_expunged(self, update)
        await changes.tell(self, update)
        if self.contexts:
            await contexts.tell_changes(self)
        if update.exists is not None and self.notify is not None:
            await self.notify.fetch_new(self, known)

    @property
    def fetch_word(self) -> bytes:
        """What FETCH responses are called (RFC 9586 §3.3)."""
        return b"UIDFETCH" if self.uid_only else b"FETCH"

    def set_notify(self, watch: Watch | None) -> None:
        """What is to be told without being asked, from now on (RFC 5465)."""
        if self.notify is not None:
            self.shared.notices.unwatch_accounts(self)
        self.notify = watch
        if watch is not None and watch.wants_more:
            self.shared.notices.watch_accounts(watch.accounts, self, names=watch.wants_others)

    def progress(self, done: int, of: int) -> None:
        """Tells the client how far a command that takes long has come, from time to time (RFC 9585)."""
        now_s = self.services.clock.steady()
        if now_s >= self._progress_at_s and self._tag:
            self._progress_at_s = now_s + PROGRESS_EVERY_S
            code = b"INPROGRESS (%b %d %d)" % (responses.string(self._tag), done, of)
            self.write(responses.untagged("OK", "Still at it", code))

    async def read_line(self) -> bytes:
        """The client's next line where no command is due (AUTHENTICATE, IDLE). Raises Disconnected, Refused."""
        self.core.expect_line()
        while True:
            event = self.core.next_command()
            if isinstance(event, Line):
                return event.data
            if isinstance(event, BadCommand):
                raise Goodbye(event.text) if event.fatal else Refused(event.text, status="BAD")
            if event is None:
                await self._receive()

    # --- what the server and the notices call

    def end_soon(self, why: str = "The server ends this session") -> None:
        """BYE at the next command boundary; at once when the session waits for the client."""
        self._ending = why
        if self._teller.waiting or self._teller.idling:
            self.say_goodbye(why)

    def notice(self, mod_seq: int) -> None:
        """See ``notices.Watcher``."""
        self._teller.notice(mod_seq)

    def account_notice(self, mailbox_id: int, account_id: int) -> None:
        """See ``notices.AccountWatcher``."""
        if self.notify is not None:
            self.notify.heard(mailbox_id, own=account_id == self.account_id)
            self._teller.start()

    def names_notice(self) -> None:
        """See ``notices.AccountWatcher``."""
        if self.notify is not None:
            self.notify.heard(0, own=True)
            self._teller.start()

    async def idle_until_line(self) -> bytes:
        """IDLE: changes go out as they happen, until a line comes from the client."""
        return await self._teller.idle()

    def say_goodbye(self, text: str) -> None:
        """``* BYE text`` (nothing for no text), and the end."""
        if text:
            self.write(responses.untagged("BYE", text))
        self.connection.close()

    # --- the loop

    async def run(self) -> None:
        """The whole session. Returns when it is over; the caller closes the connection."""
        try:
            self.write(capabilities.greeting(self))
            while not self.connection.closing:
                if self._ending:
                    raise Goodbye(self._ending)
                await self._one_event()
        except Goodbye as goodbye:
            self.say_goodbye(str(goodbye))
        except Disconnected:
            pass
        finally:
            self._hold(0)
            self.set_notify(None)
            self.deselect()

    async def _one_event(self) -> None:
        event = self.core.next_command()
        if event is None:
            await self._receive()
        elif isinstance(event, Command):
            COMMANDS.inc()
            await self._teller.settle()
            await self._carry_out(event)
            if self._end_text is not None:
                raise Goodbye(self._end_text)
            await self.drain()
            self._in_a_row += 1
            if self._in_a_row % COMMANDS_PER_TURN == 0:
                await asyncio.sleep(0)
        elif isinstance(event, BadCommand):
            self._bad_command(event)
        elif isinstance(event, NeedContinuation):
            self.write(responses.continuation())

    def _hold(self, octets: int) -> None:
        """Keeps the process's sum of what is coming in."""
        account_id, held = self._held
        self.shared.incoming.change(account_id, -held)
        self.shared.incoming.change(self.account_id, octets)
        self._held = (self.account_id, octets)

    def _make_room(self) -> None:
        """Before more is read: who has too much in memory lets go of it."""
        held = self.core.held_bytes
        if held != self._held[1]:
            self._hold(held)
        room_bytes = self.shared.incoming.room_bytes(self.account_id)
        if room_bytes < 0 and held:
            self.core.refuse_literals()
            self._hold(self.core.held_bytes)
        self.core.room_bytes = max(room_bytes, 0)

    async def _receive(self) -> None:
        self._make_room()
        if self.core.between:
            # imaplib and others would pay 40 ms for each APPEND: their last CRLF waits for our delayed acknowledgement.
            self.connection.acknowledge()
        self._teller.waiting = True
        if self.notify is not None:
            self._teller.start()
        self._in_a_row = 0
        try:
            data = await self.connection.read(self._timeout_s())
        except TimeoutError:
            raise Goodbye("Idle for too long") from None
        except OSError as error:
            raise Disconnected from error
        finally:
            self._teller.waiting = False
        if not data:
            raise Disconnected
        self.core.receive(data)

    def _timeout_s(self) -> float:
        settings = self.services.settings().imap
        if self.peer.account_id:
            return settings.idle_timeout_s
        left_s = settings.login_timeout_s - (self.services.clock.now() - self.peer.connected_at)
        if left_s <= 0:  # whatever it still sends
            raise TimeoutError
        return left_s

    def _bad_command(self, event: BadCommand) -> None:
        self.write(responses.tagged(event.tag, event.status, event.text, event.code.encode()))
        if event.fatal:
            raise Goodbye("That cannot be understood")
        self._count_bad()

    def _count_bad(self) -> None:
        self._bad += 1
        if self._bad >= (MAX_BAD_IN_A_ROW if self.peer.account_id else MAX_BAD_BEFORE_LOGIN):
            raise Goodbye("Too many bad commands")

    async def _carry_out(self, command: Command) -> None:
        route = self._routes[type(command)]
        status: responses.Condition = "OK"
        code = b""
        self._tag, self._progress_at_s = command.tag, self.services.clock.steady() + PROGRESS_EVERY_S
        self._up_to_date = False
        try:
            route.admit(self)
            if self.selected is not None and self.selected.reader:
                await check_access(self, needed=route.state is State.SELECTED)
            if route.before is not None and route.looks_before(self, command):
                await self.catch_up(expunge=route.before(command))
            done = await route.handler(self, command)
            text, code = done if isinstance(done, tuple) else (done, b"")
        except Refused as refused:
            status, text, code = refused.status, refused.text, refused.code.encode()
        except MailError as error:
            if error.cause:
                _log.warning("command failed", command=type(command).__name__, account=self.peer.account, cause=error.cause)
            status, text, code = "NO", error.public, error.imap_code.encode()
        except (Goodbye, Disconnected):
            raise
        except Exception as error:
            name = type(command).__name__
            _log.error("command failed unexpectedly", command=name, account=self.peer.account, error=repr(error), exc_info=True)
            status, text, code = "NO", "Internal error", b"SERVERBUG"
        if self.selected is not None and route.after and self._must_look(route):
            await self._catch_up_after(command)
        self.write(responses.tagged(command.tag, status, text, code))
        if status == "BAD":
            self._count_bad()
        else:
            self._bad = 0
        if route.finish is not None and status == "OK":
            await route.finish(self)

    def _must_look(self, route: Route) -> bool:
        return self._teller.dirty or bool(self.contexts) or not (route.before or self._up_to_date)

    async def _catch_up_after(self, command: Command) -> None:
        """A failure here must not take the command's own answer away."""
        before = self._routes[type(command)].before
        try:
            await self.catch_up(expunge=before is None or before(command))
        except MailError as error:
            _log.warning("could not look for changes", account=self.peer.account, cause=error.cause or str(error))
