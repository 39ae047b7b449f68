"""The wheel, installed away from the checkout, is a working Posthouse: serve, operations, one message from SMTP to IMAP."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import urllib.request
import zipfile
from pathlib import Path

import pytest

from support.node import PASSWORD, Node

ROOT = Path(__file__).parents[2]

pytestmark = [pytest.mark.timeout(90)]


def run(*words: str, cwd: Path) -> str:
    done = subprocess.run(words, cwd=cwd, capture_output=True, text=True, timeout=40)
    assert done.returncode == 0, f"{words}: {done.stderr}{done.stdout}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out), cwd=ROOT)
    (made,) = out.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh virtual environment with the wheel. Its dependencies are those of this one, to save their installation; a path
    that is added so has none of its own ``.pth`` files read, so the checkout does not come along."""
    place = tmp_path_factory.mktemp("away")
    run(sys.executable, "-m", "venv", "--without-pip", str(place / "venv"), cwd=place)
    python = place / "venv" / "bin" / "python"
    pip = (sys.executable, "-m", "pip", "--python", str(python), "install", "-q", "--no-index", "--no-deps")
    run(*pip, "--disable-pip-version-check", str(wheel), cwd=place)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = place / "venv" / "lib" / version / "site-packages"
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return place / "venv"


def test_the_wheel_holds_the_package_with_its_types_and_its_licence_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0].partition("-")[0] for name in names} == {"posthouse"}
    assert "posthouse/py.typed" in names
    assert [name for name in names if name.endswith("/LICENSE")]
    assert not [
        name
        for name in names
        if name.startswith("posthouse/") and not name.endswith((".py", "py.typed", ".toml", ".eml", ".html", ".css"))
    ]


def test_an_installed_wheel_serves_and_brings_a_message_from_smtp_to_imap(
    environment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTHONPATH", raising=False)
    monkeypatch.chdir(tmp_path)
    where = run(str(environment / "bin" / "python"), "-c", "import posthouse; print(posthouse.__file__)", cwd=tmp_path)
    assert Path(where.strip()).is_relative_to(environment)
    monkeypatch.setattr("support.node.POSTHOUSE", [str(environment / "bin" / "posthouse")])
    with Node(tmp_path / "node", services=("smtp", "imap", "http"), workers=1) as node:
        for path, word in (("/admin/login", b"Log in"), ("/admin/style.css", b"dark")):
            with urllib.request.urlopen(f"http://127.0.0.1:{node.ports['http']}{path}", timeout=60) as answer:
                assert word in answer.read()
        node.run("domain", "add", "example.test")
        node.run("user", "add", "jane@example.test", stdin=f"{PASSWORD}\n")
        node.send("jane@example.test", "Subject: from a wheel\r\n\r\nHello.\r\n")
        imap = node.imap("jane@example.test")
        assert imap.select("INBOX") == ("OK", [b"1"])
        _, fetched = imap.fetch("1", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
        assert isinstance(fetched[0], tuple)
        assert b"Subject: from a wheel" in fetched[0][1]
        imap.logout()
        assert node.stop() == 0
