"""The courier over real sockets: SMTP and LMTP by ``smtp_link.py``, connections used again, answers judged (OUT-6).

TLS to other servers is opportunistic unless a policy or a setting asks for more: encrypted without checking names (RFC 7435);
where the handshake fails, clear text is used, if that is allowed. A host under a policy (``model.tls_policy``) must prove who
it is before anything is said of a message. What failed before the message went out is Unreachable, so that another host can
be tried; what failed after that is a temporary answer, since nobody knows whether the host has the message.
"""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal

from posthouse.backends.certificates_shown import NotProven, chain_of, failure_of, prove
from posthouse.backends.smtp_link import Link, Times, TlsBroken, connect
from posthouse.interfaces.courier import Answer, Parcel, Target, Unreachable
from posthouse.model.envelope import Recipient, Sender
from posthouse.model.route import Login
from posthouse.model.settings import QueueSettings
from posthouse.model.tls_policy import NO_POLICY, TlsFailure, TlsResult
from posthouse.protocols.sasl import choose_client
from posthouse.protocols.smtp.client import Authenticated, ClientCore, Refused, TransactionDone
from posthouse.protocols.smtp.replies import ServerReply
from posthouse.protocols.smtp.transaction import CannotSend, NoRequireTls, Transaction, TransactionResult

WHOLE = 12
"""A transaction may take this many times the time for a reply (an hour by default), however slowly the host goes on."""
MAX_IDLE = 1_000
MAX_SILENT = 1_000
SILENT_S = 60.0
"""A host that did not answer a connection is not tried again within this time: each try would wait for the full time-out."""


class SmtpCourier:
    """See ``interfaces.courier``. ``hostname()`` is what we call ourselves in EHLO; ``report`` takes what came of each session
    with a host that is under a policy."""

    def __init__(
        self,
        hostname: Callable[[], str],
        settings: Callable[[], QueueSettings],
        report: Callable[[TlsResult], None] = lambda result: None,
    ) -> None:
        self._hostname = hostname
        self._settings = settings
        self._idle: dict[Target, list[Link]] = defaultdict(list)
        self._idle_count = 0
        self._silent: dict[tuple[str, int], float] = {}
        self._report = report
        self._context: ssl.SSLContext | None = None
        self._verifying_context: tuple[str, ssl.SSLContext] | None = None

    async def deliver(self, target: Target, parcel: Parcel) -> Sequence[Answer]:
        return await self._handed(target, parcel, probe=False)

    async def probe(self, target: Target, recipient: Recipient) -> Answer:
        return (await self._handed(target, Parcel(Sender(None), (recipient,), b""), probe=True))[0]

    async def _handed(self, target: Target, parcel: Parcel, *, probe: bool) -> Sequence[Answer]:
        while (link := self._reused(target)) is not None:
            answers = await self._send(target, link, parcel, fresh=False, probe=probe)
            if answers is not None:
                return answers
        link = await self._open(target)
        if target.login is not None:
            await _log_in(link, target, target.login)
        answers = await self._send(target, link, parcel, fresh=True, probe=probe)
        assert answers is not None, "a fresh connection always gives answers or raises"
        return answers

    async def close(self) -> None:
        for links in self._idle.values():
            for link in links:
                link.goodbye()
        self._idle.clear()
        self._idle_count = 0

    # Connections

    def _reused(self, target: Target) -> Link | None:
        while links := self._idle.get(target):
            link = links[-1]
            self._forget(target, link)
            if link.usable:
                link.begin(self._times())
                return link
            link.abort()
        return None

    def _keep(self, target: Target, link: Link) -> None:
        queue = self._settings()
        usable = link.usable and link.sent < queue.messages_per_connection and queue.connection_keep_s > 0
        if not usable or self._idle_count >= MAX_IDLE:
            link.goodbye()
            return
        self._idle[target].append(link)
        self._idle_count += 1
        link.expiry = asyncio.get_running_loop().call_later(queue.connection_keep_s, self._expire, target, link)

    def _expire(self, target: Target, link: Link) -> None:
        self._forget(target, link)
        link.goodbye()

    def _forget(self, target: Target, link: Link) -> None:
        links = self._idle[target]
        links.remove(link)
        self._idle_count -= 1
        if not links:
            del self._idle[target]
        if link.expiry is not None:
            link.expiry.cancel()

    async def _open(self, target: Target) -> Link:
        """A connection that is greeted and, where it can or must be, encrypted and proven. Raises Unreachable."""
        link = await self._connect(target)
        if target.tls == "off":
            return link
        if "STARTTLS" not in link.core.extensions:
            self._tell(target, "starttls-not-supported", "STARTTLS is not offered")
            if target.tls == "required":
                link.goodbye()
                raise Unreachable("TLS is required and not offered", lacking="5.7.10")
            return link
        try:
            await self._encrypt(link, target)
        except TlsBroken as error:
            self._tell(target, failure_of(error), str(error))
            if target.tls == "required":
                link.goodbye()
                raise Unreachable(f"TLS failed: {error}", lacking="5.7.10") from error
            if target.policy.by_name:  # A policy in testing: the failure is told, and mail goes on as without one.
                link.abort()
                return await self._open(replace(target, policy=NO_POLICY))
            if link.usable:
                return link
            link.abort()
            return await self._connect(target)
        except BaseException:
            link.abort()
            raise
        self._tell(target, "", "")
        return link

    async def _encrypt(self, link: Link, target: Target) -> None:
        """Raises TlsBroken, Unreachable."""
        base = target.policy.base or target.host
        await link.start_tls(await self._verifying() if target.policy.by_name else self._tls_context(), base)
        if not target.policy.by_record or link.tls is None:
            return
        try:
            prove(chain_of(link.tls), target.policy.records, (base, target.host, target.policy.domain))
        except (NotProven, ValueError) as error:
            link.abort()
            raise TlsBroken(str(error)) from error

    def _tell(self, target: Target, failure: TlsFailure | Literal[""], detail: str) -> None:
        if target.policy.domain:
            self._report(TlsResult(target.policy, target.host, target.address, failure, detail))

    async def _connect(self, target: Target) -> Link:
        now, key = asyncio.get_running_loop().time(), (target.address, target.port)
        if self._silent.get(key, now) > now:
            raise Unreachable(f"connection to port {target.port} timed out a moment ago", silent=True)
        self._silent.pop(key, None)
        try:
            return await connect(target, self._hostname(), self._times())
        except TimeoutError as error:
            if len(self._silent) < MAX_SILENT:
                self._silent[key] = now + SILENT_S
            raise Unreachable(f"connection to port {target.port} timed out", silent=True) from error

    def _times(self) -> Times:
        queue = self._settings()
        return Times(queue.connect_timeout_s, queue.command_timeout_s, WHOLE * queue.command_timeout_s)

    async def _verifying(self) -> ssl.SSLContext:
        """Trusts the system's authorities, or those of ``queue.ca_file``, and checks names."""
        file = self._settings().ca_file
        if self._verifying_context is None or self._verifying_context[0] != file:
            context = await asyncio.to_thread(lambda: ssl.create_default_context(cafile=file or None))
            self._verifying_context = (file, context)
        return self._verifying_context[1]

    def _tls_context(self) -> ssl.SSLContext:
        if self._context is None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            self._context = context
        return self._context

    # A transaction

    async def _send(self, target: Target, link: Link, parcel: Parcel, *, fresh: bool, probe: bool) -> Sequence[Answer] | None:
        """Answers, to a ``probe`` those to RCPT TO; None if a connection that was used before turned out dead before the
        message went out, or takes no more senders: many hosts count the messages of one connection."""
        try:
            link.core.send(Transaction(parcel.sender, parcel.recipients, parcel.content), probe=probe)
        except NoRequireTls as error:
            self._keep(target, link)
            raise Unreachable(f"{target.host} has no REQUIRETLS", lacking="5.7.30") from error
        except CannotSend as error:
            self._keep(target, link)
            return [_answer(error.reply(), link.core, target)] * len(parcel.recipients)
        try:
            event = await link.event()
        except Unreachable as error:
            link.abort()
            if link.core.awaiting_verdict:
                return _answers(link.core.partial_result(), parcel, link.core, target, error.cause)
            if fresh:
                raise
            return None
        except BaseException:
            link.abort()
            raise
        result = event.result if isinstance(event, TransactionDone) else link.core.partial_result()
        if link.core.closed and not result.data_replies:
            link.abort()
            if fresh:
                last = _last_word(result)
                raise Unreachable(f"it ended the session: {last or event}", pushes_back=last is not None)
            return None
        if link.took and result.sender_reply is not None and result.sender_reply.code // 100 == 4:
            link.goodbye()
            return None
        link.sent += 1
        link.took = link.took or any(reply.code < 300 for reply in result.data_replies.values())
        self._keep(target, link)
        if probe:
            result = TransactionResult(result.sender_reply, result.recipients, result.recipients)
        return _answers(result, parcel, link.core, target, "no answer")


async def _log_in(link: Link, target: Target, login: Login) -> None:
    """Over TLS, or on this machine. Raises Unreachable."""
    safe = link.tls is not None or ipaddress.ip_address(target.address).is_loopback
    machine = choose_client(link.core.mechanisms, login.user, login.password) if safe else None
    if machine is None:
        link.goodbye()
        raise Unreachable("a login is made over TLS only" if not safe else "no way to log in is offered that we know")
    try:
        link.core.authenticate(machine)
        event = await link.event()
    except BaseException:
        link.abort()
        raise
    if not isinstance(event, Authenticated):
        link.goodbye()
        refusal = event.reply if isinstance(event, Refused) else event
        raise Unreachable(f"the login was refused: {refusal}", pushes_back=True)


def _answers(result: TransactionResult, parcel: Parcel, core: ClientCore, target: Target, lost: str) -> Sequence[Answer]:
    """What was said of each recipient; a temporary answer where nothing was."""
    otherwise = ServerReply(450, "4.4.2", (f"Connection lost: {lost}",))
    return [_answer(result.reply_for(index) or otherwise, core, target) for index in range(len(parcel.recipients))]


def _answer(reply: ServerReply, core: ClientCore, target: Target) -> Answer:
    if reply.code < 200 or 300 <= reply.code < 400:
        reply = ServerReply(450, "4.5.0", (f"No verdict but {reply}",))
    notifies, by = "DSN" in core.extensions, "DELIVERBY" in core.extensions
    return Answer(reply.code, str(reply), notifies=notifies, final=target.protocol == "lmtp", by=by)


def _last_word(result: TransactionResult) -> ServerReply | None:
    """The 421 that ended a session."""
    said = [result.sender_reply, *result.recipients.values()]
    return next((reply for reply in said if reply is not None and reply.code == 421), None)
