"""Odd requests at all web faces at once: none of them is a fault of ours, whoever is logged in (ADM-4, ADM-6)."""

from __future__ import annotations

import base64
import random
from pathlib import Path

import pytest

from support.html_pages import read
from support.web_site import web_site

METHODS = ("GET", "POST", "POST", "PUT", "HEAD", "OPTIONS", "DELETE")
PATHS = (
    "/api/v1/", "/api/", "/api/v1/queue/list", "/api/v1/user/add", "/api/v1/%00/%ff", "/api/v1/openapi.json", "/admin/",
    "/admin/x/y", "/admin/user/add", "/admin/login", "/admin/logout", "/admin/user/show", "/admin/../api",
    "/admin/setting/import", "/admin/%00", "/admin/user/ü", "/admin/help/show",
)  # fmt: skip
QUERIES = ("", "?address=%ff", "?a=1&a=2", "?address=jane@example.test", "?" + "x=1&" * 300)
BODIES = (
    b"", b"{}", b"[]", b"\xff", b"a=b&c=%ff%00", b"login=x&password=y&form_key=z", b'{"address":"x@y","password":"z"}', b"{" *
    1000, b"&" * 1000, b'{"address":null}', b"null",
)  # fmt: skip


def fields(token: str) -> list[tuple[bytes, bytes]]:
    return [
        (b"authorization", f"Bearer {token}".encode()),
        (b"authorization", b"Basic " + base64.b64encode(b"ada@example.test:ada-secret")),
        (b"authorization", b"Basic \xff"),
        (b"authorization", b"Bearer \xff"),
        (b"authorization", b"Basic " + base64.b64encode(b"\xff:\xff")),
        (b"content-type", b"application/json"),
        (b"content-type", b"application/x-www-form-urlencoded"),
        (b"cookie", b"posthouse-session=\xff; a=b;;;="),
        (b"cookie", b'posthouse-session="'),
        (b"origin", b"http://[::1"),
        (b"origin", b"\xff"),
        (b"host", b"[::1"),
        (b"host", b""),
        (b"accept", b"application/x-ndjson"),
        (b"content-length", b"-5"),
        (b"content-length", b"\xb2"),
    ]


@pytest.mark.parametrize("seed", range(3))
async def test_no_request_however_odd_is_a_fault(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    async with web_site(tmp_path) as site:
        await site.run("web set requests_per_minute 1000000")
        known = fields(await site.token("ada@example.test"))
        async with site.client() as client:
            page = read((await client.get("/admin/login")).text)
            login = {"login": "ada@example.test", "password": "ada-secret"}
            await client.post("/admin/login", data=page.main_form.fields | login)
            for _ in range(300):
                answer = await client.request(
                    chance.choice(METHODS),
                    chance.choice(PATHS) + chance.choice(QUERIES),
                    headers=chance.sample(known, chance.randint(0, 4)),
                    content=chance.choice(BODIES),
                )
                assert answer.status_code < 500, answer.request
        assert len(await site.run("user list")) == 4, "and nothing was changed by chance"
