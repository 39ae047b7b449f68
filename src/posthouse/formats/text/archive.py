"""ZIP archives of strangers (Office, OpenDocument): a few members read, with every number in them distrusted.

The directory's size is looked at before it is parsed; only stored and deflated members are read, in pieces, and all that is
read of one archive counts against one budget, whatever the sizes it declares. Source: PKWARE APPNOTE §4.3.16.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Iterator

from posthouse.formats.text.limits import TextLimits
from posthouse.formats.text.trouble import Unreadable

_END_RECORD = b"PK\x05\x06"
_END_RECORD_BYTES = 22
_MAX_COMMENT_BYTES = 65_535
_DIRECTORY_BYTES_PER_MEMBER = 300
_CHUNK = 65_536
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError, RuntimeError, struct.error)


class Archive:
    """One archive. Raises Unreadable for what is not an archive that can be trusted."""

    def __init__(self, octets: bytes, limits: TextLimits) -> None:
        _check_directory(octets, limits)
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(octets))
        except _BROKEN as error:
            raise Unreadable("broken archive") from error
        if len(self._zip.infolist()) > limits.archive_members:
            raise Unreadable("too many members")
        self._left = limits.unpacked_bytes

    def names(self) -> list[str]:
        """All members' names, in the archive's order."""
        return self._zip.namelist()

    def chunks(self, name: str) -> Iterator[bytes]:
        """A member's octets, in pieces; nothing if there is no such member."""
        try:
            info = self._zip.getinfo(name)
        except KeyError:
            return
        if info.flag_bits & 1:
            raise Unreadable("encrypted")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise Unreadable("unknown compression")
        try:
            with self._zip.open(info) as member:
                while chunk := member.read(_CHUNK):
                    self._left -= len(chunk)
                    if self._left < 0:
                        raise Unreadable("unpacks to too much")
                    yield chunk
        except Unreadable:
            raise
        except _BROKEN as error:
            raise Unreadable("broken archive") from error


def _check_directory(octets: bytes, limits: TextLimits) -> None:
    """The standard library parses the whole directory at once, so its size is bounded first."""
    at = octets.rfind(_END_RECORD, max(0, len(octets) - _MAX_COMMENT_BYTES - _END_RECORD_BYTES))
    if at < 0 or len(octets) - at < _END_RECORD_BYTES:
        raise Unreadable("not an archive")
    members, directory_bytes = struct.unpack_from("<HI", octets, at + 10)
    if members > limits.archive_members or directory_bytes > limits.archive_members * _DIRECTORY_BYTES_PER_MEMBER:
        raise Unreadable("too many members")
