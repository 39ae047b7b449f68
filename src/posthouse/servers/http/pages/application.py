"""The pages' ASGI application: which page a path means, who may see it, and the steps of running an operation from a form.

Operations run in the steward with the visitor's account and role, as in every other face; here it is only left out what would
be refused. Every answer forbids scripts and frames.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from importlib import resources
from typing import Any
from urllib.parse import parse_qsl, quote

import jinja2
import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import Receive, Scope, Send

from posthouse.admin import registry
from posthouse.admin.operation import Operation
from posthouse.base import log
from posthouse.base.errors import MailError
from posthouse.model.settings import GROUPS
from posthouse.protocols import control
from posthouse.servers.http.access import Access
from posthouse.servers.http.bodies import body
from posthouse.servers.http.pages import forms, visits
from posthouse.servers.http.pages.results import Result, result_of
from posthouse.servers.http.pages.visits import KEY_FIELD, Visit, Visits
from posthouse.servers.http.problems import TITLES, Problem, of_answer
from posthouse.servers.http.stewards_ear import StewardsEar
from posthouse.servers.services import Services

ROOT = "/admin/"
LOGIN = ROOT + "login"
MAX_FIELDS = 200
GLANCE = ("node status", "certificate list")
FEW = 100
"""So many the page of a noun shows of what there is; its ``list`` shows as many as are wanted."""
_ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><rect x="1" y="3" width="14" height="10" fill="#0b5cad"/>'
    '<path d="M2 5l6 4 6-4" fill="none" stroke="#fff" stroke-width="1.5"/></svg>'
)
_FORM_TYPE = "application/x-www-form-urlencoded"
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "same-origin",  # with less, browsers would not say where a form comes from
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


_log = log.get("http")


def _fields(octets: bytes) -> dict[str, str]:
    """Raises ValueError."""
    return dict(parse_qsl(octets.decode(), keep_blank_values=True, max_num_fields=MAX_FIELDS))


class Pages:
    """An ASGI application for what is below ``/admin``. Made in a thread: it reads the templates."""

    def __init__(self, services: Services, access: Access, ear: StewardsEar) -> None:
        self._services = services
        self._access = access
        self._ear = ear
        self._visits = Visits(services, access)
        self._operations = registry.operations()
        self._nouns = registry.nouns()
        verbs = {noun: {each.verb for each in self._operations.values() if each.noun == noun} for noun in self._nouns}
        self._short_forms = [noun for noun in self._nouns if noun in GROUPS and verbs[noun] <= {"get", "list", "set"}]
        self._templates = jinja2.Environment(
            loader=jinja2.PackageLoader(__package__, "templates"), autoescape=True, trim_blocks=True, lstrip_blocks=True
        )
        self._style = resources.files(__package__).joinpath("style.css").read_bytes()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            response = await self._respond(request)
        except Problem as problem:
            response = await self._problem(problem)
        except Exception:
            _log.exception("page failed", path=request.scope["path"])
            response = await self._problem(Problem("fault", "the node's log has the cause"))
        for name, value in _HEADERS.items():
            response.headers[name] = value
        await response(scope, receive, send)

    async def _respond(self, request: Request) -> Response:
        path = request.url.path
        if path == ROOT + "style.css":
            return Response(self._style, media_type="text/css", headers={"Cache-Control": "max-age=3600"})
        if path == ROOT + "icon.svg":
            return Response(_ICON, media_type="image/svg+xml", headers={"Cache-Control": "max-age=86400"})
        if path == "/admin":
            return RedirectResponse(ROOT, 308)
        self._access.require_safe(request)
        if request.method not in ("GET", "POST"):
            raise Problem("wrong-method", "GET or POST", {"Allow": "GET, POST", "Connection": "close"})
        if request.method == "POST":
            visits.require_same_site(request)
        if path == LOGIN:
            return await (self._log_in(request) if request.method == "POST" else self._login_page(request))
        visit = await self._visits.visit(request)
        if visit is None:
            return RedirectResponse(LOGIN, 303)
        return await self._visited(request, visit, path.removeprefix(ROOT).split("/"))

    async def _visited(self, request: Request, visit: Visit, words: list[str]) -> Response:
        if words == ["logout"]:
            return await self._log_out(request, visit)
        if words == [""]:
            return await self._page("index.html", visit, glance=await self._glance(visit))
        if len(words) == 1 and (found := self._of_noun(visit, words[0])):
            return await self._noun_page(visit, found)
        operation = self._operations.get(" ".join(words)) if len(words) == 2 else None
        if operation is None:
            raise Problem("not-found", "there is no such page")
        if not operation.allowed(visit.account.role):
            raise Problem("not-allowed", f"the role {visit.account.role} may not do this")
        if request.method == "POST":
            return await self._posted(request, visit, operation)
        return await self._operation_page(request, visit, operation)

    # Coming and going

    async def _login_page(self, request: Request, problem: str = "", status: int = 200) -> Response:
        nonce = visits.nonce()
        response = await self._page("login.html", None, status, form_key=self._visits.login_key(nonce), problem=problem)
        visits.set_cookie(request, response, nonce, "login")
        return response

    async def _log_in(self, request: Request) -> Response:
        filled = await self._filled(request, limit_bytes=8192)
        self._visits.require_login_key(request, filled.get(KEY_FIELD, ""))
        try:
            _, text = await self._visits.log_in(request, filled.get("login", ""), filled.get("password", ""))
        except MailError as error:
            return await self._login_page(request, error.public, 503 if error.temporary else 401)
        except Problem as problem:
            return await self._login_page(request, problem.detail, problem.status)
        response = RedirectResponse(ROOT, 303)
        visits.set_cookie(request, response, text)
        visits.set_cookie(request, response, "", "login")
        return response

    async def _log_out(self, request: Request, visit: Visit) -> Response:
        if request.method != "POST":
            raise Problem("wrong-method", "POST", {"Allow": "POST"})
        filled = await self._filled(request)
        self._visits.require_form_key(visit, "logout", filled.get(KEY_FIELD, ""))
        await self._visits.log_out(request)
        response = RedirectResponse(LOGIN, 303)
        visits.set_cookie(request, response, "")
        return response

    # Operations

    async def _glance(self, visit: Visit) -> list[tuple[str, Result]]:
        """How the node is, for the first page: what of it the visitor may see, and can be told now."""
        found = []
        for name in GLANCE:
            operation = self._operations[name]
            if operation.allowed(visit.account.role):
                with contextlib.suppress(Problem):
                    found.append((name, await self._run(visit, operation, {})))
        return found

    async def _noun_page(self, visit: Visit, found: list[Operation]) -> Response:
        """What there is of a noun, and what can be done."""
        listing = next(
            (each for each in found if each.verb == "list" and not any(one.required for one in each.arguments)), None
        )
        result, problem = None, ""
        if listing is not None and listing.reads and not listing.audited:
            try:
                few = {each.name: FEW for each in listing.arguments if each.name in ("count", "limit")}
                result = await self._run(visit, listing, {**few})
            except Problem as why:
                problem = why.detail
        return await self._page("noun.html", visit, noun=found[0].noun, operations=found, result=result, problem=problem)

    async def _operation_page(self, request: Request, visit: Visit, operation: Operation) -> Response:
        """The form; what a link has filled in is run at once if that is only a look that nobody needs to know of."""
        names = {argument.name for argument in operation.arguments if argument.kind != "secret"}
        filled = {name: value for name, value in request.query_params.items() if name in names}
        if filled and operation.reads and not operation.audited:
            return await self._done(visit, operation, filled)
        return await self._form(visit, operation, {**await self._as_it_is(visit, operation, filled), **filled})

    async def _as_it_is(self, visit: Visit, operation: Operation, filled: Mapping[str, str]) -> dict[str, str]:
        """What a form that changes something begins with: how the thing is now, as far as ``show`` or ``get`` tell it."""
        if operation.verb != "set" or not filled:
            return {}
        showing = next((each for each in self._of_noun(visit, operation.noun) if forms.tells_of(each, operation, filled)), None)
        if showing is None:
            return {}
        name = showing.arguments[0].name
        try:
            answer = await self._asked(visit, showing, {name: filled[name]})
        except Problem:
            return {}
        return forms.filled_from(operation, msgspec.json.decode(answer))

    async def _posted(self, request: Request, visit: Visit, operation: Operation) -> Response:
        filled = await self._filled(request)
        self._visits.require_form_key(visit, operation.name, filled.get(KEY_FIELD, ""))
        if operation.dangerous and filled.get("confirmed") != "yes":
            hidden = [(name, filled[name]) for name in (each.name for each in operation.arguments) if name in filled]
            return await self._page(
                "confirm.html",
                visit,
                operation=operation,
                shown=forms.shown(operation, filled),
                hidden=hidden,
                form_key=self._visits.form_key(visit, operation.name),
                again=f"{ROOT}{operation.noun}/{operation.verb}",
            )
        return await self._done(visit, operation, filled)

    async def _done(self, visit: Visit, operation: Operation, filled: Mapping[str, str]) -> Response:
        """The form again, above it what the operation gave or why it was refused."""
        try:
            result = await self._run(visit, operation, forms.arguments_of(operation, filled))
        except forms.BadField as error:
            return await self._form(visit, operation, filled, problem=str(error), status=422)
        except Problem as problem:
            return await self._form(visit, operation, filled, problem=problem.detail, status=problem.status)
        return await self._form(visit, operation, filled, result=result)

    async def _form(
        self,
        visit: Visit,
        operation: Operation,
        filled: Mapping[str, str],
        *,
        result: Result | None = None,
        problem: str = "",
        status: int = 200,
    ) -> Response:
        return await self._page(
            "operation.html",
            visit,
            status,
            operation=operation,
            operations=self._of_noun(visit, operation.noun),
            fields=forms.fields_of(operation, filled),
            form_key=self._visits.form_key(visit, operation.name),
            result=result,
            problem=problem,
        )

    async def _run(self, visit: Visit, operation: Operation, arguments: dict[str, object]) -> Result:
        """What it gives, made ready for the page. Raises Problem."""
        body = await self._asked(visit, operation, arguments)
        siblings = self._of_noun(visit, operation.noun)
        return await asyncio.to_thread(lambda: result_of(msgspec.json.decode(body), siblings))

    async def _asked(self, visit: Visit, operation: Operation, arguments: dict[str, object]) -> bytes:
        """What it gives, as JSON. Raises Problem."""
        account = visit.account
        answer = await self._ear.ask(
            control.Request(
                [operation.noun, operation.verb],
                named=arguments,
                who=str(account.address),
                role=account.role,
                via=f"web {visit.client}",
                face="json",
            )
        )
        if answer.kind != "done":
            raise of_answer(answer)
        return answer.body

    # Parts of pages

    def _of_noun(self, visit: Visit, noun: str) -> list[Operation]:
        return [each for each in self._operations.values() if each.noun == noun and each.allowed(visit.account.role)]

    async def _filled(self, request: Request, limit_bytes: int = 1 << 20) -> dict[str, str]:
        """The form's fields; of a name that comes twice the last. Raises Problem."""
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM_TYPE:
            raise Problem("wrong-media-type", _FORM_TYPE, {"Connection": "close"})
        octets = await body(request, limit_bytes)
        try:
            return await asyncio.to_thread(_fields, octets)
        except ValueError:
            raise Problem("malformed", "this is no form") from None

    async def _page(self, template: str, visit: Visit | None, status: int = 200, **shown: Any) -> Response:
        """Made in a thread: large tables take their time."""
        known: dict[str, Any] = {"node": self._services.node_name, "visit": visit, "nouns": [], "quote": quote, "root": ROOT}
        if visit is not None:
            allowed = {each.noun for each in self._operations.values() if each.allowed(visit.account.role)}
            known["nouns"] = [noun for noun in self._nouns if noun in allowed and noun not in self._short_forms]
            known["short_forms"] = [noun for noun in self._short_forms if noun in allowed]
            known["logout_key"] = self._visits.form_key(visit, "logout")
        text = await asyncio.to_thread(lambda: self._templates.get_template(template).render(**known, **shown))
        return Response(text, status, media_type="text/html; charset=utf-8")

    async def _problem(self, problem: Problem) -> Response:
        title = TITLES[problem.kind][1]
        response = await self._page("problem.html", None, problem.status, title=title, detail=problem.detail)
        for name, value in problem.headers.items():
            response.headers[name] = value
        return response
