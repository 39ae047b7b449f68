"""Command lines out of a stream of octets, bounded, for SMTP and POP3 (RFC 5321 §2.3.8, §4.5.3.1.4; RFC 2449 §4).

A line that passes its bound is refused at once and swallowed without keeping it; one that never ends closes the
connection. Lines hold no control characters.
"""

from __future__ import annotations

MAX_SWALLOWED = 1 << 20


class LineRefused(Exception):
    """The line was not one; ``closes`` says that no more is read from this client."""

    def __init__(self, text: str, *, closes: bool = False) -> None:
        super().__init__(text)
        self.text = text
        self.closes = closes


class LineBuffer:
    """``buffer`` from ``position`` on is what has not been used.

    ``max_auth_line`` bounds lines of a SASL exchange: the command AUTH, and answers to challenges. ``strict`` refuses lines
    that end in a bare LF.
    """

    def __init__(self, max_line: int, max_auth_line: int, *, strict: bool) -> None:
        self._max_line = max_line
        self._max_auth_line = max_auth_line
        self._strict = strict
        self._swallowed = 0
        self._swallowing = False
        self.buffer = b""
        self.position = 0
        self.last = ""

    @property
    def held_bytes(self) -> int:
        """Octets not used yet."""
        return len(self.buffer) - self.position

    def receive(self, data: bytes) -> None:
        """Takes octets in."""
        if self.position >= len(self.buffer):
            self.buffer = data
        else:
            self.buffer = self.buffer[self.position :] + data
        self.position = 0

    def consume(self, count: int) -> None:
        """Marks octets as used by someone else (the message)."""
        self.position += count
        if self.position >= len(self.buffer):
            self.buffer = b""
            self.position = 0

    def clear(self) -> None:
        """Forgets all octets."""
        self.buffer = b""
        self.position = 0
        self._swallowing = False

    def next_line(self, *, auth: bool = False) -> str | None:
        """The next line without its CRLF, None if there is no whole one. ``last`` keeps it for the log.

        Raises LineRefused. ``auth``: the line answers a SASL challenge, so the longer bound holds.
        """
        if self._swallowing and not self._swallow():
            return None
        position = self.position
        end = self.buffer.find(b"\n", position)
        if 0 <= end - position < self._max_line:
            self.position = end + 1
            return self._text(self.buffer[position:end])
        size = (end + 1 if end >= 0 else len(self.buffer)) - self.position
        if size > self._max_line and size > self._bound(auth=auth):
            self.last = ""
            self._swallowing = True
            self._swallowed = 0
            self._swallow()
            raise LineRefused("Line too long")
        if end < 0:
            return None
        line = self.buffer[self.position : end]
        self.position = end + 1
        return self._text(line)

    def _bound(self, *, auth: bool) -> int:
        start = self.buffer[self.position : self.position + 5]
        return self._max_auth_line if auth or start.upper() == b"AUTH " else self._max_line

    def _swallow(self) -> bool:
        """Drops octets up to the end of the line that was refused; False if it is not in sight. Raises LineRefused."""
        end = self.buffer.find(b"\n", self.position)
        if end >= 0:
            self.position = end + 1
            self._swallowing = False
            return True
        self._swallowed += self.held_bytes
        self.buffer = b""
        self.position = 0
        if self._swallowed > MAX_SWALLOWED:
            raise LineRefused("Line without end", closes=True)
        return False

    def _text(self, line: bytes) -> str:
        self.last = ""
        if line.endswith(b"\r"):
            line = line[:-1]
        elif self._strict:
            raise LineRefused("A line ends in CRLF, not in a bare LF")
        try:
            text = line.decode()
        except UnicodeDecodeError:
            raise LineRefused("The line is neither ASCII nor UTF-8") from None
        if not text.isprintable() and not all(" " <= char <= "~" or char >= "\xa0" for char in text):
            raise LineRefused("The line holds control characters")
        self.last = text
        return text
