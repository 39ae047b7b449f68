"""The message that is coming in, by DATA or by BDAT, and what becomes of it at its end (RFC 5321 §4.1.1.4, RFC 3030).

Between ``Collector`` (octets) and ``ServerCore`` (dialogue): size bounds, refusals that must wait for the end of the data,
bare newlines, endless lines, and the mixing rules of BDAT that concern octets.
"""

from __future__ import annotations

from posthouse.model.verdict import Reply
from posthouse.protocols.smtp import events as ev
from posthouse.protocols.smtp.config import ServerConfig
from posthouse.protocols.smtp.data import Collector, longest_line_exceeds

GROSS = 4
"""Past this many times the largest size the connection is closed instead of swallowing on."""


class Transfer:
    """One message at a time; ``clear`` makes it ready for the next."""

    def __init__(self, config: ServerConfig) -> None:
        self._config = config
        self._collector: Collector | None = None
        self._left = -1
        self._chunk_bytes = 0
        self._last = True
        self._refusal: Reply | None = None
        self._swallowed: ev.ProtocolError | None = None
        self.complete = False

    @property
    def held_bytes(self) -> int:
        """Octets of the message in memory."""
        return self._collector.held_bytes if self._collector is not None else 0

    def clear(self) -> None:
        """Forgets the message."""
        self._collector = None
        self._refusal = None
        self._swallowed = None

    def begin_data(self) -> None:
        """The octets after the 354 follow."""
        self._collector = Collector(self._config.max_message_bytes)
        self._left = -1
        self._last = True
        self.complete = False

    def begin_chunk(self, size_bytes: int, *, last: bool, binary: bool) -> None:
        """The octets of a BDAT follow; the first one or one more."""
        if self._collector is None:
            self._collector = Collector(self._config.max_message_bytes, binary=binary)
        self._start_chunk(size_bytes, last=last)

    def swallow(self, size_bytes: int, error: ev.ProtocolError) -> None:
        """The octets of a BDAT that came out of turn follow; at their end ``error`` is the event."""
        self._swallowed = error
        self._start_chunk(size_bytes, last=False)

    def _start_chunk(self, size_bytes: int, *, last: bool) -> None:
        self._left = self._chunk_bytes = size_bytes
        self._last = last
        self.complete = False

    def refuse(self, reply: Reply) -> None:
        """Lets go of what is held and of what follows; ``reply`` waits for the end of the data."""
        self._refusal = reply
        if self._collector is not None:
            self._collector.discard()

    def feed(self, buffer: bytes, start: int) -> int:
        """Takes in octets of ``buffer`` from ``start``; gives how many belong to the message. Sets ``complete``."""
        if self._left < 0 and self._collector is not None:
            end = self._collector.feed_data(buffer, start)
            self.complete = end >= 0
            return end - start if end >= 0 else len(buffer) - start
        if self._swallowed is not None or self._collector is None:
            used = min(len(buffer) - start, self._left)
        else:
            used = self._collector.feed_chunk(buffer, start, self._left)
        self._left -= used
        self.complete = self._left == 0
        return used

    def would_be_gross(self, size_bytes: int) -> bool:
        """Whether a chunk of that size on top of what came passes all measure."""
        came = self._collector.size_bytes if self._collector is not None else 0
        return came + size_bytes > GROSS * self._config.max_message_bytes

    def too_large(self, *, closes: bool = False) -> ev.MessageRefused:
        """The refusal for size."""
        size = self._collector.size_bytes if self._collector is not None else 0
        text = f"The message is larger than {self._config.max_message_bytes} octets"
        return ev.MessageRefused(Reply(552, "5.3.4", text), size, closes, self._last)

    def finish(self) -> ev.MessageComplete | ev.MessageRefused | ev.ChunkReceived | ev.ProtocolError:
        """What to say now that the message or chunk is ``complete``."""
        if self._swallowed is not None or self._collector is None:
            error = self._swallowed or ev.ProtocolError(Reply(503, "5.5.1", "Bad sequence of commands"))
            self._swallowed = None
            return error
        size = self._collector.size_bytes
        if self._refusal is not None:
            return ev.MessageRefused(self._refusal, size, last=self._last)
        if self._collector.overflowed:
            return self.too_large()
        return self._finish_content(self._collector) if self._last else ev.ChunkReceived(self._chunk_bytes)

    def _finish_content(self, collector: Collector) -> ev.MessageComplete | ev.MessageRefused:
        bare = collector.has_bare_newline()
        if bare and self._config.bare_newline == "refuse":
            reply = Reply(550, "5.6.0", "The message holds a CR or LF that is not part of CRLF")
            return ev.MessageRefused(reply, collector.size_bytes)
        content = collector.content(stuffed=self._left < 0, normalise=bare)
        if len(content) > self._config.max_message_bytes:
            return self.too_large()
        if not collector.binary and longest_line_exceeds(content, self._config.max_text_line):
            return ev.MessageRefused(Reply(500, "5.6.0", "The message holds a line that is too long"), collector.size_bytes)
        problems = ("bare newlines normalised",) if bare else ()
        if not collector.binary and b"\0" in content:
            problems = (*problems, "NUL octets")
        return ev.MessageComplete(content, problems)
