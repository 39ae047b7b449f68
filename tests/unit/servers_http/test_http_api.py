"""The HTTP API as whoever holds a token or a password meets it, friend or not (ADM-6, ADM-1, TLS-1)."""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import httpx2
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from posthouse.admin import describing, registry
from posthouse.model.settings import WebSettings
from posthouse.servers.http import HttpServer, bodies
from support.listening import Serve
from support.web_site import Site, web_site


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with web_site(tmp_path) as started:
        yield started


async def asked(
    client: httpx2.AsyncClient, operation: str, arguments: Mapping[str, Any] | None = None, **headers: str
) -> httpx2.Response:
    noun, verb = operation.split()
    return await client.post(f"/api/v1/{noun}/{verb}", json=arguments or {}, headers=headers)


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def basic(login: str, password: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{login}:{password}".encode()).decode()}


def test_the_description_is_valid_openapi_and_has_every_operation() -> None:
    described: Any = json.loads(describing.description())
    OpenAPIV31SpecValidator(described).validate()
    assert set(described["paths"]) == {f"/api/v1/{each.noun}/{each.verb}" for each in registry.operations().values()}
    add = described["paths"]["/api/v1/user/add"]["post"]
    schema = add["requestBody"]["content"]["application/json"]["schema"]
    assert schema["required"] == ["address", "password"]
    assert schema["properties"]["password"]["writeOnly"]
    assert schema["properties"]["role"]["enum"][:2] == ["administrator", "domain-administrator"]
    assert (add["x-role"], add["x-own-domain"], add["x-reads"]) == ("domain-administrator", True, False)
    answer = described["paths"]["/api/v1/queue/list"]["post"]["responses"]["200"]["content"]
    assert answer["application/json"]["schema"]["items"] == {"$ref": "#/components/schemas/QueueRow"}


async def test_an_operation_is_a_post_with_arguments_by_name_and_gives_rows(site: Site) -> None:
    async with site.client(headers=bearer(await site.token("ada@example.test"))) as client:
        made = await asked(client, "user add", {"address": "nina@example.test", "password": "long enough 7", "name": "Nina"})
        assert (made.status_code, made.json()["address"], made.json()["role"]) == (200, "nina@example.test", "user")
        rows = await asked(client, "user list", {"pattern": "n*"})
        assert [row["address"] for row in rows.json()] == ["nina@example.test"]
        lines = await asked(client, "user list", accept="application/x-ndjson")
        assert lines.headers["content-type"] == "application/x-ndjson"
        assert len([json.loads(line) for line in lines.text.splitlines()]) == 5
        assert (await asked(client, "user delete", {"address": "nina@example.test"})).json() is None
        assert (await client.post("/api/v1/queue/count", headers={"content-type": "application/json"})).status_code == 200
        got = await client.get("/api/v1/openapi.json")
        assert got.json()["openapi"] == "3.1.0"
    audited = (await site.run("audit list"))[0]
    assert (audited["who"], audited["operation"], audited["outcome"]) == ("ada@example.test", "user delete", "ok")
    assert audited["via"] == "api 127.0.0.1 token test"
    assert "long enough" not in json.dumps(await site.run("audit list"))


@pytest.mark.parametrize(
    ("operation", "arguments", "status", "kind"),
    [
        ("user show", {"address": "nobody@example.test"}, 404, "not-found"),
        ("user add", {"address": "jane@example.test", "password": "x"}, 409, "exists"),
        ("user show", {}, 422, "bad-value"),
        ("user show", {"address": "jane@example.test", "colour": "red"}, 422, "bad-value"),
        ("user show", {"address": 5}, 422, "bad-value"),
        ("user list", {"count": "5"}, 422, "bad-value"),
        ("user list", {"count": 10**40}, 400, "malformed"),
        ("user set", {"address": "jane@example.test", "role": "emperor"}, 422, "bad-value"),
        ("queue hold", {"queue_ids": []}, 422, "bad-value"),
        ("queue hold", {"queue_ids": ["A"] * 10_001}, 422, "bad-value"),
        ("domain delete", {"domain": "example.test"}, 409, "refused"),
        ("user paint", {}, 404, "no-such-operation"),
        ("check all2", {}, 404, "no-such-operation"),
        ("help user", {}, 404, "no-such-operation"),
    ],
)
async def test_what_is_refused_is_told_as_problem_details(
    site: Site, operation: str, arguments: dict[str, Any], status: int, kind: str
) -> None:
    async with site.client(headers=bearer(await site.token("ada@example.test"))) as client:
        refused = await asked(client, operation, arguments)
        assert (refused.status_code, refused.headers["content-type"]) == (status, "application/problem+json")
        problem = refused.json()
        assert (problem["type"], problem["status"]) == (f"urn:posthouse:problem:{kind}", status)
        assert problem["title"] and problem["detail"]


@pytest.mark.parametrize(
    ("method", "path", "content", "media_type", "status"),
    [
        ("POST", "/api/v1/queue/count", b"{", "application/json", 400),
        ("POST", "/api/v1/queue/count", b"[]", "application/json", 400),
        ("POST", "/api/v1/queue/count", b'{"a": {"b": 1}}', "application/json", 400),
        ("POST", "/api/v1/queue/count", b"\xff\xfe", "application/json", 400),
        ("POST", "/api/v1/queue/count", b"[" * 100_000, "application/json", 400),
        ("POST", "/api/v1/queue/count", b"{}", "text/plain", 415),
        ("POST", "/api/v1/queue/count", b"", "", 415),
        ("POST", "/api/v1/queue/count", b"a=1", "application/x-www-form-urlencoded", 415),
        ("GET", "/api/v1/queue/count", b"", "", 405),
        ("POST", "/api/v1/openapi.json", b"", "", 405),
        ("POST", "/api/v1/queue", b"{}", "application/json", 404),
        ("POST", "/api/v1/queue/count/more", b"{}", "application/json", 404),
        ("POST", "/api/v2/queue/count", b"{}", "application/json", 404),
        ("OPTIONS", "/api/v1/queue/count", b"", "", 405),
    ],
)
async def test_what_is_no_request_of_the_api_gets_its_status_and_other_sites_get_nothing(
    site: Site, method: str, path: str, content: bytes, media_type: str, status: int
) -> None:
    """A form of another site can only send the media types that are refused here, and no answer lets its script read."""
    async with site.client(headers=bearer(await site.token("ada@example.test"))) as client:
        headers = {"origin": "https://evil.test"} | ({"content-type": media_type} if media_type else {})
        answer = await client.request(method, path, content=content, headers=headers)
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json"
        assert not [name for name in answer.headers if name.startswith("access-control")]
        assert answer.headers["x-content-type-options"] == "nosniff"


async def test_scopes_limit_a_token_to_nouns_operations_and_a_role(site: Site) -> None:
    ada = "ada@example.test"
    narrow = await site.token(ada, "queue", "user:list", name="narrow")
    reader = await site.token(ada, "role:reader", name="reader")
    domain = await site.token(ada, "role:domain-administrator", name="domain")
    jane = {"address": "jane@example.test"}
    mei = {"address": "mei@example.org"}
    async with site.client() as client:
        for token, operation, arguments, status in (
            (narrow, "queue list", {}, 200),
            (narrow, "user list", {}, 200),
            (narrow, "user show", jane, 403),
            (narrow, "setting list", {}, 403),
            (narrow, "token list", {}, 403),
            (reader, "user show", jane, 200),
            (reader, "user set", jane | {"name": "J"}, 403),
            (reader, "queue list", {}, 403),
            (domain, "user show", jane, 200),
            (domain, "user show", mei, 403),
            (domain, "queue list", {}, 403),
        ):
            answer = await asked(client, operation, arguments, **bearer(token))
            assert answer.status_code == status, (operation, answer.text)


async def test_no_token_makes_another_or_makes_itself_stronger(site: Site) -> None:
    ada, omar = "ada@example.test", "omar@example.test"
    whole = await site.token(ada)
    tokens = await site.token(ada, "token", name="tokens")
    helper = await site.token(ada, "role:help-desk", name="helper")
    async with site.client() as client:
        for token in (whole, tokens, helper):
            made = await asked(client, "token add", {"owner": ada, "name": "more"}, **bearer(token))
            assert made.status_code == 403, made.text
        # help desk may not touch administrators, whoever owns the token
        taken = await asked(client, "user password", {"address": omar, "password": "mine now 77"}, **bearer(helper))
        assert taken.status_code == 403
        raised = await asked(client, "user set", {"address": "jane@example.test", "role": "administrator"}, **bearer(helper))
        assert raised.status_code == 403
    assert sorted(each["name"] for each in await site.run("token list")) == ["helper", "test", "tokens"]


async def test_a_domain_administrator_reaches_no_other_domain_by_token_or_password(site: Site) -> None:
    token = await site.token("omar@example.test", "role:help-desk")
    async with site.client() as client:
        for login in (bearer(token), basic("omar@example.test", "omar-secret")):
            rows = await asked(client, "user list", {}, **login)
            assert {row["address"].partition("@")[2] for row in rows.json()} == {"example.test"}
            assert (await asked(client, "user show", {"address": "mei@example.org"}, **login)).status_code == 403
            assert (await asked(client, "queue list", {}, **login)).status_code == 403
            assert (await asked(client, "token add", {"owner": "mei@example.org", "name": "x"}, **login)).status_code == 403
        own = await asked(
            client, "token add", {"owner": "omar@example.test", "name": "own"}, **basic("omar@example.test", "omar-secret")
        )
        assert own.status_code == 200
        assert (await asked(client, "user list", {}, **bearer(own.json()["token"]))).status_code == 200
        stronger = await asked(
            client, "token add", {"owner": "ada@example.test", "name": "x"}, **basic("omar@example.test", "omar-secret")
        )
        assert stronger.status_code == 403
    mei = await site.run("user set mei@example.org --role domain-administrator")
    assert mei["role"] == "domain-administrator"
    strange = await site.token("mei@example.org")
    token_id = strange.split("_")[1]
    async with site.client() as client:
        gone = await asked(client, "token revoke", {"token_id": token_id}, **basic("omar@example.test", "omar-secret"))
        assert gone.status_code == 404
        assert (await asked(client, "user list", {}, **bearer(strange))).status_code == 200


async def test_tokens_end_with_their_time_their_owner_and_by_being_revoked(site: Site) -> None:
    ada, omar = await site.token("ada@example.test"), await site.token("omar@example.test")
    short = (await site.run("token add ada@example.test short --days 1"))["token"]
    async with site.client() as client:
        for token in (ada, omar, short):
            assert (await asked(client, "user list", {}, **bearer(token))).status_code == 200
        site.clock.advance(86_400.0)
        assert (await asked(client, "user list", {}, **bearer(short))).status_code == 401
        await site.run(f"token revoke {ada.split('_')[1]}")
        assert (await asked(client, "user list", {}, **bearer(ada))).status_code == 401
        await site.run("user set omar@example.test --enabled off")
        assert (await asked(client, "user list", {}, **bearer(omar))).status_code == 401
        await site.run("user set omar@example.test --enabled on --role user")
        assert (await asked(client, "user list", {}, **bearer(omar))).status_code == 403
        await site.run("user set omar@example.test --role reader")
        assert (await asked(client, "user set", {"address": "jane@example.test"}, **bearer(omar))).status_code == 403
        await site.run("user delete omar@example.test")
        assert (await asked(client, "user list", {}, **bearer(omar))).status_code == 401
    shown = json.dumps([await site.run("token list"), await site.run("audit list")])
    for token in (ada, omar, short):
        assert token not in shown and token.split("_", 2)[2] not in shown


async def test_wrong_keys_are_slowed_and_counted_and_a_right_one_waits_for_nobody(site: Site) -> None:
    right = await site.token("ada@example.test")
    flipped = right[:-2] + ("A" if right[-2] != "A" else "B") + right[-1]
    async with site.client(address="192.0.2.7", base="https://mx.example.test") as client:
        for wrong in (flipped, "ph_short", "ph_" + "a" * 16 + "_" + "b" * 43, "x" * 5000):
            refused = await asked(client, "user list", {}, **bearer(wrong))
            assert refused.status_code == 401
            assert "Bearer" in refused.headers["www-authenticate"]
        assert (await asked(client, "user list", {}, **basic("ada@example.test", "wrong"))).status_code == 401
        assert len(site.waits) == 5
        assert site.waits[3] >= 1.0
        assert (await asked(client, "user list", {}, **bearer(right))).status_code == 200
        assert len(site.waits) == 5
    # nothing of that came near an operation
    assert "wrong" not in json.dumps(await site.run("audit list"))


@pytest.mark.parametrize("header", ["Basic", "Basic !!!", "Basic " + base64.b64encode(b"no-colon").decode(), "Digest x", ""])
async def test_what_is_no_login_is_refused(site: Site, header: str) -> None:
    async with site.client() as client:
        assert (await asked(client, "user list", authorization=header)).status_code == 401


async def test_users_without_an_administrative_role_do_not_administer(site: Site) -> None:
    async with site.client() as client:
        refused = await asked(client, "user list", {}, **basic("jane@example.test", "jane-secret"))
        assert refused.status_code == 403


async def test_a_session_of_the_pages_is_no_token(site: Site) -> None:
    ring, directory = site.context.key_ring, site.context.directory
    assert ring is not None
    ada = next(each for each in await directory.accounts() if each.role == "administrator")
    text, _ = await ring.issue(ada, "192.0.2.1", kind="session", lifetime_s=600)
    async with site.client() as client:
        assert (await asked(client, "user list", {}, **bearer(text))).status_code == 401


@pytest.mark.spec_part("TLS-1")
async def test_nothing_secret_is_taken_in_clear_text_from_other_machines_unless_set(site: Site) -> None:
    token = await site.token("ada@example.test")
    for login in (bearer(token), basic("ada@example.test", "ada-secret")):
        async with site.client(address="192.0.2.7") as client:
            refused = await asked(client, "user list", {}, **login)
            assert (refused.status_code, refused.json()["type"]) == (403, "urn:posthouse:problem:tls-needed")
        async with site.client(address="192.0.2.7", base="https://mx.example.test") as client:
            assert (await asked(client, "user list", {}, **login)).status_code == 200
        for loopback in ("127.0.0.1", "::1"):
            async with site.client(address=loopback) as client:
                assert (await asked(client, "user list", {}, **login)).status_code == 200
    await site.run("setting set auth.plaintext on")
    async with site.client(address="192.0.2.7") as client:
        assert (await asked(client, "user list", {}, **bearer(token))).status_code == 200


async def test_who_asks_too_often_is_told_to_wait(site: Site) -> None:
    await site.run("web set requests_per_minute 3")
    token = await site.token("ada@example.test")
    async with site.client() as client:
        statuses = [(await asked(client, "queue count", {}, **bearer(token))).status_code for _ in range(4)]
        assert statuses == [200, 200, 200, 429]
        refused = await asked(client, "queue count", {}, **basic("ada@example.test", "ada-secret"))
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "60")
        site.clock.advance(61)
        assert (await asked(client, "queue count", {}, **bearer(token))).status_code == 200


async def test_a_large_body_is_refused_whether_it_says_so_or_not(site: Site) -> None:
    token = await site.token("ada@example.test")

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b" " * 100_000

    json_type = {"content-type": "application/json"} | bearer(token)
    async with site.client(headers=json_type) as client:
        for content in (b" " * (bodies.MAX_BYTES + 1), endless()):
            refused = await client.post("/api/v1/queue/count", content=content)
            assert (refused.status_code, refused.headers["connection"]) == (413, "close")
        assert (await client.post("/api/v1/queue/count", content=b" " * 1000 + b"{}")).status_code == 200


async def test_a_body_that_comes_octet_by_octet_does_not_hold_its_place_for_ever(
    site: Site, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "BODY_S", 0.5)
    token = await site.token("ada@example.test")
    here = await serve(HttpServer(site.app, site.clock).handle, "http")
    reader, writer = await here.connect()
    head = f"POST /api/v1/queue/count HTTP/1.1\r\nHost: mx\r\nAuthorization: Bearer {token}\r\n"
    writer.write(f"{head}Content-Type: application/json\r\nContent-Length: 9000\r\n\r\n".encode())
    answer = asyncio.ensure_future(reader.read())
    async with asyncio.timeout(60):
        while not answer.done():
            if not writer.is_closing():
                writer.write(b" ")
            await asyncio.sleep(0.05)
    assert answer.result().startswith(b"HTTP/1.1 408 ")
    writer.close()


async def test_it_can_be_switched_off_and_says_when_the_steward_is_away(site: Site, tmp_path: Path) -> None:
    token = await site.token("ada@example.test")
    async with site.client(headers=bearer(token)) as client:
        (tmp_path / "run" / "control.sock").rename(tmp_path / "run" / "elsewhere.sock")
        away = await asked(client, "queue count")
        assert (away.status_code, away.headers["retry-after"]) == (503, "5")
        (tmp_path / "run" / "elsewhere.sock").rename(tmp_path / "run" / "control.sock")
        assert (await asked(client, "queue count")).status_code == 200
        await site.run("web set api off")
        assert (await asked(client, "queue count")).status_code == 404
        assert (await client.get("/other")).text == "nothing else"
    assert dataclasses.replace(WebSettings()).api
