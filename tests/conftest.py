"""What holds for every test: logging is as it was before, whoever configured it (an operation without a node silences it).

The program's bytecode is made once at the beginning, also where the environment forbids Python to write it by the way: hundreds
of nodes and commands are started, and each would compile all of it anew. Examples that Hypothesis makes have no time limit of
their own: on a busy machine it would fail good code.
"""

from __future__ import annotations

import compileall
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
import structlog

import posthouse

hypothesis.settings.register_profile("house", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("house")

LONGEST_FIRST = (
    "test_crash.py",
    "test_data_on_disks.py",
    "test_crash_changes.py",
    "test_quota_and_undelete.py",
    "test_migration.py",
    "test_disk_full.py",
    "test_migration_push.py",
    "test_client_offlineimap.py",
    "test_hostile_connections.py",
    "test_attacks_on_smtp.py",
    "test_queue_crash.py",
    "test_restarts.py",
    "test_greylist_gateways.py",
    "test_quarantine.py",
    "test_opentelemetry.py",
    "test_migration_interruptions.py",
    "test_spam_scorer.py",
    "test_antivirus_on_mail.py",
    "test_checks.py",
    "test_stolen_account.py",
    "test_spam_engines.py",
    "test_outgoing_checks.py",
    "test_imap_stress.py",
    "test_client_mbsync.py",
    "test_demo.py",
)
"""Files of half a minute and more: were one of them begun last, the other workers of a whole run would wait for it."""


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        compileall.compile_dir(Path(posthouse.__file__).parent, quiet=2)
        if hasattr(config.option, "loadscopereorder"):  # pytest-xdist would begin with the files of the most tests
            config.option.loadscopereorder = False


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = {name: place for place, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: places.get(item.path.name, len(places)))  # stable: all others stay in order


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    before = structlog.get_config()
    yield
    structlog.configure(**before)
    structlog.contextvars.clear_contextvars()
