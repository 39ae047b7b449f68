"""What holds for every test: logging is as it was before, whoever configured it (an operation without a node silences it).

The program's bytecode is made once at the beginning, also where the environment forbids Python to write it by the way: hundreds
of nodes and commands are started, and each would compile all of it anew.
"""

from __future__ import annotations

import compileall
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

import posthouse


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        compileall.compile_dir(Path(posthouse.__file__).parent, quiet=2)


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    before = structlog.get_config()
    yield
    structlog.configure(**before)
    structlog.contextvars.clear_contextvars()
