"""An operation that is written once, here, appears in all faces: with its arguments, its help, its role and its audit (ADM-1).
An operation that is written once, here, appears in all faces: with its arguments, its help, its role and its audit (ADM-1)."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import pytest

from posthouse.admin import registry
from posthouse.admin.context import Context
from posthouse.admin.operation import operation
from posthouse.cli import docs
from posthouse.cli.completion import ShellCompleter
from posthouse.cli.operate import help_text, operate
from posthouse.cli.remote import Node as Remote
from posthouse.cli.shell import run_line
from posthouse.client import BadArgument, Client, NotAllowed
from posthouse.servers.adminline import AdminServer
from posthouse.servers.http import HttpServer
from support.html_pages import read
from support.listening import Serve
from support.web_site import Site, web_site


@dataclass(frozen=True, slots=True)
class Lamp:
    """One lamp."""

    colour: str
    minutes: int


@operation("lamp light", role="help-desk", scope="domain")
async def light(context: Context, colour: Literal["red", "green"], *, minutes: int = 5) -> Lamp:
    """Lights the lamp at the door.

    Args:
        colour: which of the two.
        minutes: for how long.
    """
    return Lamp(colour, minutes)


@pytest.fixture(autouse=True)
def lamp(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    module = ModuleType("posthouse.admin.lamp")
    module.light = light  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(registry, "_MODULES", (*registry._MODULES, "lamp"))
    registry.operations.cache_clear()
    yield
    registry.operations.cache_clear()


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with web_site(tmp_path) as started:
        await started.run("user add rita@example.test --role reader", password="rita-secret")
        yield started


async def by_protocol(serve: Serve, site: Site, who: str, *lines: str) -> list[str]:
    """The last of the replies' lines, to each line."""
    here = await serve(AdminServer(site.services, "admin").handle, "admin")
    reader, writer = await here.connect()
    replies = []
    async with asyncio.timeout(60):
        await reader.readline()
        for tag, line in enumerate([f"LOGIN {who}@example.test {who}-secret", *lines]):
            writer.write(f"{tag} {line}\r\n".encode())
            got = [(await reader.readline()).decode().strip()]
            while not got[-1].startswith(f"{tag} "):
                got.append((await reader.readline()).decode().strip())
            replies.append(" / ".join(got))
    writer.close()
    return replies[1:]


async def by_pages(site: Site, who: str, **filled: str) -> tuple[int, str]:
    """Status and what the page says."""
    async with site.client(follow_redirects=True) as client:
        page = read((await client.get("/admin/login")).text)
        login = {"login": f"{who}@example.test", "password": f"{who}-secret"}
        await client.post("/admin/login", data=page.main_form.fields | login)
        form = read((await client.get("/admin/lamp/light")).text)
        fields = form.main_form.fields if len(form.forms) > 1 else {}
        answer = await client.post("/admin/lamp/light", data=fields | filled)
        page = read(answer.text)
        return answer.status_code, page.result or page.alert


@pytest.mark.spec("ADM-1")
async def test_an_operation_written_once_appears_in_all_faces(
    site: Site, serve: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["lamp", "light", "red", "--minutes", "7"]
    wanted = {"colour": "red", "minutes": 7}
    # command line and shell
    assert await asyncio.to_thread(operate, [*words, "--json"], site.config) == 0
    assert json.loads(capsys.readouterr().out) == wanted
    with contextlib.closing(Remote(site.config)) as remote:
        assert await asyncio.to_thread(run_line, remote, " ".join(words), as_json=True) == 0
        assert json.loads(capsys.readouterr().out) == wanted
        assert await asyncio.to_thread(run_line, remote, "LAMP Light blue", as_json=False) == 2
        assert "'blue' is not one of red, green" in capsys.readouterr().err
    complete = ShellCompleter(lambda _: []).candidates
    assert "lamp" in complete([], "la") and complete(["lamp"], "") == ["light"]
    assert "--minutes" in complete(["lamp", "light", "red"], "--")
    for text in (help_text(["lamp", "light"]), docs.operations_page()):
        assert "Lights the lamp at the door." in text and "for how long." in text
    # administration protocol
    lit, refused = await by_protocol(serve, site, "ada", 'LAMP LIGHT red "7"', "LAMP LIGHT blue")
    assert lit == '* 1 "red" 7 / 1 OK'
    assert refused.startswith("2 NO") and "not one of red, green" in refused
    assert (await by_protocol(serve, site, "rita", "LAMP LIGHT red"))[0].startswith("1 NO the role reader")
    # HTTP API, its description, and the Python client made from it
    ada, rita = await site.token("ada@example.test", "lamp"), await site.token("rita@example.test")
    here = await serve(HttpServer(site.app, site.clock).handle, "http")

    def by_client() -> list[Any]:
        url = f"http://127.0.0.1:{here.port}"
        with Client(url, token=ada) as client, Client(url, token=rita) as other:
            found: list[Any] = [client.lamp.light("red", minutes=7), client.lamp.light.__doc__]
            for operation_, given in ((client.lamp.light, ["blue"]), (other.lamp.light, ["red"]), (client.user.list, [])):
                try:
                    operation_(*given)
                except (BadArgument, NotAllowed) as error:
                    found.append(type(error))
        return found

    given, help_, *errors = await asyncio.to_thread(by_client)
    assert given == wanted and "Lights the lamp" in help_ and errors == [BadArgument, NotAllowed, NotAllowed]
    async with site.client() as client:
        described = (await client.get("/api/v1/openapi.json")).json()["paths"]["/api/v1/lamp/light"]["post"]
        assert (described["x-role"], described["x-own-domain"]) == ("help-desk", True)
        schema = described["requestBody"]["content"]["application/json"]["schema"]["properties"]
        assert schema["colour"]["enum"] == ["red", "green"] and schema["minutes"]["default"] == 5
        answer = await client.post("/api/v1/lamp/light", json=wanted, headers={"authorization": f"Bearer {ada}"})
        assert answer.json() == wanted
    # pages
    status, shown = await by_pages(site, "ada", colour="red", minutes="7")
    assert (status, shown.split()[:4]) == (200, ["colour", "red", "minutes", "7"])
    assert (await by_pages(site, "ada", colour="blue"))[0] == 422
    assert (await by_pages(site, "rita", colour="red"))[0] == 403
    # the same audit of all of them, in the order in which they were run
    audit = [row for row in reversed(await site.run("audit list")) if row["operation"] == "lamp light"]
    assert {(row["arguments"], row["outcome"]) for row in audit} == {("colour=red minutes=7", "ok")}
    ways = [row["via"].split()[0] for row in audit]
    assert ways == ["shell", "shell", "protocol", "api", "api", "web"]
    assert [row["who"] for row in audit][2:] == ["ada@example.test"] * 4
