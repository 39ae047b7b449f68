"""The one writing thread of ``mail.db``: group commit (the heart of "one durable write").

Units that wait while a commit is under way form the next group: one transaction, a savepoint for each unit so that a bad one
fails alone (a single one needs none), one fsync, then all answers. Without load a unit is committed at once. Under load the
thread gives the others that were there a moment ago up to ``GATHER_S`` to come back with their next unit, which saves most of
the fsyncs (PostgreSQL's commit_delay). When the disk is full the group is rolled back whole, every unit is answered NoSpace,
and the next group tries again. A lock beside the file keeps a second process from writing.
"""

from __future__ import annotations

import fcntl
import os
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import apsw

from posthouse.backends.notices import Committed, OnCommitted, ignore, merged
from posthouse.backends.sqlite import upkeep
from posthouse.backends.sqlite.blob_files import BlobFiles
from posthouse.backends.sqlite.checkpoints import Checkpoints
from posthouse.backends.sqlite.database import mail_error
from posthouse.backends.sqlite.mail_schema import open_mail_writer
from posthouse.backends.sqlite.units import UNITS
from posthouse.backends.sqlite.work import Work, blob_folder
from posthouse.base import log
from posthouse.base.clock import Clock, SystemClock
from posthouse.base.errors import MailError, NoSpace, Temporary
from posthouse.base.metrics import COMMIT_SECONDS, COMMITS
from posthouse.base.metrics import UNITS as UNITS_COUNT

MAX_GROUP_UNITS = 500
MAX_GROUP_BYTES = 32 << 20
GATHER_S = 0.002
GATHER_QUANTUM_S = 0.0005
IDLE_S = 0.01
UPKEEP_REST_S = 1.0
UPKEEP_FAILED_S = 60.0
DEAD_WRITER_STATUS = 70

Reply = Callable[[Any, "MailError | None"], None]
Job = tuple[str, Any, int, Reply]  # kind, arguments, octets (about), reply
GROUP_FAULTS = (apsw.FullError, apsw.IOError, apsw.CorruptError, apsw.NoMemError, apsw.ReadOnlyError, apsw.BusyError)
UNIT_FAULTS = (ValueError, TypeError, LookupError, ArithmeticError, AttributeError, OSError)


class MailWriterThread:
    """``start`` it, ``submit`` or ``post`` units from any thread, ``stop`` it. One per database file."""

    def __init__(self, path: Path, on_committed: OnCommitted = ignore, *, clock: Clock | None = None) -> None:
        self._path = path
        self._on_committed = [on_committed]
        self._on_answered: list[Callable[[], None]] = []
        self._clock = clock or SystemClock()
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="mail-writer", daemon=True)
        self._lock = -1
        self.work: Work | None = None
        self._checkpoints: Checkpoints | None = None
        self._expected = 1
        self._upkeep_from = 0.0
        self._stopping = False
        self._log = log.get("store")

    def listen(self, on_committed: OnCommitted, on_answered: Callable[[], None]) -> None:
        """Both are called in the writing thread: after a commit, and after its units have their answers."""
        self._on_committed.append(on_committed)
        self._on_answered.append(on_answered)

    def start(self) -> None:
        """Opens, makes or migrates the database, and starts. Raises Temporary (also when another process has it), NoSpace,
        Permanent (made by a newer version)."""
        self._lock = _lock(self._path)
        try:
            connection = open_mail_writer(self._path)
        except MailError:
            os.close(self._lock)
            raise
        self.work = Work(connection, self._clock, BlobFiles(blob_folder(self._path)))
        self._checkpoints = Checkpoints(connection, self._path)
        self._thread.start()

    def submit(self, kind: str, arguments: Any, octets: int = 0) -> Future[Any]:
        """One unit; the result comes when it is durable, or the MailError when it did not happen."""
        future: Future[Any] = Future()
        future.set_running_or_notify_cancel()  # a unit handed in happens; only its caller can be cancelled

        def reply(result: Any, error: MailError | None) -> None:
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)

        self.post(kind, arguments, octets, reply)
        return future

    def post(self, kind: str, arguments: Any, octets: int, reply: Reply) -> None:
        """As ``submit``; ``reply`` is called in the writing thread. ``octets`` is about how large the arguments are."""
        if self._stopping:
            reply(None, Temporary("The store is closing", cause="a unit came after stop"))
            return
        self._jobs.put((kind, arguments, octets, reply))

    def stop(self) -> None:
        """Commits what waits, writes the log back into the database file, closes it."""
        self._stopping = True
        self._jobs.put(None)
        self._thread.join()
        if self._checkpoints and self.work:
            self._checkpoints.close()
            self.work.connection.close()
        os.close(self._lock)

    # --- the thread

    def _run(self) -> None:
        ended = False
        try:
            self._write()
            ended = True
        finally:
            if not ended:
                # A process whose writer is dead would only collect work that never happens; its supervisor starts another.
                self._log.critical("the writing thread died", exc_info=True)
                os._exit(DEAD_WRITER_STATUS)

    def _write(self) -> None:
        work, checkpoints = self.work, self._checkpoints
        assert work is not None and checkpoints is not None
        running = True
        while running:
            group, running = self._gather(work)
            if group or self._has_upkeep(work):
                self._commit(work, group)
            checkpoints.after_commit()

    def _gather(self, work: Work) -> tuple[list[Job], bool]:
        """The next group; empty when there is time for upkeep. The second value is False after ``stop``."""
        try:
            first = self._jobs.get(timeout=self._patience_s(work))
        except queue.Empty:
            return [], True
        self._await_others()
        group: list[Job] = []
        octets = 0
        while first is not None:
            group.append(first)
            octets += first[2]
            if len(group) >= MAX_GROUP_UNITS or octets >= MAX_GROUP_BYTES or not self._jobs.qsize():
                return group, True
            first = self._jobs.get_nowait()
        return group, False

    def _has_upkeep(self, work: Work) -> bool:
        return work.upkeep_due and time.monotonic() >= self._upkeep_from

    def _patience_s(self, work: Work) -> float | None:
        if not work.upkeep_due:
            return None
        return IDLE_S if self._has_upkeep(work) else UPKEEP_REST_S

    def _await_others(self) -> None:
        """Lets those who were here in the last group come back, a moment at most; nobody is waited for when it was one."""
        waited_s = 0.0
        while self._jobs.qsize() + 1 < self._expected and waited_s < GATHER_S:
            time.sleep(GATHER_QUANTUM_S)
            waited_s += GATHER_QUANTUM_S

    def _commit(self, work: Work, group: list[Job]) -> None:
        started_at = time.perf_counter()
        work.now = self._clock.now()
        work.touched.clear()
        work.fresh_dead.clear()
        work.queue_grew = work.bodies_grew = False
        try:
            work.execute("BEGIN IMMEDIATE")
            alone = len(group) == 1
            results = [self._unit(work, job, alone=alone) for job in group]
            upkeep = self._has_upkeep(work)
            if upkeep and not work.connection.in_transaction:
                work.execute("BEGIN IMMEDIATE")  # a lone unit failed; who fails again and again holds up no upkeep
            if work.connection.in_transaction:
                if upkeep:
                    self._keep_up(work)
                work.execute("COMMIT")
        except apsw.Error as error:
            self._give_up(work, group, error)
            return
        self._expected = len(group) + self._jobs.qsize()
        COMMITS.inc()
        UNITS_COUNT.inc(len(group))
        COMMIT_SECONDS.observe(time.perf_counter() - started_at)
        if work.touched or work.queue_grew or work.bodies_grew:
            self._tell(Committed(merged(work.touched), work.queue_grew, work.bodies_grew))
        for job, (result, failure) in zip(group, results, strict=True):
            job[3](result, failure)
        self._answered()

    def _answered(self) -> None:
        for answered in self._on_answered:
            answered()

    def _keep_up(self, work: Work) -> None:
        """One step of upkeep. What it cannot read is left for later and told: nobody's mail waits for it. Raises apsw.Error
        when the whole group cannot go on."""
        touched = len(work.touched)
        work.execute("SAVEPOINT upkeep")
        try:
            upkeep.step(work)
        except (MailError, apsw.Error, *UNIT_FAULTS) as error:
            if isinstance(error, GROUP_FAULTS) or not work.connection.in_transaction:
                raise
            work.execute("ROLLBACK TO upkeep")
            del work.touched[touched:]
            self._upkeep_from = time.monotonic() + UPKEEP_FAILED_S
            self._log.error("upkeep-failed", cause=repr(error))
        work.execute("RELEASE upkeep")

    def _tell(self, committed: Committed) -> None:
        try:
            for listener in self._on_committed:
                listener(committed)
        except RuntimeError as error:  # the loop that would have carried it has closed
            self._log.warning("notice lost", error=repr(error))

    def _unit(self, work: Work, job: Job, *, alone: bool) -> tuple[Any, MailError | None]:
        """Runs one unit in its savepoint, or ``alone`` in the transaction, which a failure then ends. Raises apsw.Error when
        the whole group cannot go on."""
        kind, arguments, _, _ = job
        touched, grew = len(work.touched), (work.queue_grew, work.bodies_grew)
        if not alone:
            work.execute("SAVEPOINT unit")
        try:
            result = UNITS[kind](work, arguments)
        except (MailError, apsw.Error, *UNIT_FAULTS) as error:
            if isinstance(error, GROUP_FAULTS) or not work.connection.in_transaction:
                raise
            if alone:
                work.execute("ROLLBACK")
            else:
                work.execute("ROLLBACK TO unit")
                work.execute("RELEASE unit")
            del work.touched[touched:]
            work.queue_grew, work.bodies_grew = grew
            return None, self._failure(kind, error)
        if not alone:
            work.execute("RELEASE unit")
        return result, None

    def _failure(self, kind: str, error: Exception) -> MailError:
        if isinstance(error, MailError):
            return error
        self._log.error("unit failed", unit=kind, error=repr(error))
        return Temporary("The store could not do this", cause=f"{kind}: {error!r}")

    def _give_up(self, work: Work, group: list[Job], error: apsw.Error) -> None:
        """The disk is full or failing: nothing of the group happened."""
        failure = self._cause(error)
        self._log.error("commit failed", units=len(group), error=failure.cause)
        try:
            if work.connection.in_transaction:
                work.execute("ROLLBACK")
        except apsw.Error as second:
            self._log.error("rollback failed", error=repr(second))
        for job in group:
            job[3](None, failure)
        self._answered()
        self._upkeep_from = time.monotonic() + UPKEEP_REST_S

    def _cause(self, error: apsw.Error) -> MailError:
        if isinstance(error, apsw.IOError):
            room = os.statvfs(self._path.parent)
            if room.f_bavail * room.f_frsize < 1 << 20:
                return NoSpace(f"{error}; {room.f_bavail} blocks free")
        return mail_error(error)


def _lock(path: Path) -> int:
    """Takes the lock that makes this process the database's only writer. Raises Temporary."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path.with_suffix(".lock"), os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise Temporary("The store is in use by another process", cause=f"{path} is locked") from None
    return descriptor
