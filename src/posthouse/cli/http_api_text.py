"""The written description of the HTTP API (ADM-6), and its operations; ``posthouse docs`` puts it into the reference."""

from __future__ import annotations

from posthouse.admin import registry
from posthouse.admin.arguments import Argument
from posthouse.admin.operation import Operation
from posthouse.servers.http.problems import TITLES

_ABOUT = r"""
# HTTP API

For programs. Served at `/api/v1/` by the listeners `http` and `https`. The description for machines, OpenAPI 3.1, is at
`/api/v1/openapi.json`: it has the types of arguments and answers, help, and roles.

## Requests

Every operation is a `POST` to `/api/v1/NOUN/VERB` with its arguments as a JSON object, and `Content-Type: application/json`:

    POST /api/v1/user/add
    Authorization: Bearer ph_...
    Content-Type: application/json

    {"address": "jane@example.com", "password": "...", "name": "Jane"}

Arguments that may be left out may also be null. Options of the shell are arguments like the others, with `_` for `-`. A body
may have 1 MiB, and a list in it 10,000 items; the body must come whole within a minute.

## Logins

| Authorization | who it is |
| --- | --- |
| `Bearer ph_...` | the owner of a token that `token add` made, within the token's scopes |
| `Bearer ...` | the account of an identity provider's access token, where the settings `tokens.*` are set |
| `Basic ...` | an account, by its address and password |

Over TLS, or from this machine; nothing secret is taken in clear text from elsewhere unless `auth.plaintext` is on. Only
accounts with an administrative role may ask. Role, domain and scopes decide as in every other face. The audit trail names the
account, the client's address and the token. Failures are slowed and counted as in all services. An account may make
`web.requests_per_minute` requests in a minute. There is no CORS: pages of other sites get nothing.

## Answers

`200` with what the operation gives as JSON: null, a text, an object, or a list of objects. With
`Accept: application/x-ndjson` a list comes as a row a line. `Posthouse-Complaint` (percent-encoded) says that a check was done
and found something wrong. Anything else is a problem (RFC 9457), `application/problem+json`, with `type`, `title`, `status` and
`detail`:

| status | `type` is `urn:posthouse:problem:` and | what |
| --- | --- | --- |
"""
_OPERATIONS = """
## Operations

What they do stands in [operations](operations.md). Arguments in italics may be left out; `[]` marks a list.

| path | arguments | role |
| --- | --- | --- |
"""


def page() -> str:
    """The whole page."""
    problems = [f"| {status} | `{kind}` | {title} |" for kind, (status, title) in TITLES.items()]
    rows = [_row(each) for each in registry.operations().values()]
    return _ABOUT + "\n".join(problems) + "\n" + _OPERATIONS + "\n".join(rows) + "\n"


def _row(each: Operation) -> str:
    role = each.role + (", own domain" if each.scope == "domain" else "")
    return f"| `{each.noun}/{each.verb}` | {', '.join(map(_argument, each.arguments))} | {role} |"


def _argument(argument: Argument) -> str:
    name = f"`{argument.name}{'[]' if argument.rest else ''}`"
    return name if argument.required else f"*{name}*"
