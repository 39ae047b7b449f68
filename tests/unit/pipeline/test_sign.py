"""The sign stage: mail of logged-in senders gets the signatures of its author's domain, and dkimpy verifies what is stored."""

from __future__ import annotations

from dataclasses import replace

import dkim  # type: ignore[import-untyped]
import pytest

from posthouse.mailauth.dkim.generate import generate
from posthouse.model.address import Address
from posthouse.model.signing_key import Algorithm, KeyState, SigningKey
from support.house import House

JANE = "jane@example.test"
MESSAGE = b"From: Jane <jane@example.test>\r\nTo: x@faraway.test\r\nSubject: Hello\r\n\r\nHi  there. \r\n"


async def house_with_key(algorithm: Algorithm, state: KeyState = "active") -> tuple[House, SigningKey]:
    house = House()
    await house.add_user(JANE)
    private, public = generate(algorithm, 2048)
    key = SigningKey("example.test", "s1", algorithm, state, public, 0.0, private)
    await house.signing_keys.add_signing_key(key)
    return house, key


async def sent(house: House, content: bytes = MESSAGE) -> bytes:
    reply = await house.deliver(
        "x@faraway.test", sender=JANE, content=content, session=house.session("submission", account=JANE)
    )
    assert reply.code == 250
    return house.sink.accepted[-1].content


@pytest.mark.spec_part("OUT-8")
@pytest.mark.parametrize("algorithm", ["rsa-sha256", "ed25519-sha256"])
async def test_what_leaves_is_signed_and_verifies_elsewhere(algorithm: Algorithm) -> None:
    house, key = await house_with_key(algorithm)
    content = await sent(house)
    assert content.startswith(b"DKIM-Signature: v=1;")
    assert dkim.verify(content, dnsfunc=lambda *_, **__: key.record.encode())


@pytest.mark.parametrize("state", ["next", "retired"])
async def test_keys_that_are_not_in_use_sign_nothing(state: KeyState) -> None:
    house, _ = await house_with_key("ed25519-sha256", state)
    assert b"DKIM-Signature" not in await sent(house)


async def test_another_authors_domain_is_not_signed_even_if_it_is_ours_and_has_a_key() -> None:
    house, key = await house_with_key("ed25519-sha256")
    await house.directory.add_domain("other.test")
    await house.signing_keys.add_signing_key(replace(key, domain="other.test", private_key=key.private_key))
    assert b"DKIM-Signature" not in await sent(house, MESSAGE.replace(b"example.test>", b"other.test>"))


@pytest.mark.spec_part("OUT-8")
async def test_who_may_send_as_an_address_of_another_domain_gets_that_domains_signature() -> None:
    house, key = await house_with_key("ed25519-sha256")
    await house.directory.add_domain("brand.test")
    await house.signing_keys.add_signing_key(replace(key, domain="brand.test", private_key=key.private_key))
    await house.directory.put_alias(Address.parse("sales@brand.test"), [Address.parse(JANE)])
    content = await sent(house, MESSAGE.replace(JANE.encode(), b"sales@brand.test"))
    assert content.startswith(b"DKIM-Signature: v=1;") and b"d=brand.test" in content.partition(b"\r\n\r\n")[0]
    two = MESSAGE.replace(JANE.encode() + b">", b"sales@brand.test>, <boss@brand.test>")
    assert b"boss@" in two and b"DKIM-Signature" not in await sent(house, two), "the other author did not agree"


async def test_a_strangers_message_in_our_name_is_not_signed() -> None:
    house, _ = await house_with_key("ed25519-sha256")
    await house.deliver(JANE, sender=JANE, content=MESSAGE)
    assert b"DKIM-Signature" not in house.sink.accepted[-1].content


async def test_signing_can_be_switched_off() -> None:
    house, _ = await house_with_key("ed25519-sha256")
    house.set("mailauth.sign", False)
    assert b"DKIM-Signature" not in await sent(house)
