"""Migration jobs in the steward: begun, watched, stopped, gone on with (PLN-4).

A few run at a time. A side that cannot be reached is tried again with growing pauses, as long as that leads to progress or not
too many times without; then the job has failed, and ``resume`` goes on where it was. Jobs that were under way when the node
stopped, in whatever way, go on when it is there again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from posthouse.base import log
from posthouse.base.clock import Clock
from posthouse.base.errors import AlreadyExists, BadValue, MailError, NotFound, Permanent, Temporary
from posthouse.base.ids import Ids
from posthouse.interfaces.mail_source import MailPlaces, MailSource, MailTarget
from posthouse.interfaces.mailstore import MailStore
from posthouse.interfaces.migrations import MigrationRecord
from posthouse.migration.copying import Copying, Halted
from posthouse.migration.store_side import StoreSource, StoreTarget
from posthouse.model.migration import UNDER_WAY, Counts, Job, JobProblem, JobSpec, JobState

AT_ONCE = 2
PAUSES_S = (2.0, 10.0, 30.0, 60.0, 120.0)
LOOK_S = 1.0

_log = log.get("migration")


class MigrationJobs:
    """``sleep`` waits for the given seconds (asyncio.sleep; tests pass their own). ``look_s``: how long who begins a job waits
    for it; None: to its end."""

    def __init__(
        self,
        record: MigrationRecord,
        places: MailPlaces,
        store: MailStore,
        clock: Clock,
        ids: Ids,
        *,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        look_s: float | None = LOOK_S,
    ) -> None:
        self._record = record
        self._places = places
        self._store = store
        self._clock = clock
        self._ids = ids
        self._sleep = sleep
        self._look_s = look_s
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def begin(self, spec: JobSpec, password: str = "") -> Job:
        """A new job, which runs from now on. Raises AlreadyExists if the same was asked before."""
        for job in await self._record.jobs():
            if job.spec == spec:
                raise AlreadyExists(
                    f"job {job.job_id} copies just that: run it again with 'migration delta {job.job_id}', or forget it with"
                    f" 'migration delete {job.job_id}'"
                )
        now = self._clock.now()
        job = Job(self._ids.new(), spec, "waiting", now, now)
        await self._record.add_job(job, password)
        self._run(job)
        return await self._soon(job.job_id)

    async def resume(self, job_id: str, password: str | None = None) -> Job:
        """Goes on with a job that stopped or failed."""
        return await self._again(await self.job(job_id), password, remove=None, counts=None)

    async def delta(self, job_id: str, password: str | None = None, *, remove: bool) -> Job:
        """Runs a job again for what changed since. ``remove``: what vanished at the source goes from the copy too."""
        job = await self.job(job_id)
        return await self._again(job, password, remove=remove, counts=job.counts.anew())

    async def _again(self, job: Job, password: str | None, *, remove: bool | None, counts: Counts | None) -> Job:
        if job.job_id in self._tasks:
            raise Permanent(f"job {job.job_id} runs")
        if job.spec.remote is not None and not password and not await self._record.password(job.job_id):
            raise BadValue("the password of the other server is forgotten when a job is done: give it with --password")
        await self._record.change_job(
            job.job_id, state="waiting", at=self._clock.now(), remove=remove, password=password, counts=counts
        )
        self._run(await self.job(job.job_id))
        return await self._soon(job.job_id)

    async def stop(self, job_id: str) -> Job:
        """Interrupts a job; ``resume`` goes on with it."""
        job = await self.job(job_id)
        await self._cancel(job_id)
        if job.state in UNDER_WAY:
            await self._record.change_job(job_id, state="stopped", at=self._clock.now())
        return await self.job(job_id)

    async def delete(self, job_id: str) -> None:
        """Forgets a job with its password; what was copied stays."""
        await self.stop(job_id)
        await self._record.delete_job(job_id)

    async def job(self, job_id: str) -> Job:
        """Raises NotFound."""
        job = await self._record.job(job_id.upper())
        if job is None:
            raise NotFound(f"there is no migration job {job_id}")
        return job

    async def jobs(self) -> Sequence[Job]:
        """All, oldest first."""
        return await self._record.jobs()

    async def problems(self, job_id: str) -> Sequence[JobProblem]:
        """What could not be copied by the last run."""
        return await self._record.problems(job_id)

    async def go_on(self) -> None:
        """Starts what was under way when the node stopped."""
        for job in await self._record.jobs():
            if job.state in UNDER_WAY:
                self._run(job)

    async def wait(self, job_id: str) -> None:
        """Until the job runs no more."""
        if task := self._tasks.get(job_id):
            await asyncio.shield(task)

    async def close(self) -> None:
        """Interrupts all; they go on when the node is there again."""
        for job_id in list(self._tasks):
            await self._cancel(job_id)

    async def _cancel(self, job_id: str) -> None:
        if task := self._tasks.get(job_id):
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _soon(self, job_id: str) -> Job:
        """The job as it is in a moment: small ones are done by then, wrong passwords are known."""
        if task := self._tasks.get(job_id):
            await asyncio.wait([task], timeout=self._look_s)
        return await self.job(job_id)

    def _run(self, job: Job) -> None:
        task = asyncio.create_task(self._guarded(job))
        self._tasks[job.job_id] = task
        task.add_done_callback(lambda _: self._tasks.pop(job.job_id, None))

    async def _guarded(self, job: Job) -> None:
        """A fault of the program ends its job, so that it is not met again at each start."""
        try:
            await self._in_turn(job)
        except MailError as error:
            _log.error("migration-not-recorded", job=job.job_id, cause=error.cause or error.public)
        except (ValueError, LookupError, TypeError, AttributeError, OSError, AssertionError) as error:
            _log.error("migration-fault", job=job.job_id, exc_info=error)
            await self._record.change_job(
                job.job_id, state="failed", at=self._clock.now(), reason="internal error, see the log"
            )

    async def _in_turn(self, job: Job) -> None:
        async with self._turns:
            await self._record.change_job(job.job_id, state="running", at=self._clock.now())
            reason = await self._tries(job)
            state: JobState = "failed" if reason else "done"
            await self._record.change_job(job.job_id, state=state, at=self._clock.now(), reason=reason, finished=not reason)
            _log.info("migration-ended", job=job.job_id, account=job.spec.address, state=state, reason=reason)

    async def _tries(self, job: Job) -> str:
        """Runs the job to its end, with pauses where that helps; gives why it failed, "" when it did not."""
        pauses = list(PAUSES_S)
        while True:
            before = job.counts
            try:
                await self._once(job)
                return ""
            except Halted as error:
                return str(error)
            except Permanent as error:
                return error.public
            except Temporary as error:
                job = replace(job, counts=(await self.job(job.job_id)).counts)
                if job.counts.copied > before.copied:
                    pauses = list(PAUSES_S)
                if not pauses:
                    return error.public
                _log.warning("migration-interrupted", job=job.job_id, cause=error.cause or error.public)
                await self._sleep(pauses.pop(0))

    async def _once(self, job: Job) -> None:
        source, target = await self._sides(job)
        try:
            copying = Copying(job, source, target, self._record, self._clock)
            await copying.run()
            await self._record.change_job(job.job_id, state="running", at=self._clock.now(), counts=copying.counts)
        finally:
            await source.close()
            await target.close()

    async def _sides(self, job: Job) -> tuple[MailSource, MailTarget]:
        spec, password = job.spec, await self._record.password(job.job_id)
        if spec.remote is not None and not password:
            raise Permanent(f"the password is not kept any more: give it with 'migration resume {job.job_id} --password'")
        if spec.direction == "in":
            into = StoreTarget(self._store, spec.account_id, spec.mailbox)
            return await self._places.source(spec, password), into
        source = StoreSource(self._store, spec.account_id, spec.mailbox)
        return source, await self._places.target(spec, password)
