"""Files and functions stay small enough to read. The lists of exceptions may only shrink."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "src" / "posthouse"
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 50
LONG_FILES: dict[str, int] = {}
LONG_FUNCTIONS: dict[str, int] = {}

FILES = sorted(SOURCE.rglob("*.py"))


def name(path: Path) -> str:
    return path.relative_to(SOURCE).as_posix()


def functions(path: Path) -> list[tuple[str, int]]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [
        (f"{name(path)}:{node.name}", (node.end_lineno or node.lineno) - node.lineno + 1)
        for node in ast.walk(tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    ]


@pytest.mark.parametrize("path", FILES, ids=name)
def test_a_file_has_one_subject_and_says_which(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    lines = text.count("\n")
    assert lines <= LONG_FILES.get(name(path), MAX_FILE_LINES), f"{name(path)} has {lines} lines"
    assert ast.get_docstring(ast.parse(text)), f"{name(path)} does not say what it is for"


@pytest.mark.parametrize("path", FILES, ids=name)
def test_a_function_fits_on_a_screen(path: Path) -> None:
    long = [f"{key}: {lines}" for key, lines in functions(path) if lines > LONG_FUNCTIONS.get(key, MAX_FUNCTION_LINES)]
    assert not long, long


def test_the_exceptions_are_still_needed() -> None:
    sizes = {name(path): path.read_text(encoding="utf-8").count("\n") for path in FILES}
    assert all(sizes.get(key, 0) > MAX_FILE_LINES and sizes[key] == lines for key, lines in LONG_FILES.items())
    found = {key: lines for path in FILES for key, lines in functions(path)}
    assert all(found.get(key, 0) > MAX_FUNCTION_LINES and found[key] == lines for key, lines in LONG_FUNCTIONS.items())
