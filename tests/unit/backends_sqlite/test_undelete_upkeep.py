"""Undelete of very many messages: no unit takes long, the rest is done between units, through restarts (STO-2)."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from posthouse.backends.sqlite import units_mailbox, units_undelete
from posthouse.backends.sqlite.check import check
from posthouse.interfaces.limits import Allowances
from posthouse.model.limits import Allowance
from posthouse.model.mailbox import NewMessage
from posthouse.model.undelete import SHADOW
from support.mail_backends import MailBackends, letter, mail_backends

COUNT = 250
SIZE = len(letter("number 100"))


def keeping(size_bytes: int) -> Allowances:
    async def of(_account_id: int) -> Allowance:
        return Allowance(undelete_bytes=size_bytes)

    return of


async def filled(backends: MailBackends) -> int:
    info = await backends.store.create(1, "Work")
    messages = [NewMessage(letter(f"number {number:03}"), ("\\Deleted", "red")) for number in range(COUNT)]
    await backends.store.append(info.mailbox_id, messages)
    return info.mailbox_id


async def kept_in_the_end(backends: MailBackends, count: int) -> None:
    async with asyncio.timeout(60):
        while (await backends.store.usage(1)).deleted_messages != count:
            await asyncio.sleep(0.01)


async def test_a_large_deleted_mailbox_arrives_in_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(units_mailbox, "PUT_AWAY_STEPS_AT_ONCE", 1)
    async with mail_backends("sqlite", tmp_path, allowances=keeping(1 << 30)) as backends:
        await filled(backends)
        await backends.store.delete(1, "Work")
        assert await backends.store.mailbox(1, "Work") is None
    async with mail_backends("sqlite", tmp_path, allowances=keeping(1 << 30)) as backends:  # what is open goes on
        await kept_in_the_end(backends, COUNT)
        shadow = await backends.store.mailbox(1, f"{SHADOW}/Work")
        assert shadow is not None
        assert (shadow.exists, shadow.deleted, shadow.keywords) == (COUNT, 0, ("red",))
    assert check(tmp_path / "mail.db", contents=True).problems == ()


async def test_a_shadow_that_goes_meanwhile_takes_the_rest_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(units_mailbox, "PUT_AWAY_STEPS_AT_ONCE", 1)
    async with mail_backends("sqlite", tmp_path, allowances=keeping(1 << 30)) as backends:
        await filled(backends)
        deleting = asyncio.ensure_future(backends.store.delete(1, "Work"))
        again = asyncio.ensure_future(backends.store.delete(1, f"{SHADOW}/Work"))
        await asyncio.gather(deleting, again)
        await kept_in_the_end(backends, 0)
        await backends.store.delete_account(1)
    assert check(tmp_path / "mail.db").problems == ()


async def test_what_is_too_much_goes_in_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(units_undelete, "TRIM_MESSAGES", 10)
    monkeypatch.setattr(units_undelete, "TRIM_STEPS_AT_ONCE", 1)
    async with mail_backends("sqlite", tmp_path, allowances=keeping(100 * SIZE)) as backends:
        gone = await backends.store.expunge(await filled(backends), None)
        assert len(gone) == COUNT
        await kept_in_the_end(backends, 90)
        shadow = await backends.store.mailbox(1, f"{SHADOW}/Work")
        assert shadow is not None
        _, rows = await backends.store.rows(shadow.mailbox_id)
        assert [row.uid for row in rows] == list(range(COUNT - 89, COUNT + 1)), "the oldest went"
    assert check(tmp_path / "mail.db").problems == ()
