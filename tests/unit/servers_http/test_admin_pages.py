"""The administration pages as a browser without scripts meets them, and as attackers do (ADM-4, ADM-1, TLS-1)."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from posthouse.admin import registry
from posthouse.servers.http import bodies
from posthouse.servers.http.pages.results import result_of
from support.html_pages import Form, Page, read
from support.web_site import Site, web_site

COOKIE = "posthouse-session"


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with web_site(tmp_path) as started:
        yield started


async def get(client: httpx2.AsyncClient, path: str, status: int = 200) -> Page:
    answer = await client.get(path)
    assert answer.status_code == status, answer.text
    return read(answer.text)


async def submit(client: httpx2.AsyncClient, form: Form, status: int = 200, **filled: str) -> Page:
    answer = await client.post(form.action, data=form.fields | filled)
    assert answer.status_code == status, answer.text
    return read(answer.text)


async def log_in(client: httpx2.AsyncClient, who: str, password: str = "") -> None:
    page = await get(client, "/admin/login")
    await submit(client, page.main_form, 303, login=f"{who}@example.test", password=password or f"{who}-secret")


def logged_in(page: Page) -> bool:
    return "/admin/logout" in [each.action for each in page.forms]


@pytest.mark.spec_part("ADM-4")
async def test_somebody_logs_in_looks_changes_is_asked_before_danger_and_logs_out(site: Site) -> None:
    async with site.client() as client:
        assert (await client.get("/admin")).headers["location"] == "/admin/"
        assert (await client.get("/admin/")).headers["location"] == "/admin/login"
        await log_in(client, "ada")
        assert logged_in(await get(client, "/admin/"))
        users = await get(client, "/admin/user")
        assert [row[0] for row in users.rows[1:]][:2] == ["ada@example.test", "jane@example.test"]
        assert "/admin/user/show?address=jane%40example.test" in users.links
        shown = await get(client, "/admin/user/show?address=jane%40example.test")
        assert "Jane" in shown.result
        form = (await get(client, "/admin/user/add")).form("/admin/user/add")
        assert (form.kinds["password"], form.kinds["role"], form.fields["role"]) == ("password", "select", "user")
        added = await submit(client, form, address="nina@example.test", password="nina's own 7", name="Nina")
        assert "nina@example.test" in added.result and not added.alert
        assert added.form("/admin/user/add").fields["password"] == ""
        form = (await get(client, "/admin/user/delete?address=nina@example.test")).form("/admin/user/delete")
        asked = await submit(client, form)
        assert "user delete?" in asked.text and "nina@example.test" in asked.text
        assert "nina@example.test" in str(await site.run("user list"))
        done = await submit(client, asked.form("/admin/user/delete"))
        assert "Done." in done.result
        assert "nina@example.test" not in str(await site.run("user list"))
        await submit(client, done.form("/admin/logout"), 303)
        assert (await client.get("/admin/")).headers["location"] == "/admin/login"
    entry = (await site.run("audit list"))[0]
    assert (entry["who"], entry["via"], entry["operation"]) == ("ada@example.test", "web 127.0.0.1", "user delete")


async def test_every_operation_has_a_form_whose_every_field_has_a_label_and_help(site: Site) -> None:
    async with site.client() as client:
        await site.run("web set requests_per_minute 100000")
        await log_in(client, "ada")
        for operation in registry.operations().values():
            page = await get(client, f"/admin/{operation.noun}/{operation.verb}")
            form = page.form(f"/admin/{operation.noun}/{operation.verb}")
            wanted = {argument.name for argument in operation.arguments}
            visible = {name for name, kind in form.kinds.items() if kind != "hidden"}
            assert visible == wanted, operation.name
            assert {form.ids[name] for name in visible} == form.labels, operation.name
            ids = {given["id"] for _, given in page.tags if "id" in given}
            described = {given["aria-describedby"] for _, given in page.tags if "aria-describedby" in given}
            assert described <= ids
            assert ("html", {"lang": "en"}) in page.tags
            # what has to be asked about shows no password on the way
            assert not operation.dangerous or not [each for each in operation.arguments if each.kind == "secret"]


async def test_what_does_not_fit_is_said_and_what_was_filled_in_stays(site: Site) -> None:
    async with site.client() as client:
        await log_in(client, "ada")
        form = (await get(client, "/admin/user/set")).form("/admin/user/set")
        page = await submit(client, form, 404, address="nobody@example.test", name='Quo"te & <b>')
        assert "there is no user" in page.alert
        assert page.form("/admin/user/set").fields["name"] == 'Quo"te & <b>'
        form = (await get(client, "/admin/user/list")).form("/admin/user/list")
        assert "no number" in (await submit(client, form, 422, count="many")).alert
        form = (await get(client, "/admin/queue/hold")).form("/admin/queue/hold")
        asked = await submit(client, form, queue_ids="A\r\n\r\nB")
        assert "there is no message A" in (await submit(client, asked.form("/admin/queue/hold"), 404)).alert
        await get(client, "/admin/nothing", 404)
        await get(client, "/admin/user/paint", 404)
        await get(client, "/admin/user/add/more", 404)


async def test_an_empty_text_is_written_as_in_the_shell(site: Site) -> None:
    await site.run("user set jane@example.test --name Somebody")
    async with site.client() as client:
        await log_in(client, "ada")
        form = (await get(client, "/admin/user/set")).form("/admin/user/set")
        await submit(client, form, address="jane@example.test", enabled="on")
        assert (await site.run("user show jane@example.test"))["name"] == "Somebody"
        await submit(client, form, address="jane@example.test", name='""')
    assert (await site.run("user show jane@example.test"))["name"] == ""


async def test_what_is_to_be_changed_is_shown_as_it_is_and_sent_back_changes_nothing(site: Site) -> None:
    await site.run("user set jane@example.test --name Jane --role reader")
    before = await site.run("user show jane@example.test")
    async with site.client() as client:
        await log_in(client, "ada")
        form = (await get(client, "/admin/user/set?address=jane@example.test")).form("/admin/user/set")
        assert (form.fields["name"], form.fields["role"], form.fields["enabled"]) == ("Jane", "reader", "on")
        await submit(client, form)
        assert await site.run("user show jane@example.test") == before
        form = (await get(client, "/admin/web/set?key=web.idle_s")).form("/admin/web/set")
        assert float(form.fields["value"]) == 1800
        await site.run("setting set route.smart_host smtp://me:pass%77ord@smart.test")
        page = await get(client, "/admin/setting/set?key=route.smart_host")
        assert page.form("/admin/setting/set").fields["value"] == "", "a password that is hidden is not set to its hiding"
        assert "Nobody" not in (await get(client, "/admin/user/set?address=nobody@example.test")).text


async def test_the_first_page_tells_how_the_node_is_to_who_may_know(site: Site) -> None:
    async with site.client() as client:
        await log_in(client, "ada")
        page = await get(client, "/admin/")
        assert "running" in page.text and "CN=mx.example.test" in page.text
        await log_in(client, "omar")
        assert "CN=mx.example.test" not in (await get(client, "/admin/")).text


async def test_values_from_strangers_stay_text_whatever_markup_is_in_them(site: Site) -> None:
    evil = "</textarea><script>alert(1)</script><img src=x onerror=alert(1)>\"'&"
    jane = next(each for each in await site.context.directory.accounts() if each.address.local == "jane")
    await site.context.directory_writer.change_account(jane.address, full_name=evil)
    async with site.client() as client:
        await log_in(client, "ada")
        form = (await get(client, "/admin/user/set")).form("/admin/user/set")
        for page in (
            await get(client, "/admin/user"),
            await get(client, "/admin/user/show?address=jane@example.test"),
            await get(client, f"/admin/user/show?address={evil}", 422),
            await submit(client, form, 404, address="x@example.test", name=evil),
            await submit(client, form, 422, address=evil, name=evil),
            await get(client, f"/admin/{evil}", 404),
        ):
            assert not [
                tag for tag, given in page.tags if tag in ("script", "img") or any(name.startswith("on") for name in given)
            ]
        # also on its way through the question whether it is meant
        form = (await get(client, "/admin/setting/import")).form("/admin/setting/import")
        asked = await submit(client, form, text=f"\n{evil}\r\nsecond")
        assert not [tag for tag, _ in asked.tags if tag in ("script", "img")]
        assert asked.form("/admin/setting/import").fields["text"].replace("\r\n", "\n") == f"\n{evil}\nsecond"


async def test_no_page_runs_scripts_or_lets_itself_be_framed_or_kept(site: Site) -> None:
    async with site.client() as client:
        await log_in(client, "ada")
        for path in ("/admin/login", "/admin/", "/admin/user", "/admin/user/add", "/admin/none"):
            answer = await client.get(path)
            policy = answer.headers["content-security-policy"]
            assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "script-src" not in policy
            assert "unsafe-inline" not in policy
            assert answer.headers["x-frame-options"] == "DENY"
            assert answer.headers["cache-control"] == "no-store"
            assert answer.headers["x-content-type-options"] == "nosniff"
            page = read(answer.text)
            assert not [tag for tag, given in page.tags if tag in ("script", "style") or "style" in given]
        style = await client.get("/admin/style.css")
        assert style.headers["content-type"].startswith("text/css") and "prefers-color-scheme: dark" in style.text


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_the_cookie_is_for_this_site_alone_and_never_in_a_url(site: Site, scheme: str) -> None:
    async with site.client(base=f"{scheme}://mx.example.test") as client:
        page = await get(client, "/admin/login")
        form = page.main_form
        answer = await client.post(form.action, data=form.fields | {"login": "ada@example.test", "password": "ada-secret"})
        name = COOKIE if scheme == "http" else f"__Host-{COOKIE}"
        (cookie,) = [each for each in answer.headers.get_list("set-cookie") if each.startswith(f"{name}=ph_")]
        words = {word.strip().lower() for word in cookie.split(";")}
        assert {"httponly", "samesite=strict", "path=/"} <= words
        assert ("secure" in words) is (scheme == "https")
        assert not any(word.startswith(("domain", "max-age", "expires")) for word in words)
        secret = client.cookies[name]
        for path in ("/admin/", "/admin/user", "/admin/user/add"):
            assert secret not in (await client.get(path)).text
    assert secret not in json.dumps([await site.run("token sessions"), await site.run("audit list")])
    assert [row["account"] for row in await site.run("token sessions")] == ["ada@example.test"]


async def test_a_form_of_another_site_or_session_changes_nothing(site: Site) -> None:
    async with site.client() as ada, site.client() as omar:
        await log_in(ada, "ada")
        await log_in(omar, "omar")
        form = (await get(ada, "/admin/user/add")).form("/admin/user/add")
        others = (await get(omar, "/admin/user/add")).form("/admin/user/add")
        wrong_form = (await get(ada, "/admin/user/set")).form("/admin/user/set")
        filled = {"address": "evil@example.test", "password": "evil's own 7"}
        for key in ("", "x" * 64, others.fields["form_key"], wrong_form.fields["form_key"], "ü"):
            await submit(ada, form, 403, **filled, form_key=key)
        right = form.fields | filled
        for headers in (
            {"origin": "https://evil.test"},
            {"origin": "null"},
            {"sec-fetch-site": "cross-site"},
            {"sec-fetch-site": "same-site"},
        ):
            assert (await ada.post("/admin/user/add", data=right, headers=headers)).status_code == 403
        no_key = {name: value for name, value in right.items() if name != "form_key"}
        assert (await ada.post("/admin/user/add", data=no_key)).status_code == 403
        assert (await ada.post("/admin/user/add", json=right)).status_code == 415
        # a danger cannot be confirmed by a link
        await get(ada, "/admin/user/delete?address=jane@example.test&confirmed=yes")
        # and nobody is logged out by one
        await get(ada, "/admin/logout", 405)
        assert "evil" not in str(await site.run("user list"))
        assert "jane" in str(await site.run("user list"))
        headers = {"origin": "http://mx.example.test", "sec-fetch-site": "same-origin"}
        assert (await ada.post("/admin/user/add", data=right, headers=headers)).status_code == 200


async def test_nobody_is_logged_in_by_a_form_of_another_site(site: Site) -> None:
    async with site.client() as attacker, site.client() as victim:
        form = (await get(attacker, "/admin/login")).main_form
        filled = form.fields | {"login": "ada@example.test", "password": "ada-secret"}
        for cookies in ({}, {"posthouse-login": "0" * 32}):
            victim.cookies = httpx2.Cookies(cookies)
            assert (await victim.post("/admin/login", data=filled)).status_code == 403
        assert COOKIE not in victim.cookies


async def test_a_session_that_was_foisted_on_somebody_is_not_the_one_they_get(site: Site) -> None:
    async with site.client() as attacker, site.client() as victim:
        await log_in(attacker, "omar")
        foisted = attacker.cookies[COOKIE]
        victim.cookies.set(COOKIE, foisted, domain="mx.example.test", path="/")
        await log_in(victim, "ada")
        assert victim.cookies[COOKIE] != foisted
        assert (await attacker.get("/admin/")).status_code == 303, "the session that was there before has ended"
        made_up = "ph_" + "a" * 16 + "_" + "b" * 43
        attacker.cookies = httpx2.Cookies()
        attacker.cookies.set(COOKIE, made_up, domain="mx.example.test", path="/")
        await log_in(attacker, "omar")
        assert attacker.cookies[COOKIE] != made_up


async def test_sessions_end_when_idle_after_their_longest_time_and_with_the_password(site: Site) -> None:
    async with site.client() as client:
        await log_in(client, "ada")
        for _ in range(3):
            site.clock.advance(1700)
            assert (await client.get("/admin/")).status_code == 200
        site.clock.advance(1801)
        assert (await client.get("/admin/")).status_code == 303
        await log_in(client, "ada")
        for _ in range(25):
            site.clock.advance(1700)
            assert (await client.get("/admin/")).status_code == 200
        site.clock.advance(1000)
        assert (await client.get("/admin/")).status_code == 303, "12 hours"
        await log_in(client, "ada")
        await site.run("user password ada@example.test", password="quite another 7")
        assert (await client.get("/admin/")).status_code == 303
        assert await site.run("token sessions") == []
        await log_in(client, "ada", "quite another 7")
        await site.run("user set ada@example.test --role user")
        assert (await client.get("/admin/")).status_code == 303
        await site.run("user set ada@example.test --role administrator")
        assert (await client.get("/admin/")).status_code == 303, "it does not come back to life"
        await log_in(client, "ada", "quite another 7")
        (open_,) = await site.run("token sessions")
        await site.run(f"token revoke {open_['session_id']}")
        assert (await client.get("/admin/")).status_code == 303


async def test_roles_see_and_do_what_is_theirs(site: Site) -> None:
    async with site.client() as client:
        await log_in(client, "omar")
        page = await get(client, "/admin/")
        assert "/admin/user" in page.links and "/admin/queue" not in page.links and "/admin/setting" not in page.links
        users = await get(client, "/admin/user")
        assert {row[0].partition("@")[2] for row in users.rows[1:]} == {"example.test"}
        await get(client, "/admin/queue/list", 403)
        await get(client, "/admin/queue", 404)
        assert "does not administer" in (await get(client, "/admin/user/show?address=mei@example.org", 403)).alert
        form = (await get(client, "/admin/user/add")).form("/admin/user/add")
        refused = await submit(client, form, 403, address="x@example.org", password="some long 7")
        assert refused.alert
        taken = (await get(client, "/admin/user/password")).form("/admin/user/password")
        assert (await submit(client, taken, 403, address="ada@example.test", password="mine now 7")).alert
        # a form that is not theirs, sent all the same
        queue = {"form_key": form.fields["form_key"], "queue_ids": "A", "confirmed": "yes"}
        assert (await client.post("/admin/queue/delete", data=queue)).status_code == 403


@pytest.mark.spec_part("ADM-4")
async def test_people_without_a_role_come_in_where_that_is_set_and_see_what_is_their_own(site: Site) -> None:
    await site.run("web set users on")
    async with site.client() as client:
        await log_in(client, "jane")
        page = await get(client, "/admin/")
        assert {"/admin/sender", "/admin/quarantine"} <= set(page.links)
        assert not {"/admin/user", "/admin/setting", "/admin/queue", "/admin/help", "/admin/token"} & set(page.links)
        form = (await get(client, "/admin/sender/block")).form("/admin/sender/block")
        assert not (await submit(client, form, entries="spammer@elsewhere.test")).alert
        assert (await site.run("sender list --user jane@example.test"))[0]["entry"] == "spammer@elsewhere.test"
        for whose in ({"user": "omar@example.test"}, {"system": "on"}, {"domain": "example.test"}):
            assert (await submit(client, form, 403, entries="x@elsewhere.test", **whose)).alert
        await get(client, "/admin/user/list", 403)
        await get(client, "/admin/user/password", 403)
        # nobody else's role or setting comes with it
        await site.run("user set jane@example.test --role reader")
        assert (await client.get("/admin/")).status_code == 303, "another role is another session"
        await site.run("user set jane@example.test --role user")
        await log_in(client, "jane")
        await site.run("web set users off")
        assert (await client.get("/admin/")).status_code == 303


async def test_rows_lead_to_what_can_be_done_with_them_by_number_too(site: Site) -> None:
    held = [each for each in registry.operations().values() if each.noun == "quarantine"]
    found = result_of([{"held_id": 0, "subject": "x"}, {"held_id": 7, "subject": "y"}], held)
    assert {"/admin/quarantine/show?held_id=7", "/admin/quarantine/release?held_ids=7"} <= {
        each.url for each in found.rows[1].links
    }
    assert "/admin/quarantine/show?held_id=0" in {each.url for each in found.rows[0].links}


@pytest.mark.parametrize(("who", "password"), [("ada", "wrong"), ("nobody", "wrong"), ("jane", "jane-secret"), ("ada", "")])
async def test_who_may_not_in_is_told_no_more_than_that(site: Site, who: str, password: str) -> None:
    async with site.client(address="192.0.2.9", base="https://mx.example.test") as client:
        page = await get(client, "/admin/login")
        answer = await client.post(
            "/admin/login", data=page.main_form.fields | {"login": f"{who}@example.test", "password": password}
        )
        assert answer.status_code == (403 if who == "jane" else 401)
        assert read(answer.text).alert
        assert f"__Host-{COOKIE}" not in client.cookies
        assert (await client.get("/admin/")).status_code == 303
        if who != "jane":
            assert site.waits == [1.0]


@pytest.mark.spec_part("TLS-1")
async def test_nothing_is_served_in_clear_text_to_other_machines(site: Site) -> None:
    async with site.client(address="192.0.2.9") as client:
        for path in ("/admin/login", "/admin/"):
            assert "https" in (await get(client, path, 403)).alert


async def test_large_and_many_fields_are_refused(site: Site) -> None:
    async with site.client() as client:
        page = await get(client, "/admin/login")
        assert (await client.post("/admin/login", data=page.main_form.fields | {"login": "a" * 10_000})).status_code == 413
        await log_in(client, "ada")
        form = (await get(client, "/admin/setting/import")).form("/admin/setting/import")
        large = form.fields | {"text": "x" * bodies.MAX_BYTES}
        assert (await client.post("/admin/setting/import", data=large)).status_code == 413
        many: dict[str, Any] = form.fields | {f"f{number}": "x" for number in range(500)}
        assert (await client.post("/admin/setting/import", data=many)).status_code == 400


async def test_pages_can_be_switched_off(site: Site) -> None:
    await site.run("web set pages off")
    async with site.client() as client:
        assert (await client.get("/admin/login")).status_code == 404
        assert (await client.get("/admin")).status_code == 404


async def test_long_tables_are_cut_and_lists_and_texts_shown(site: Site) -> None:
    async with site.client() as client:
        await log_in(client, "ada")
        form = (await get(client, "/admin/help/show")).form("/admin/help/show")
        assert re.search(r"Usage: user add", (await submit(client, form, words="user\nadd")).result)
        settings = await get(client, "/admin/web")
        assert "web.idle_s" in [row[0] for row in settings.rows]
        assert "/admin/web/set?key=web.idle_s" in settings.links
        assert "There is nothing." in (await get(client, "/admin/queue")).text
