"""Whatever ends a run at whatever step, going on neither loses a message nor copies one twice; trouble is met with patience."""

from __future__ import annotations

import contextlib
import itertools
import mailbox
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from posthouse.backends.mail_places import LocalPlaces
from posthouse.backends.memory.mailstore import MemoryMailStore
from posthouse.base.errors import BadValue, Permanent, Temporary
from posthouse.interfaces.mail_source import MailSource, MailTarget
from posthouse.migration.copying import BATCH_MESSAGES, Copying
from posthouse.migration.jobs import PAUSES_S
from posthouse.migration.store_side import StoreSource, StoreTarget
from posthouse.model.migration import Job, JobSpec, Medium
from support.dying import Counting, Killed
from support.migrating import JANE, MigrationHouse, letters, migration_house, spec

COUNT = BATCH_MESSAGES * 2 + 10


@pytest.fixture
def house(tmp_path: Path) -> Iterator[MigrationHouse]:
    (tmp_path / "record").mkdir()
    with migration_house(tmp_path / "record") as made:
        yield made


async def sides(house: MigrationHouse, job: Job) -> tuple[MailSource, MailTarget]:
    places = LocalPlaces()
    if job.spec.direction == "in":
        return await places.source(job.spec, ""), StoreTarget(house.store, JANE, job.spec.mailbox)
    return StoreSource(house.store, JANE, job.spec.mailbox), await places.target(job.spec, "")


async def run_until_killed(house: MigrationHouse, job_id: str, deadly: int, *, after: bool) -> bool:
    """One run, as a fresh process does it; whether it came to its end."""
    job = await house.jobs.job(job_id)
    source, target = await sides(house, job)
    steps = itertools.count()
    try:
        dying: Any = Counting(target, steps, deadly, after=after)
        record: Any = Counting(house.record, steps, deadly, after=after)
        with contextlib.suppress(Killed):
            await Copying(job, source, dying, record, house.clock).run()
            return True
        return False
    finally:
        await source.close()
        await target.close()


async def lives(house: MigrationHouse, what: JobSpec, deadly: int, *, after: bool) -> bool:
    """A job whose first run dies at that step, and whose second one comes through. False if there are fewer steps."""
    await house.record.add_job(Job("JOB", what, "running", 0.0, 0.0), "")
    died = not await run_until_killed(house, "JOB", deadly, after=after)
    assert await run_until_killed(house, "JOB", -1, after=after)
    await house.record.delete_job("JOB")
    return died


def subjects(contents: list[bytes]) -> Counter[bytes]:
    return Counter(content.partition(b"Subject: ")[2].partition(b"\r")[0].partition(b"\n")[0] for content in contents)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("medium", ["mbox", "maildir"])
async def test_going_on_after_a_death_at_any_step_neither_loses_nor_doubles(
    house: MigrationHouse, tmp_path: Path, medium: Medium, *, after: bool
) -> None:
    messages = letters(COUNT)
    wanted = subjects([message.content for message in messages])
    full = house.store
    for name in ("INBOX", "Work"):
        await house.fill(name, messages)
    for deadly in itertools.count():
        house.store = full
        out = tmp_path / f"out{deadly}"
        went_out = await lives(house, spec("out", medium, out), deadly, after=after)
        house.store = MemoryMailStore(clock=house.clock)
        came_in = await lives(house, spec("in", medium, out), deadly, after=after)
        for name in ("INBOX", "Work"):
            assert subjects([kept[0] for kept in await house.kept(name)]) == wanted, deadly
        if not went_out and not came_in:
            break
    assert deadly > 20


async def test_what_its_user_moved_away_before_the_job_went_on_is_not_copied_again(
    house: MigrationHouse, tmp_path: Path
) -> None:
    other = MemoryMailStore(clock=house.clock)
    await other.append((await other.mailboxes(JANE))[0].mailbox_id, letters(20))
    theirs, house.store = house.store, other
    await house.record.add_job(Job("OUT", spec("out", "maildir", tmp_path / "out"), "running", 0.0, 0.0), "")
    assert await run_until_killed(house, "OUT", -1, after=True)
    house.store = theirs
    await house.record.add_job(Job("JOB", spec("in", "maildir", tmp_path / "out"), "running", 0.0, 0.0), "")
    # Steps of a folder: change_folder 0, mark 1, intend 2, append 3; dead right after the append.
    assert not await run_until_killed(house, "JOB", 3, after=True)
    inbox, trash = await house.mailbox("INBOX"), await house.mailbox("Trash")
    uids = [row.uid for row in (await house.store.rows(inbox))[1]]
    assert len(uids) == 20
    await house.store.copy(inbox, uids[:7], trash, move=True)
    assert await run_until_killed(house, "JOB", -1, after=True)
    assert len(await house.kept("INBOX")) == 13
    assert len(await house.kept("Trash")) == 7


class Flaky:
    """Places whose sources fail to open some times first."""

    def __init__(self, failures: int) -> None:
        self.left = failures
        self._real = LocalPlaces()

    async def source(self, what: JobSpec, password: str) -> MailSource:
        if self.left:
            self.left -= 1
            raise Temporary("the other server is away")
        return await self._real.source(what, password)

    async def target(self, what: JobSpec, password: str) -> MailTarget:
        return await self._real.target(what, password)


@pytest.mark.parametrize("failures", [0, 3, len(PAUSES_S), len(PAUSES_S) + 1])
async def test_a_server_that_is_away_is_tried_again_for_a_while(tmp_path: Path, failures: int) -> None:
    (tmp_path / "mail").write_bytes(b"From a Sat Jan  3 01:05:34 1996\nSubject: x\n\ny\n")
    with migration_house(tmp_path, places=Flaky(failures)) as house:
        job = await house.run(spec("in", "mbox", tmp_path / "mail"))
        assert house.slept == list(PAUSES_S[:failures])
        if failures > len(PAUSES_S):
            assert (job.state, job.reason) == ("failed", "the other server is away")
            await house.jobs.resume(job.job_id)
            await house.jobs.wait(job.job_id)
            job = await house.jobs.job(job.job_id)
        assert (job.state, job.counts.copied, job.reason) == ("done", 1, "")


class Narrow(MemoryMailStore):
    """Refuses some messages, and all once a quota is full."""

    room = 10_000

    async def append(self, mailbox_id: int, messages: Any, *, name: str = "") -> Any:
        info = await self.mailbox_by_id(mailbox_id)
        assert info is not None
        if info.exists + len(messages) > self.room:
            raise Permanent("The quota is exceeded", imap_code="OVERQUOTA")
        if any(b"bad" in message.content for message in messages):
            raise BadValue("This one is not wanted")
        return await super().append(mailbox_id, messages, name=name)


def mbox(path: Path, *words: str) -> Path:
    path.write_text("".join(f"From a Sat Jan  3 01:05:34 1996\nSubject: {word}\n\nText\n\n" for word in words))
    return path


async def test_a_message_that_is_refused_is_named_and_the_rest_of_its_batch_comes_in(tmp_path: Path) -> None:
    with migration_house(tmp_path, store=Narrow()) as house:
        words = ["one", "bad 1", "two", "three", "bad 2"]
        job = await house.run(spec("in", "mbox", mbox(tmp_path / "mail", *words), "Old"))
        assert (job.state, job.counts.copied, job.counts.failed) == ("done", 3, 2)
        assert {each.text for each in await house.jobs.problems(job.job_id)} == {"This one is not wanted"}
        again = await house.again(job)
        assert (again.counts.copied, again.counts.failed) == (3, 2)
        assert len(await house.kept("Old")) == 3


async def test_a_full_quota_stops_the_job_with_its_reason_and_resume_goes_on(tmp_path: Path) -> None:
    store = Narrow()
    store.room = BATCH_MESSAGES
    with migration_house(tmp_path, store=store) as house:
        words = [f"w{number}" for number in range(BATCH_MESSAGES + 5)]
        job = await house.run(spec("in", "mbox", mbox(tmp_path / "mail", *words), "Old"))
        assert (job.state, job.reason, job.counts.copied) == ("failed", "The quota is exceeded", BATCH_MESSAGES)
        store.room = 10_000
        await house.jobs.resume(job.job_id)
        await house.jobs.wait(job.job_id)
        assert (await house.jobs.job(job.job_id)).counts.copied == len(words)
        assert len(await house.kept("Old")) == len(words)


async def test_a_stopped_job_goes_on_when_told_to_and_one_that_the_node_ended_by_itself(tmp_path: Path) -> None:
    mbox(tmp_path / "mail", *[f"w{number}" for number in range(400)])
    with migration_house(tmp_path) as house:
        job = await house.jobs.begin(spec("in", "mbox", tmp_path / "mail", "Old"))
        await house.jobs.stop(job.job_id)
        assert (await house.jobs.job(job.job_id)).state in ("stopped", "done")
        await house.record.change_job(job.job_id, state="running", at=0.0)
        await house.jobs.go_on()
        await house.jobs.wait(job.job_id)
        assert (await house.jobs.job(job.job_id)).counts.copied == 400
        assert len(await house.kept("Old")) == 400


async def test_a_mailbox_that_was_deleted_here_is_not_filled_again_but_new_mail_comes(
    house: MigrationHouse, tmp_path: Path
) -> None:
    path = mbox(tmp_path / "mail", "one", "two")
    job = await house.run(spec("in", "mbox", path, "Old"))
    await house.store.delete(JANE, "Old")
    with path.open("a") as file:
        file.write("From a Sat Jan  3 01:05:34 1996\nStatus: R\nSubject: three\n\nText\n")
    again = await house.again(job)
    assert (again.state, again.counts.failed) == ("done", 0)
    assert subjects([kept[0] for kept in await house.kept("Old")]) == Counter([b"three"])


async def test_a_mailbox_that_was_renamed_here_is_still_the_one(house: MigrationHouse, tmp_path: Path) -> None:
    path = mbox(tmp_path / "mail", "one")
    job = await house.run(spec("in", "mbox", path, "Old"))
    await house.store.rename(JANE, "Old", "New")
    mbox(path, "one", "two")
    await house.again(job)
    assert len(await house.kept("New")) == 2
    assert await house.store.mailbox(JANE, "Old") is None


async def test_a_source_that_numbers_its_messages_anew_brings_none_twice(house: MigrationHouse, tmp_path: Path) -> None:
    box = mailbox.Maildir(tmp_path / "in")
    for number in range(BATCH_MESSAGES + 5):
        box.add(f"Subject: {number}\n\nHello\n".encode())
    job = await house.run(spec("in", "maildir", tmp_path / "in"))
    for number, file in enumerate((tmp_path / "in" / "new").iterdir()):
        file.rename(tmp_path / "in" / "cur" / f"{1_700_000_000 + number}.other:2,F")
    again = await house.again(job, remove=True)
    assert (again.counts.copied, again.counts.updated, again.counts.removed) == (BATCH_MESSAGES + 5, BATCH_MESSAGES + 5, 0)
    assert all(kept[1] == ("\\Flagged",) for kept in await house.kept("INBOX"))
    assert len(await house.kept("INBOX")) == BATCH_MESSAGES + 5
