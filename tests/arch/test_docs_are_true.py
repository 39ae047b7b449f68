"""What the documentation says can be typed, set, opened and read up is really there (the reference has its own test)."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import click
import pytest

from posthouse.admin import registry
from posthouse.admin.arguments import parse_words
from posthouse.base.errors import BadValue
from posthouse.cli.docs import metrics_page
from posthouse.cli.main import posthouse
from posthouse.cli.operate import help_text
from posthouse.model.settings import CATALOGUE, GROUPS, spec_of
from posthouse.roles import config

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "posthouse"
INDEX = ROOT / "docs" / "rfc" / "index.txt"
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
OWN_COMMANDS = ("serve", "shell", "demo", "docs")
PLACEHOLDERS = {"ADDRESS": "jane@example.com"}
SHELL_ENDS = ("|", ">", "<", "&", ";")
NOT_SETTINGS = {"py", "md", "db", "txt", "example"}
RFC = re.compile(r"RFCs? (\d{3,4}(?:(?:, | and )\d{3,4})*)(?!\d)")


@cache
def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def code_lines(text: str) -> Iterator[str]:
    """Lines of code blocks, indented or fenced, and inline code."""
    fenced = False
    for line in text.splitlines():
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif fenced or line.startswith("    "):
            yield line
        else:
            yield from re.findall(r"`([^`]+)`", line)


def commands(page: Path) -> list[list[str]]:
    """The words after ``posthouse`` of every command line on a page."""
    found = []
    for line in code_lines(text_of(page)):
        match = re.match(r"\s*(?:export \S+ && )?(?:\S*/)?posthouse(?:\s+(.*))?$", line)
        if match is None or not match[1]:
            continue
        words: list[str] = []
        for word in shlex.split(match[1], comments=True):
            if word.startswith(SHELL_ENDS):
                break
            words.append(PLACEHOLDERS.get(word, word))
        if not {"NOUN", "FOLDER", "..."} & set(words):
            found.append(words)
    return found


COMMANDS = [(page.relative_to(ROOT).as_posix(), words) for page in PAGES for words in commands(page)]


def without_root_options(words: list[str]) -> list[str]:
    rest = list(words)
    while rest and rest[0].startswith("--"):
        rest = rest[2:] if rest[0] == "--config" else rest[1:]
    return [word for word in rest if word != "--json"]


def check_operation(words: list[str]) -> None:
    found, rest = registry.find(words)
    values = parse_words(found.arguments, rest, now=1.8e9, domain="invalid")
    lacking = [argument.word for argument in found.arguments if argument.required and argument.name not in values]
    asked_for = [argument.word for argument in found.arguments if argument.from_input]
    assert set(lacking) <= set(asked_for), f"{words}: {lacking} missing"
    if found.verb in ("get", "set", "reset") and "key" in values:
        key = str(values["key"])
        spec = spec_of(key if found.noun == "setting" else f"{found.noun}.{key}")
        if found.verb == "set":
            spec.parse(" ".join(rest[1:]))


def test_there_are_commands_to_look_at() -> None:
    assert len(COMMANDS) > 100


@pytest.mark.parametrize(("page", "words"), COMMANDS, ids=[f"{page}: {' '.join(words)}" for page, words in COMMANDS])
def test_every_command_names_an_operation_and_its_arguments_parse(page: str, words: list[str]) -> None:
    rest = without_root_options(words)
    if not rest:
        return
    if rest[0] in OWN_COMMANDS:
        command = posthouse.get_command(click.Context(posthouse), rest[0])
        assert command is not None
        command.make_context(rest[0], rest[1:] or (["docs/reference"] if rest[0] == "docs" else []))
    elif rest[0] == "help":
        assert help_text(rest)
    else:
        try:
            check_operation(rest)
        except BadValue as error:
            pytest.fail(f"{page}: posthouse {' '.join(words)}: {error.public}")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_setting_that_a_page_names_exists(page: Path) -> None:
    pattern = rf"(?<![\w./@-])({'|'.join(GROUPS)})\.([a-z][a-z0-9_]*)(?![\w./-]*\.)"
    named = {f"{group}.{name}" for group, name in re.findall(pattern, text_of(page)) if name not in NOT_SETTINGS}
    assert not named - CATALOGUE.keys()


def test_every_setting_of_an_administrators_page_is_found_by_the_pattern() -> None:
    assert "`smtp.max_message_bytes`" in text_of(ROOT / "docs" / "admin" / "receiving.md")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_key_of_node_toml_that_a_page_names_exists(page: Path) -> None:
    sections = {
        "node": config.NodeSection,
        "database": config.DatabaseSection,
        "dns": config.DnsSection,
        "commands": config.CommandsSection,
    }
    for section, name in re.findall(r"`(node|database|dns|commands)\.([a-z_]+)`", text_of(page)):
        assert name == "toml" or name in sections[section].__struct_fields__, f"{section}.{name}"


def node_files() -> list[tuple[str, str]]:
    """Every node.toml that the pages show: indented lines from ``[node]`` on."""
    found = []
    for page in PAGES:
        for block in re.findall(r"(?:^    .*\n|^\n(?=    ))+", text_of(page), re.M):
            lines = [line[4:] for line in block.splitlines()]
            if "[node]" in lines:
                shown = lines[lines.index("[node]") :]
                end = shown.index("END") if "END" in shown else len(shown)
                found.append((page.name, "\n".join(shown[:end])))
    return found


@pytest.mark.parametrize(("page", "text"), node_files())
def test_every_node_toml_that_is_shown_is_accepted(page: str, text: str, tmp_path: Path) -> None:
    path = tmp_path / "node.toml"
    path.write_text(text)
    assert config.load(path).listen


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_file_and_link_that_a_page_names_exists(page: Path) -> None:
    text = text_of(page)
    links = re.findall(r"\]\((?!https?:)([^)#]+)", text)
    missing = [link for link in links if not (page.parent / link).exists()]
    named: list[str] = re.findall(r"`([\w./-]+\.(?:py|md|txt|sh|service)|(?:docs|tests|src|bench)/[\w./-]*)`", text)
    missing += [
        word
        for word in named
        if not any((base / word).exists() for base in (ROOT, page.parent, SOURCE))
        and ("/" in word or not any(SOURCE.rglob(word)))
    ]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_make_target_that_a_page_names_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", text_of(ROOT / "Makefile"), re.M))
    named = {match[1] for line in code_lines(text_of(page)) if (match := re.match(r"\s*make ([a-z-]+)", line))}
    assert not named - targets


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_metric_that_a_page_names_exists(page: Path) -> None:
    known = set(re.findall(r"`(posthouse_\w+)`", metrics_page())) | {"posthouse_processes"}
    assert not set(re.findall(r"posthouse_[a-z_]+[a-z]", text_of(page))) - known


def test_every_log_event_that_the_monitoring_page_names_is_written_somewhere() -> None:
    logs = text_of(ROOT / "docs" / "admin" / "monitoring.md").partition("## Logs")[2].partition("| event |")[2]
    events = {name for line in logs.splitlines() for name in re.findall(r"`([^`]+)`", line.partition(" | ")[0])}
    source = "\n".join(path.read_text(encoding="utf-8") for path in SOURCE.rglob("*.py"))
    assert events
    assert not [event for event in events if f'"{event}"' not in source]


# RFCs


def index_rows() -> list[list[str]]:
    lines = text_of(INDEX).splitlines()
    return [[word.strip() for word in line.split(" | ")] for line in lines if re.match(r" *\d+ \|", line)]


def cited(text: str) -> set[int]:
    return {int(number) for match in RFC.findall(text) for number in re.findall(r"\d+", match)}


@pytest.mark.parametrize("room", sorted(path.name for path in SOURCE.iterdir() if path.is_dir() and path.name[0] != "_"))
def test_every_rfc_that_the_source_cites_is_in_the_index(room: str) -> None:
    known = {int(row[0]) for row in index_rows()}
    where = {
        number: path.relative_to(SOURCE).as_posix()
        for path in (SOURCE / room).rglob("*.py")
        for number in cited(path.read_text(encoding="utf-8")) - known
    }
    assert not where, "add them to docs/rfc/index.txt with their state"


def test_every_rfc_that_a_page_cites_is_in_the_index() -> None:
    known = {int(row[0]) for row in index_rows()}
    assert not {page.name: cited(text_of(page)) - known for page in PAGES if cited(text_of(page)) - known}


def test_lists_of_rfcs_in_docstrings_are_read_whole() -> None:
    assert cited("RFC 5321, 2033 and 2920; RFC 1939 §7, RFC 9051") == {5321, 2033, 2920, 1939, 9051}


def test_the_index_is_in_order_and_says_where_and_how_far() -> None:
    rows = index_rows()
    numbers = [int(row[0]) for row in rows]
    assert numbers == sorted(set(numbers))
    for number, title, where, state in rows:
        assert title
        assert re.match(r"done\b|part: \w", state), f"{number}: {state}"
        folder = SOURCE
        for word in where.split(", "):
            path = SOURCE / word if "/" in word else folder / word
            assert path.exists(), f"{number}: {word}"
            folder = path.parent
