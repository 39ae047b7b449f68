"""The fixture ``serve``."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.listening import Serve


@pytest.fixture
async def serve(tmp_path: Path) -> AsyncIterator[Serve]:
    """Starts listeners around the test's own handlers; all are stopped when the test ends."""
    starter = Serve(tmp_path)
    yield starter
    await starter.stop()
