"""The connect stage: limits by client address, off until enabled; relay rights by network."""

from __future__ import annotations

import pytest

from posthouse.model.verdict import Refuse
from support.house import House


async def refusals(house: House, client: str, times: int) -> int:
    verdicts = [await house.driver.connect(house.session(client=client)) for _ in range(times)]
    return sum(isinstance(verdict, Refuse) for verdict in verdicts)


async def test_connections_are_not_limited_until_the_setting_is_on() -> None:
    assert await refusals(House(), "192.0.2.9", 100) == 0


@pytest.mark.spec_part("NET-1")
async def test_open_connections_of_one_address_are_limited() -> None:
    house = House()
    house.set("smtp.dos_prevention", True)
    assert await refusals(house, "192.0.2.9", 52) == 2
    assert await refusals(house, "192.0.2.10", 1) == 0


async def test_one_ipv6_network_counts_as_one_client() -> None:
    house = House()
    house.set("smtp.dos_prevention", True)
    house.set("smtp.max_open_per_address", 2)
    assert await refusals(house, "2001:db8::1", 2) == 0
    assert await refusals(house, "2001:db8::2", 1) == 1
    assert await refusals(house, "2001:db8:0:1::2", 1) == 0


async def test_new_connections_are_limited_in_a_window_of_ten_seconds() -> None:
    house = House()
    house.set("smtp.dos_prevention", True)
    house.set("smtp.max_open_per_address", 10_000)
    assert await refusals(house, "192.0.2.9", 401) == 1
    house.clock.advance(11)
    assert await refusals(house, "192.0.2.9", 1) == 0


async def test_trusted_hosts_are_exempt() -> None:
    house = House()
    house.set("smtp.dos_prevention", True)
    house.set("smtp.trusted_networks", ("192.0.2.",))
    assert await refusals(house, "192.0.2.9", 60) == 0
