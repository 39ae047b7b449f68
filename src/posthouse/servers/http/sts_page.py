"""The MTA-STS policy of the domains here, at ``https://mta-sts.DOMAIN/.well-known/mta-sts.txt`` (RFC 8461 §3.2, §3.3).

Told to anyone who asks under that name; a domain that is not ours, or a node without a policy, has none: 404. If
the directory cannot be asked: 503, so that a sender keeps the policy that it has.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from posthouse.base import log
from posthouse.base.errors import MailError
from posthouse.formats.mta_sts import own_policy
from posthouse.servers.services import Services

PATH = "/.well-known/mta-sts.txt"
PREFIX = "mta-sts."
_log = log.get("http")


class StsPage:
    """An ASGI application."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            text = await self._text(Request(scope).headers.get("host", "").partition(":")[0].lower().rstrip("."))
            answer = PlainTextResponse(text) if text else PlainTextResponse("there is no policy here\n", 404)
        except MailError as error:
            _log.error("policy not told", cause=error.cause or error.public)
            answer = PlainTextResponse("the policy cannot be told now\n", 503)
        await answer(scope, receive, send)

    async def _text(self, host: str) -> str:
        settings = self._services.settings()
        tls, own = settings.tls, settings.smtp.hostname or self._services.node_name
        policy = own_policy(tls.sts_mode, tls.sts_hosts or (own,), int(tls.sts_max_age_s))
        if policy is None or not host.startswith(PREFIX):
            return ""
        if await self._services.directory.domain(host[len(PREFIX) :]) is None:
            return ""
        return "".join(f"{line}\r\n" for line in policy.lines)
