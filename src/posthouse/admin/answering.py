"""From a request frame to an answer frame: runs an operation and renders its result for the face that asked.

Used by the control socket in a running node, and by the command line when the node does not run.
"""

from __future__ import annotations

from typing import cast

from posthouse.admin import registry, rendering
from posthouse.admin.arguments import UsageError
from posthouse.admin.context import Context
from posthouse.base.errors import MailError
from posthouse.model.account import Role
from posthouse.protocols.control import Answer, Field, Request


async def answer(context: Context, request: Request) -> Answer:
    """Runs ``request`` in ``context`` (narrowed to its caller). Errors of the family become answers; others pass."""
    scopes = tuple(request.scopes) if request.scopes is not None else None
    asked = context.asked_by(request.who or context.who, cast(Role, request.role), request.via, request.domain, scopes)
    try:
        if request.named is not None:
            noun, verb = (*request.words, "", "")[:2]
            done = await registry.run_named(asked, noun, verb, request.named)
        else:
            done = await registry.run(asked, request.words, given=request.given, protocol=request.face == "protocol")
    except UsageError as error:
        return Answer("usage", text=error.public, code=error.imap_code)
    except MailError as error:
        return Answer("failed", text=error.public, code=error.imap_code, temporary=error.temporary)
    complaint = str(getattr(done.result, "complaint", ""))
    if request.face == "people":
        return Answer("done", text=rendering.people(done.result), complaint=complaint)
    if request.face == "json":
        return Answer("done", body=rendering.json(done.result), complaint=complaint)
    if request.face == "program":
        return Answer("done", value=rendering.plain(done.result), complaint=complaint)
    lines = rendering.fields(done.result, done.operation.columns)
    return Answer("done", lines=cast("list[list[Field]]", lines))
