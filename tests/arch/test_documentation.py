"""The reference in docs/ is what the code writes; nothing in it lacks a word of explanation (ADM-1, ADM-5)."""

from __future__ import annotations

from pathlib import Path

import pytest

from posthouse.admin import group, registry
from posthouse.admin.topics import TOPICS
from posthouse.base.metrics import REGISTRY
from posthouse.cli.docs import pages
from posthouse.model.settings import CATALOGUE, GROUPS

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"


@pytest.mark.parametrize("name", sorted(pages()))
def test_reference_is_what_the_code_writes(name: str) -> None:
    kept = (REFERENCE / name).read_text(encoding="utf-8")
    assert kept == pages()[name], f"docs/reference/{name} is stale; run `make docs`"


def test_reference_holds_no_page_that_the_code_does_not_write() -> None:
    assert {path.name for path in REFERENCE.glob("*.md")} == set(pages())


@pytest.mark.parametrize("key", sorted(CATALOGUE))
def test_every_setting_has_help(key: str) -> None:
    spec = CATALOGUE[key]
    assert len(spec.help) >= 10
    assert spec.help.rstrip().endswith((".", ")")), f"{key}: {spec.help}"
    spec.check(spec.default)
    assert spec.parse(spec.render(spec.default)) == spec.default


@pytest.mark.parametrize("name", sorted(GROUPS))
def test_every_group_of_settings_has_a_docstring(name: str) -> None:
    assert GROUPS[name].__doc__


@pytest.mark.parametrize("name", sorted(registry.operations()))
def test_every_operation_and_argument_is_explained(name: str) -> None:
    found = registry.operations()[name]
    assert len(found.summary) > 10
    assert found.summary.endswith(".")
    assert not [argument.name for argument in found.arguments if not argument.help]


def test_every_module_of_operations_is_registered() -> None:
    folder = Path(registry.__file__).parent
    written = sum(path.read_text().count("\n@operation(") for path in folder.glob("*.py"))
    shorts = [each for each in registry.operations().values() if each.noun in GROUPS and each.verb in ("get", "list", "set")]
    made = len([each for each in shorts if each.noun not in group.WITHOUT_SHORT_FORM])
    assert len(registry.operations()) == written + made


def test_every_metric_has_help() -> None:
    for family in REGISTRY.collect():
        assert len(family.documentation) > 10, family.name


def test_every_topic_has_a_text() -> None:
    for topic, text in TOPICS.items():
        assert len(text) > 80, topic
