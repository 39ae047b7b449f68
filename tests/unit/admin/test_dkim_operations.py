"""Operations on signing keys: a key's way from next to deleted, and records that can be published as they are shown."""

from __future__ import annotations

import re

import pytest

from posthouse.admin.context import NotAllowed
from posthouse.base.errors import BadValue, MailError, NotFound, Permanent
from posthouse.mailauth.dkim.keys import read
from support.operations import populated, run


@pytest.mark.spec_part("OUT-8")
async def test_a_key_goes_from_next_to_active_to_retired() -> None:
    context = await populated()
    first = await run(context, "dkim add example.test --selector a --algorithm ed25519")
    assert (first["state"], first["name"], first["type"]) == ("next", "a._domainkey.example.test", "TXT")
    await run(context, "dkim rotate example.test")
    await run(context, "dkim add example.test --selector b --algorithm ed25519")
    rows = await run(context, "dkim rotate example.test")
    assert {row["selector"]: row["state"] for row in rows} == {"a": "retired", "b": "active"}
    assert len(await run(context, "dkim show example.test")) == 2
    await run(context, "dkim delete example.test a")
    assert [row["selector"] for row in await run(context, "dkim list")] == ["b"]


async def test_keys_of_two_kinds_are_active_side_by_side() -> None:
    context = await populated()
    for algorithm in ("rsa", "ed25519"):
        await run(context, f"dkim add example.test --algorithm {algorithm}")
    rows = await run(context, "dkim rotate example.test")
    assert [(row["algorithm"], row["state"]) for row in rows] == [("rsa-sha256", "active"), ("ed25519-sha256", "active")]
    assert len({row["selector"] for row in rows}) == 2


@pytest.mark.parametrize(("algorithm", "bits"), [("rsa", 2048), ("ed25519", 256)])
async def test_the_record_that_is_shown_is_a_usable_key(algorithm: str, bits: int) -> None:
    row = await run(await populated(), f"dkim add example.test --algorithm {algorithm}")
    assert read(row["text"]).bits == bits
    strings = re.findall(r'"([^"]*)"', row["zone_line"])
    assert "".join(strings) == row["text"]
    assert all(len(string) <= 255 for string in strings)
    assert row["zone_line"].startswith(f"{row['name']}. IN TXT (")


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("dkim add nowhere.test --algorithm ed25519", NotFound),
        ("dkim add example.test --bits 512", BadValue),
        ("dkim add example.test --selector a..b", BadValue),
        ("dkim rotate example.test", Permanent),
        ("dkim retire example.test nothing", NotFound),
        ("dkim delete example.test nothing", NotFound),
    ],
)
async def test_what_cannot_be_done_is_said(line: str, error: type[MailError]) -> None:
    with pytest.raises(error):
        await run(await populated(), line)


async def test_a_key_in_use_is_retired_before_it_is_deleted() -> None:
    context = await populated()
    await run(context, "dkim add example.test --selector a --algorithm ed25519")
    await run(context, "dkim rotate example.test")
    with pytest.raises(Permanent):
        await run(context, "dkim delete example.test a")
    assert (await run(context, "dkim retire example.test a"))["state"] == "retired"
    await run(context, "dkim delete example.test a")
    assert await run(context, "dkim list example.test") == []


async def test_a_domain_administrator_sees_and_makes_keys_of_the_own_domain_only() -> None:
    context = await populated()
    await run(context, "dkim add example.org --selector other --algorithm ed25519")
    omar = context.asked_by("omar@example.test", "domain-administrator", "test")
    await run(omar, "dkim add example.test --selector mine --algorithm ed25519")
    assert [row["selector"] for row in await run(omar, "dkim list")] == ["mine"]
    for line in ("dkim show example.org", "dkim list example.org", "dkim add example.org", "dkim rotate example.org"):
        with pytest.raises(NotAllowed):
            await run(omar, line)
