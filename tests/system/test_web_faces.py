"""The web faces of the real program, over real sockets: the Python client as its guide shows it, over TLS too (ADM-6)."""

from __future__ import annotations

import os
import re
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from posthouse.client import Client, LoginNeeded
from posthouse.roles import certificates
from support.node import PASSWORD, Node, running, until

JANE = "jane@example.test"
GUIDE = Path(__file__).parents[2] / "docs" / "admin" / "python-client.md"


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    with running(tmp_path_factory.mktemp("web"), services=("http", "https"), workers=2) as started:
        started.run("user", "set", JANE, "--role", "administrator")
        yield started


@pytest.fixture(scope="module")
def token(node: Node) -> str:
    return str(node.json("token", "add", JANE, "web faces")["token"])


def test_the_example_of_the_clients_guide_runs_without_anything_of_the_server(node: Node, token: str, tmp_path: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    watched = (
        code + "\nimport sys\nown = [name for name in sys.modules if name.startswith('posthouse.')]"
        "\nassert all(name.split('.')[1] == 'client' for name in own), own\n"
    )
    environment = {"POSTHOUSE_URL": f"http://127.0.0.1:{node.ports['http']}", "POSTHOUSE_TOKEN": token}
    ran = subprocess.run(
        [sys.executable, "-c", watched], env=os.environ | environment, cwd=tmp_path, capture_output=True, text=True, timeout=100
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines() == ["nina@example.net user", "there is no user nobody@example.net"]


def test_the_client_over_tls_by_token_and_by_password_and_not_after_the_token_is_revoked(node: Node) -> None:
    trusted = ssl.create_default_context(cafile=str(node.folder / "data" / certificates.SELF_MADE))
    trusted.check_hostname = False
    url = f"https://127.0.0.1:{node.ports['https']}"
    made = node.json("token", "add", JANE, "short-lived", "user:list", "token:revoke")
    with (
        Client(url, login=(JANE, PASSWORD), tls=trusted) as by_password,
        Client(url, token=made["token"], tls=trusted) as client,
    ):
        rows = by_password.user.list()
        assert client.user.list() == rows == list(client.user.list.each()) == node.json("user", "list")
        client.token.revoke(made["token_id"])
        with pytest.raises(LoginNeeded):
            # every worker sees it once it looks again
            until(lambda: client.user.list() is None)
    audited = node.json("audit", "list", "--limit", "1")[0]
    assert (audited["operation"], audited["who"]) == ("token revoke", JANE)
    assert audited["via"].endswith(" token short-lived")
