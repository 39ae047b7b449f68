"""Collecting a message: DATA until CRLF.CRLF, or BDAT chunks by count (RFC 5321 §4.1.1.4, §4.5.2; RFC 3030).

Works on whole blocks as they come, so that a message costs a few passes at memory speed. Bounded: past the size limit
nothing is kept any more, and tiny network reads are gathered into blocks. Only CRLF.CRLF ends DATA: not LF.LF, not
CR.CR, not any mixture (SMTP smuggling, INB-8).
"""

from __future__ import annotations

from posthouse.protocols.dots import unstuff, with_crlf

_END = b"\r\n.\r\n"
_BLOCK = 65_536


class BareNewlines:
    """Looks for a CR without LF or an LF without CR in octets that come in pieces."""

    def __init__(self) -> None:
        self.found = False
        self.after_cr = False

    def scan(self, piece: bytes) -> None:
        """Looks at the next piece; costs nothing once something is found."""
        if self.found or not piece:
            return
        if self.after_cr:
            self.found = piece[0] != 0x0A
            piece = piece[1:]
        self.after_cr = piece.endswith(b"\r")
        rest = piece.replace(b"\r\n", b"")
        if rest:
            cr = rest.find(b"\r")
            self.found |= b"\n" in rest or (cr >= 0 and (cr < len(rest) - 1 or not self.after_cr))

    def finish(self) -> bool:
        """Whether there was one, now that no more comes."""
        return self.found or self.after_cr


class Collector:
    """One message on its way in.

    ``limit`` is what the content may measure. Octets of DATA on the wire may be a third more than that (dots are doubled,
    and a line has at least three octets). ``size_bytes`` counts what came; ``overflowed`` and ``discarding`` say that
    nothing is kept any more.
    """

    def __init__(self, limit: int, *, binary: bool = False) -> None:
        self.binary = binary
        self._keep = limit + limit // 3 + 16
        self._blocks: list[bytes] = []
        self._loose = bytearray()
        self._tail = b"\r\n"  # the CRLF of the DATA command counts: a first line "." ends an empty message
        self._newlines = None if binary else BareNewlines()
        self.size_bytes = 0
        self.held_bytes = 0
        self.discarding = False

    @property
    def overflowed(self) -> bool:
        """Whether more came than may be kept."""
        return self.size_bytes > self._keep

    def discard(self) -> None:
        """Lets go of all that is held; what follows is swallowed."""
        self.discarding = True
        self._blocks = []
        self._loose = bytearray()
        self.held_bytes = 0

    def feed_data(self, data: bytes, start: int) -> int:
        """Takes in ``data`` from ``start``. Gives the offset after the end of the message, or -1 if it goes on."""
        if start:
            data = data[start:]
        tail = self._tail
        seam = (tail + data[:4]).find(_END)
        if seam >= 0:
            end = seam + 5 - len(tail)
        else:
            end = data.find(_END) + 5
            if end == 4:
                self._tail = data[-4:] if len(data) >= 4 else (tail + data)[-4:]
                self._add(data)
                return -1
        self._add_last(data, end)
        return start + end

    def feed_chunk(self, data: bytes, start: int, left: int) -> int:
        """Takes in at most ``left`` octets of a BDAT chunk; gives how many these were."""
        piece = data[start : start + left] if start or len(data) > left else data
        self._add(piece)
        return len(piece)

    def _add_last(self, data: bytes, end: int) -> None:
        """The last piece: its final ``.CRLF`` is not content. It may have begun in an earlier piece."""
        if end >= 3:
            self._add(data[: end - 3])
        else:
            self._cut(3 - end)

    def _cut(self, count: int) -> None:
        """Takes ``count`` octets (of the end marker, begun in an earlier piece) back off."""
        whole = b"".join(self._blocks) + bytes(self._loose)
        self._blocks = [whole[:-count] if count <= len(whole) else b""]
        self._loose = bytearray()
        self.size_bytes -= count
        if self._newlines is not None:
            self._newlines.after_cr = False

    def _add(self, piece: bytes) -> None:
        self.size_bytes += len(piece)
        if self._newlines is not None:
            self._newlines.scan(piece)
        if self.discarding:
            return
        if self.size_bytes > self._keep:
            self.discard()
            return
        self.held_bytes += len(piece)
        if len(piece) >= _BLOCK // 4 or not (self._blocks or self._loose):
            self._flush()
            self._blocks.append(piece)
        else:
            self._loose += piece
            if len(self._loose) >= _BLOCK:
                self._flush()

    def _flush(self) -> None:
        if self._loose:
            self._blocks.append(bytes(self._loose))
            self._loose = bytearray()

    def has_bare_newline(self) -> bool:
        """Whether the whole message has one; never so for a binary one. Ask when it is complete."""
        return self._newlines is not None and self._newlines.finish()

    def content(self, *, stuffed: bool, normalise: bool) -> bytes:
        """The message. ``stuffed``: it came by DATA, so leading dots are undone. ``normalise``: bare newlines become CRLF."""
        self._flush()
        content = self._blocks[0] if len(self._blocks) == 1 else b"".join(self._blocks)
        if stuffed:
            content = unstuff(content)
        return with_crlf(content) if normalise else content


def longest_line_exceeds(content: bytes, limit: int) -> bool:
    """Whether a line, its CRLF included, is longer than ``limit``; looks only at a few places."""
    at = 0
    while len(content) - at > limit:
        newline = content.rfind(b"\n", at, at + limit)
        if newline < 0:
            return True
        at = newline + 1
    return False
