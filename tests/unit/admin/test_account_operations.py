"""Operations on stolen accounts: what they tell, and who may do what to whom (OUT-5)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from posthouse.admin.context import Context, NotAllowed
from posthouse.base.errors import NotFound
from posthouse.model.address import Address
from posthouse.model.trace import TraceQuery
from support.house import House
from support.operations import populated, run

JANE, KIM, MEI = "jane@example.test", "kim@example.test", "mei@example.org"


async def desk() -> tuple[Context, House]:
    """Jane and Kim are of one domain, Mei of another."""
    context, house = await populated(), House()
    for name in (JANE, KIM, MEI):
        await house.add_user(name)
    context = replace(
        context,
        directory=house.directory,
        store=house.store,
        spool=house.spool,
        traces=house.traces,
        clock=house.clock,
        holds=house.hold_desk,
    )
    return context, house


async def send(house: House, *to: str, account: str = JANE, client: str = "203.0.113.5") -> int:
    found = await house.directory.account(Address.parse(account))
    assert found is not None
    session = house.session("submission", account=account, client=client)
    session.account_id = found.account_id
    content = f"From: {account}\r\nSubject: Hello\r\n\r\nHi.\r\n".encode()
    reply = await house.deliver(*to, sender=account, content=content, session=session)
    house.clock.advance(1)
    return reply.code


def of(context: Context, domain: str) -> Context:
    return context.asked_by(f"admin@{domain}", "domain-administrator", "protocol")


@pytest.mark.spec_part("OUT-5")
async def test_an_account_is_held_reported_recalled_and_released() -> None:
    context, house = await desk()
    await send(house, "ann@far.test", KIM)
    await send(house, MEI, client="198.51.100.9")
    held = await run(context, f"account hold {JANE} --why stolen")
    assert held == {"account": JANE, "changed": True, "queued": 1}
    assert await send(house, KIM) == 550
    [row] = await run(context, "account list")
    assert (row["account"], row["sign"], row["why"], row["who"], row["released"]) == (JANE, "by-hand", "stolen", "root", "")
    report = await run(context, f"account report {JANE}")
    assert (report["accepted"], report["refused"], report["recipients"], report["queued"]) == (2, 1, 3, 1)
    assert (report["why"], sorted(report["clients"])) == ("stolen", ["198.51.100.9: 1", "203.0.113.5: 2"])
    assert [row["recipients"] for row in report["sent"]] == [[], [MEI], ["ann@far.test", KIM]]
    assert [(row["account"], row["state"]) for row in await run(context, f"account recall {JANE}")] == [
        (MEI, "taken"),
        (KIM, "taken"),
    ]
    steps = [step for record in await house.traces.search(TraceQuery()) for step in record.steps if step.stage == "recall"]
    assert sorted(step.recipient for step in steps) == [KIM, MEI]
    assert await run(context, f"account release {JANE}") == {"account": JANE, "changed": True, "queued": 1}
    assert await send(house, KIM) == 250
    with pytest.raises(NotFound):
        await run(context, f"account release {JANE}")
    [past] = await run(context, "account list --past")
    assert past["released_by"] == "root"


async def test_show_tells_as_whom_an_account_may_send_and_from_where_it_does() -> None:
    context, house = await desk()
    await house.directory.put_alias(Address.parse("j@example.test"), [Address.parse(JANE)])
    await house.directory.put_alias(Address.parse("all@example.test"), [Address.parse(KIM)])
    await house.directory.add_owners(Address.parse("all@example.test"), [Address.parse(JANE)])
    await send(house, KIM)
    shown = await run(context, f"account show {JANE}")
    assert shown["senders"] == ["all@example.test", "j@example.test", JANE]
    assert [place.partition(",")[0] for place in shown["places"]] == ["net 203.0.0.0/16", "client 203.0.113.5"]
    assert shown["held_since"] == ""


@pytest.mark.parametrize("verb", ["hold", "release", "report", "recall", "show"])
async def test_a_domains_administrator_touches_accounts_of_the_domain_only(verb: str) -> None:
    context, _ = await desk()
    await run(context, f"account hold {JANE}")
    with pytest.raises(NotAllowed):
        await run(of(context, "example.org"), f"account {verb} {JANE}")
    await run(of(context, "example.test"), f"account {verb} {JANE}")


async def test_a_domains_administrator_recalls_from_own_mailboxes_and_lists_own_accounts_only() -> None:
    context, house = await desk()
    await send(house, KIM, MEI)
    await run(context, f"account hold {MEI}")
    own = of(context, "example.test")
    assert [row["account"] for row in await run(own, f"account recall {JANE}")] == [KIM]
    assert await run(own, "account list") == []
    assert [row["account"] for row in await run(of(context, "example.org"), "account list")] == [MEI]


async def test_the_attack_a_domains_administrator_holds_a_stronger_account() -> None:
    context, house = await desk()
    await house.add_user("root@example.test", "administrator")
    with pytest.raises(NotAllowed):
        await run(of(context, "example.test"), "account hold root@example.test")


async def test_a_new_account_of_the_name_of_one_that_was_held_is_not_held() -> None:
    context, house = await desk()
    context = replace(context, directory_writer=house.directory)
    await run(context, f"account hold {JANE}")
    await house.directory.delete_account(Address.parse(JANE))
    await run(context, f"user add {JANE} --password secret-word-7")
    assert not await house.holds.is_held(JANE)
