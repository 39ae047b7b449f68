"""What the node writes itself leaves signed: bounces in the name of the domain above, answers in the user's. Row OUT-8."""

from __future__ import annotations

import dkim  # type: ignore[import-untyped]
import pytest

from posthouse.base.errors import Temporary
from posthouse.formats.mime import summarise
from posthouse.mailauth.dkim.generate import generate
from posthouse.model.address import Address
from posthouse.model.envelope import Recipient, Sender
from posthouse.model.plan import Acceptance
from posthouse.model.script import ScriptOwner
from posthouse.model.signing_key import SigningKey
from posthouse.pipeline.own_signature import OwnSignature
from support.house import MESSAGE, House

JANE, LENA = "jane@example.test", "lena@elsewhere.test"


async def house_with_key(domain: str = "example.test") -> tuple[House, SigningKey]:
    house = House()
    await house.add_user(JANE)
    if domain != "example.test":
        await house.directory.add_domain(domain)
    private, public = generate("ed25519-sha256", 2048)
    key = SigningKey(domain, "s1", "ed25519-sha256", "active", public, 0.0, private)
    await house.signing_keys.add_signing_key(key)
    return house, key


def holds(content: bytes, key: SigningKey) -> bool:
    return bool(dkim.verify(content, dnsfunc=lambda *_, **__: key.record.encode()))


async def bounce(house: House, to: str) -> Acceptance:
    about = Acceptance("t", 0.0, Sender(Address.parse(to)), MESSAGE, summarise(MESSAGE), ())
    found = await house.notices.refused(about, [(Recipient(Address.parse(JANE)), "550 5.7.1 no")])
    assert found is not None
    return found


@pytest.mark.spec_part("OUT-8")
async def test_a_bounce_that_leaves_is_signed_in_the_name_of_the_domain_above() -> None:
    house, key = await house_with_key()
    notice = await bounce(house, LENA)
    assert notice.content.startswith(b"DKIM-Signature:") and holds(notice.content, key)
    assert b"DKIM-Signature" not in (await bounce(house, JANE)).content, "nobody asks in our own mailboxes"
    house.set("mailauth.sign", False)
    assert b"DKIM-Signature" not in (await bounce(house, LENA)).content


@pytest.mark.spec_part("OUT-8")
async def test_an_answer_of_a_filter_is_signed_in_the_name_of_the_users_domain() -> None:
    house, key = await house_with_key()
    jane = await house.directory.account(Address.parse(JANE))
    assert jane is not None
    await house.scripts.put_script(ScriptOwner("user", jane.account_id), "main", 'require "vacation"; vacation "Away.";', 0.0)
    await house.scripts.activate(ScriptOwner("user", jane.account_id), "main")
    await house.deliver(JANE)
    [answer] = [each for each in house.sink.accepted if each.sender.address is None]
    assert holds(answer.content, key)


async def test_attack_a_users_filter_gets_no_other_domains_signature() -> None:
    house, _ = await house_with_key("other.test")
    signature = OwnSignature(lambda: house.settings, house.signing_keys, house.clock)
    content = b"From: ceo@other.test\r\nSubject: x\r\n\r\nx\r\n"
    assert await signature.of_user(content, "example.test") == content
    assert (await signature.of_user(content, "other.test")).startswith(b"DKIM-Signature:")


async def test_what_cannot_be_signed_now_leaves_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    house, _ = await house_with_key()

    async def broken(domain: str) -> list[SigningKey]:
        raise Temporary("no", cause=domain)

    monkeypatch.setattr(house.signing_keys, "active_keys", broken)
    assert b"DKIM-Signature" not in (await bounce(house, LENA)).content
