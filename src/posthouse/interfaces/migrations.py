"""The record of migration jobs: what they are, and which message became which (PLN-4). Durable when a call returns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from posthouse.model.migration import Counts, Job, JobProblem, JobState


@dataclass(frozen=True, slots=True)
class FolderRecord:
    """A source folder within a job. ``reference`` is the target's name for its folder, ``mark`` what it said before the last
    batch."""

    folder_id: int
    reference: str
    mark: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A message of a source folder. ``target_key`` is None while it is not known whether it was added, "" when it was but has
    no name there (any more). ``flags`` are the source's when they were last looked at."""

    key: str
    digest: bytes
    received_at: float
    flags: tuple[str, ...]
    target_key: str | None = None


class MigrationRecord(Protocol):
    """Raises Temporary. Calls about a job or folder that is not there do nothing."""

    async def add_job(self, job: Job, password: str) -> None: ...

    async def job(self, job_id: str) -> Job | None: ...

    async def jobs(self) -> Sequence[Job]:
        """All, oldest first."""
        ...

    async def password(self, job_id: str) -> str:
        """Of the other server; "" once the job is done, or when it cannot be read here."""
        ...

    async def change_job(
        self,
        job_id: str,
        *,
        state: JobState,
        at: float,
        reason: str = "",
        counts: Counts | None = None,
        remove: bool | None = None,
        password: str | None = None,
        finished: bool = False,
    ) -> None:
        """``finished`` counts one more run, and forgets the password. What is None stays."""
        ...

    async def delete_job(self, job_id: str) -> None: ...

    async def folder(self, job_id: str, name: str) -> FolderRecord:
        """The record of a source folder, made if there is none."""
        ...

    async def change_folder(self, folder_id: int, *, reference: str, detach: bool) -> None:
        """``detach``: the target's folder is another one, so its entries have no names there any more."""
        ...

    async def entries(self, folder_id: int) -> Sequence[Entry]: ...

    async def intend(self, folder_id: int, mark: str, entries: Sequence[Entry]) -> None:
        """These will be added now; their ``target_key`` is None."""
        ...

    async def settle(self, folder_id: int, added: Mapping[str, str], dropped: Sequence[str], counts: Counts) -> None:
        """These were added under these keys; the dropped ones were not, and are forgotten. Notes the job's counts with it."""
        ...

    async def rename(self, folder_id: int, keys: Mapping[str, str]) -> None:
        """Entries by their old keys get new ones: the source numbered its messages anew."""
        ...

    async def note_flags(self, folder_id: int, flags: Mapping[str, tuple[str, ...]]) -> None: ...

    async def forget(self, folder_id: int, keys: Sequence[str]) -> None: ...

    async def known_elsewhere(self, job_id: str, folder_id: int, digest: bytes) -> bool:
        """Whether another folder of the job has a message with this content."""
        ...

    async def add_problem(self, job_id: str, problem: JobProblem) -> None:
        """Keeps the first thousand of a run."""
        ...

    async def problems(self, job_id: str) -> Sequence[JobProblem]: ...

    async def clear_problems(self, job_id: str) -> None: ...
