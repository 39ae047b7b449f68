"""The senders of forwarded mail: whose is rewritten, and whom that leads back to."""

from __future__ import annotations

from collections.abc import Sequence

from posthouse.base.clock import ManualClock
from posthouse.directory.rewriting import SenderRewriting
from posthouse.model.address import Address
from posthouse.model.envelope import Sender
from support.house import House

LENA = Sender(Address.parse("lena@elsewhere.test"))


async def rewriting(house: House) -> SenderRewriting:
    await house.add_user("jane@example.test")
    return SenderRewriting(b"secret", house.directory, lambda: house.settings, ManualClock())


async def test_a_strangers_sender_is_rewritten_in_the_forwarders_domain() -> None:
    senders = await rewriting(House())
    made = (await senders.forwarded(LENA, "jane@example.test")).address
    assert made is not None and made.domain == "example.test"
    assert senders.original(made) == LENA.address


async def test_what_need_not_be_rewritten_is_not() -> None:
    house = House()
    senders = await rewriting(house)
    untouched: Sequence[tuple[Sender, str]] = [
        (Sender(None), "jane@example.test"),
        (Sender(Address.parse("jane@example.test")), "jane@example.test"),
        (LENA, ""),
    ]
    for sender, forwarder in untouched:
        assert await senders.forwarded(sender, forwarder) == sender
    house.set("mailauth.srs", False)
    assert await senders.forwarded(LENA, "jane@example.test") == LENA


async def test_another_address_leads_back_to_nobody() -> None:
    senders = await rewriting(House())
    assert senders.original(Address.parse("jane@example.test")) is None
    assert senders.original(Address.parse("SRS0=x=y=z@example.test")) is None
