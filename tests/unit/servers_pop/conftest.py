"""A house with one user, jane, and an empty inbox."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from posthouse.protocols.sasl import make_scram
from support.imap_dialogue import PASSWORD, World
from support.pop_house import House, coded


@pytest.fixture
async def house() -> AsyncIterator[House]:
    world = World()
    salt = b"0123456789abcdef"
    stored_key, server_key = make_scram(PASSWORD, salt, 4096)
    await world.start(scram=f"{coded(salt)}$4096${coded(stored_key)}${coded(server_key)}")
    house = House(world)
    yield house
    await house.stop()
