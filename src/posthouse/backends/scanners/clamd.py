"""ClamAV's clamd over TCP or a Unix socket: the message and each decoded part in one session (INSTREAM within IDSESSION).

A failure of any kind is Temporary: what follows from it (defer or pass, marked) is for the stage's settings. An object larger
than clamd's StreamMaxLength is reported as such; when that is the whole message, parts that stand in it as they are go as well.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress

from posthouse.backends.scanners.findings import Findings, decoded
from posthouse.backends.scanners.wire import Wire, wire
from posthouse.base.errors import Temporary
from posthouse.model.scan import WHOLE, EngineFacts, ScannedMail, ScannedPart, ScanReport
from posthouse.model.virus_engine import VirusEngine
from posthouse.protocols import clamd

AT_ONCE = 8
"""Sessions of one process; clamd's MaxThreads is 10 by default, and its queue is short."""
_PIECE_BYTES = 256 << 10
_Object = bytes | ScannedPart
"""What is sent as one stream: the whole message, or a part."""
PUBLIC = "Virus scanner not available, try again later"


class ClamdScanner:
    """``timeout_s`` is asked for each scan, waiting for a turn included."""

    def __init__(self, engine: VirusEngine, timeout_s: Callable[[], float]) -> None:
        self._engine = engine
        self._timeout_s = timeout_s
        self._turns = asyncio.Semaphore(AT_ONCE)

    @property
    def name(self) -> str:
        return self._engine.name

    async def scan(self, mail: ScannedMail) -> ScanReport:
        """As ``Scanner.scan``."""
        findings = Findings()
        async with self._answering():
            await self._objects(findings, [mail.content, *_parts(mail, plain=False)])
            if WHOLE in findings.unscanned:
                await self._objects(findings, _parts(mail, plain=True))
                findings.seen_in_parts()
        return findings.report()

    async def about(self) -> EngineFacts:
        """As ``Scanner.about``."""
        async with self._answering(), wire(self._engine) as opened:
            await opened.send(clamd.VERSION)
            text = b""
            while not text.endswith(b"\0"):
                text += await opened.receive()
                if len(text) > clamd.MAX_REPLY_BYTES:
                    raise clamd.Garbled("a reply without end")
        return EngineFacts(*clamd.versions(text[:-1].decode("utf-8", "replace")))

    async def close(self) -> None:
        """There is nothing kept open."""

    @asynccontextmanager
    async def _answering(self) -> AsyncIterator[None]:
        """A turn and a time limit; whatever goes wrong in it is Temporary."""
        timeout_s = self._timeout_s()
        try:
            async with asyncio.timeout(timeout_s), self._turns:
                yield
        except TimeoutError:
            raise self._trouble(f"no answer within {timeout_s:g} s") from None
        except (OSError, EOFError, clamd.Garbled) as error:
            raise self._trouble(str(error) or type(error).__name__) from error

    def _trouble(self, why: str) -> Temporary:
        return Temporary(PUBLIC, cause=f"{self.name} at {self._engine.place}: {why}")

    async def _objects(self, findings: Findings, objects: Sequence[_Object]) -> None:
        """All of them, in as many sessions as it takes: one that is too large ends its session."""
        left = objects
        while left:
            left = await self._session(findings, left)

    async def _session(self, findings: Findings, objects: Sequence[_Object]) -> Sequence[_Object]:
        """Gives the objects that were not answered because the session ended early."""
        async with wire(self._engine) as opened:
            answers = asyncio.create_task(self._answers(opened, len(objects)))
            try:
                with suppress(ConnectionError):  # the answers tell why
                    await opened.send(clamd.BEGIN_SESSION)
                    for number, each in enumerate(objects, 1):
                        if answers.done():
                            break
                        octets = each if isinstance(each, bytes) else await decoded(each)
                        await self._send(opened, octets, answers.done, last=number == len(objects))
                replies = await answers
            finally:
                answers.cancel()
                await asyncio.wait({answers})  # it lets go of the socket before that is closed
        return self._take(findings, objects, replies)

    async def _send(self, opened: Wire, octets: bytes, ended: Callable[[], bool], *, last: bool) -> None:
        await opened.send(clamd.INSTREAM)
        view = memoryview(octets)
        for start in range(0, len(octets), _PIECE_BYTES):
            chunk = view[start : start + _PIECE_BYTES]
            await opened.send(clamd.piece(chunk))
            await opened.send(chunk)
            if ended():
                return
        await opened.send(clamd.END_OF_STREAM + (clamd.END_SESSION if last else b""))

    async def _answers(self, opened: Wire, wanted: int) -> dict[int, clamd.Reply]:
        """Until all are there, or one says that the session is over."""
        replies: dict[int, clamd.Reply] = {}
        cutting = clamd.Replies()
        while len(replies) < wanted:
            for reply in cutting.feed(await opened.receive()):
                if reply.kind in ("error", "other"):
                    raise clamd.Garbled(reply.text[:200])
                replies[reply.number] = reply
                if reply.kind == "too large":
                    return replies
        return replies

    def _take(self, findings: Findings, objects: Sequence[_Object], replies: dict[int, clamd.Reply]) -> Sequence[_Object]:
        left = []
        for number, each in enumerate(objects, 1):
            section, reply = WHOLE if isinstance(each, bytes) else each.section, replies.get(number)
            if reply is None:
                left.append(each)
            elif reply.kind == "found":
                findings.found(section, reply.text)
            elif reply.kind == "too large":
                findings.unscanned[section] = "too large"
        if len(left) == len(objects):
            raise clamd.Garbled("answers to none of the questions")
        return left


def _parts(mail: ScannedMail, *, plain: bool) -> list[ScannedPart]:
    return [part for part in mail.parts if part.plain == plain]
