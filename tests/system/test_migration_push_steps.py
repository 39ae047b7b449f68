"""A push that dies at any step, to a server that makes it fast or has nothing but IMAP4rev1; and the seal of passwords."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from posthouse.backends.sealing import Seal
from posthouse.backends.sources.imap_link import ImapLink
from posthouse.backends.targets.imap import ImapTarget
from posthouse.base.errors import Temporary
from posthouse.interfaces.mail_source import Folder, Letter
from posthouse.migration.copying import BATCH_MESSAGES, Copying
from posthouse.migration.store_side import StoreSource
from posthouse.model.migration import Job, JobSpec, Remote
from support.dovecot import PASSWORD, Dovecot, running_dovecot
from support.dying import Counting, Killed
from support.foreign_imap import contents
from support.migrating import JANE, MigrationHouse, letters, migration_house

COUNT = BATCH_MESSAGES + 5


@pytest.fixture(scope="module")
def server() -> Iterator[Dovecot]:
    with running_dovecot() as made:
        yield made


@pytest.fixture
def house(tmp_path: Path) -> Iterator[MigrationHouse]:
    with migration_house(tmp_path) as made:
        yield made


async def opened(server: Dovecot, login: str, *, plain: bool) -> ImapTarget:
    link = ImapLink(Remote("127.0.0.1", server.port, login, "off"), PASSWORD)
    await link.open()
    if plain:
        link.capabilities = frozenset(("IMAP4REV1",))
    return ImapTarget(link)


async def run(house: MigrationHouse, server: Dovecot, login: str, deadly: int, *, after: bool, plain: bool) -> bool:
    """One run; whether it came to its end."""
    job = await house.jobs.job("JOB")
    target = await opened(server, login, plain=plain)
    steps = itertools.count()
    try:
        dying: Any = Counting(target, steps, deadly, after=after)
        record: Any = Counting(house.record, steps, deadly, after=after)
        with contextlib.suppress(Killed):
            await Copying(job, StoreSource(house.store, JANE, ""), dying, record, house.clock).run()
            return True
        return False
    finally:
        await target.close()


@pytest.mark.spec_part("PLN-4")
@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("after", [False, True])
async def test_a_push_that_dies_at_any_step_neither_loses_nor_doubles(
    house: MigrationHouse, server: Dovecot, *, after: bool, plain: bool
) -> None:
    await house.fill("INBOX", letters(COUNT))
    wanted = await house.kept("INBOX")
    for deadly in itertools.count():
        login = f"user{deadly}-{after}-{plain}".lower()
        remote = Remote("127.0.0.1", server.port, login, "off")
        spec = JobSpec(JANE, "jane@example.test", "out", "imap", "", remote)
        await house.record.add_job(Job("JOB", spec, "running", 0.0, 0.0), PASSWORD)
        died = not await run(house, server, login, deadly, after=after, plain=plain)
        assert await run(house, server, login, -1, after=after, plain=plain)
        await house.record.delete_job("JOB")
        client = server.imap(login)
        there = contents(client)["INBOX"]
        client.logout()
        assert sorted(there.elements()) == sorted((content, flags, at) for content, flags, at in wanted), deadly
        if not died:
            break


def test_a_sealed_secret_opens_for_its_purpose_and_with_its_key_only(tmp_path: Path) -> None:
    seal = Seal(tmp_path / "key")
    sealed = seal.closed("päss\ud800word", "job 1")
    assert "word" not in sealed.decode("latin-1")
    assert Seal(tmp_path / "key").opened(sealed, "job 1") == "päss\ud800word"
    assert seal.closed("päss\ud800word", "job 1") != sealed
    assert seal.opened(sealed, "job 2") is None
    assert seal.opened(sealed[:-1] + bytes([sealed[-1] ^ 1]), "job 1") is None
    assert seal.opened(b"", "job 1") is None
    assert Seal(tmp_path / "other").opened(sealed, "job 1") is None
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    (tmp_path / "key").write_bytes(b"short")
    with pytest.raises(Temporary):
        Seal(tmp_path / "key").closed("secret", "job 1")


async def test_a_keyword_that_is_no_atom_costs_no_message_and_says_nothing_to_the_server(server: Dovecot) -> None:
    target = await opened(server, "odd", plain=False)
    try:
        reference = await target.open_folder(Folder(("INBOX",), "INBOX", "", True, False), "")
        flags = ("\\Seen", "Fine", "a) {3}", "b\r\nX LOGOUT", "Grün", "", "c]", 'd"')
        assert await target.append(reference, [Letter("1", flags, 1_600_000_000.0, b"Subject: odd\r\n\r\nHello\r\n")])
    finally:
        await target.close()
    client = server.imap("odd")
    assert [each[1] for each in contents(client)["INBOX"]] == [("Fine", "\\Seen")]
    client.logout()
