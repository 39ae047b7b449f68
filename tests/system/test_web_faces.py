"""The web faces of the real program: the Python client as its guide shows it, over TLS too; the pages in a real browser
(ADM-6)."""

from __future__ import annotations

import json
import os
import re
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from playwright.sync_api import sync_playwright

from posthouse.admin import registry
from posthouse.client import Client, LoginNeeded, NotAllowed
from posthouse.roles import certificates
from support.node import PASSWORD, Node, running, until

CHROMIUM = "/usr/bin/chromium"
SWITCHES = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
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


@pytest.mark.spec_part("ADM-4")
def test_an_administrator_with_a_browser_makes_and_deletes_a_user(node: Node) -> None:
    url = f"http://127.0.0.1:{node.ports['http']}"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=SWITCHES, timeout=120_000)
        page = browser.new_page(color_scheme="dark")
        page.set_default_timeout(60_000)
        complaints: list[str] = []
        page.on("console", lambda told: complaints.append(told.text) if told.type in ("warning", "error") else None)
        page.on("response", lambda came: complaints.append(came.url) if came.status >= 400 else None)
        page.goto(f"{url}/admin/")
        page.get_by_label("Address").fill(JANE)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Log in").click()
        page.get_by_role("navigation").get_by_role("link", name="user", exact=True).click()
        page.get_by_role("main").get_by_role("link", name="add", exact=True).click()
        page.get_by_label("address", exact=False).fill("nina@example.test")
        page.get_by_label("password", exact=False).fill("nina's own 7")
        page.get_by_label("name", exact=True).fill("<b>Nina</b>")
        page.get_by_role("button", name="user add").click()
        assert "<b>Nina</b>" in page.get_by_role("status").inner_text()
        assert [user["name"] for user in node.json("user", "list") if user["address"] == "nina@example.test"] == ["<b>Nina</b>"]
        page.get_by_role("status").get_by_role("link", name="delete").click()
        page.get_by_role("button", name="user delete").click()
        page.get_by_role("button", name="Yes, delete").click()
        assert page.get_by_role("status").inner_text() == "Done."
        assert "nina@example.test" not in str(node.json("user", "list"))
        # what people see, not only what is written: the sheet came, and dark mode is dark
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert ground == "rgb(18, 22, 28)"
        page.get_by_role("button", name="Log out").click()
        page.goto(f"{url}/admin/user")
        assert page.url == f"{url}/admin/login"
        browser.close()
    assert complaints == [], complaints


@pytest.mark.spec("ADM-6")
def test_the_http_api_is_described_by_openapi_and_opened_by_tokens_with_scopes(node: Node, token: str) -> None:
    """The description is valid, has every operation, and the answers are what it says; a token opens what its scopes cover."""
    url = f"http://127.0.0.1:{node.ports['http']}"
    with urllib.request.urlopen(f"{url}/api/v1/openapi.json", timeout=60) as answer:
        described = json.loads(answer.read())
    OpenAPIV31SpecValidator(described).validate()
    assert described["openapi"].startswith("3.1")
    assert len(described["paths"]) == len(registry.operations())
    asked: dict[str, dict[str, Any]] = {
        "domain/list": {},
        "user/list": {"pattern": "*"},
        "user/show": {"address": JANE},
        "queue/list": {"limit": 10},
        "queue/count": {},
        "setting/list": {},
        "setting/get": {"key": "web.idle_s"},
        "node/status": {},
        "token/list": {},
        "audit/list": {"limit": 5},
        "help/show": {"words": ["user", "add"]},
    }
    scoped = node.json("token", "add", JANE, "scoped", "user", "queue:list")["token"]
    reader = node.json("token", "add", JANE, "reader", "role:reader")["token"]
    with Client(url, token=token) as client, Client(url, token=scoped) as narrow, Client(url, token=reader) as looks:
        for path, arguments in asked.items():
            noun, verb = path.split("/")
            wanted = described["paths"][f"/api/v1/{path}"]["post"]["responses"]["200"]["content"]["application/json"]["schema"]
            value = client.run(noun, verb, **arguments)
            OAS31Validator({**wanted, "components": described["components"]}).validate(value)
            if noun == "user" or path == "queue/list":
                assert narrow.run(noun, verb, **arguments) == value
            else:
                with pytest.raises(NotAllowed):
                    narrow.run(noun, verb, **arguments)
        assert looks.user.show(JANE)["role"] == "administrator"
        with pytest.raises(NotAllowed):
            looks.user.set(JANE, name="changed")
    with pytest.raises(LoginNeeded), Client(url, token=scoped[:-4] + "AAAA") as stranger:
        stranger.user.list()
