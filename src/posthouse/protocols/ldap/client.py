"""The core of an LDAP client: gives each request its number, and takes the stream of answers apart. Knows no socket."""

from __future__ import annotations

from posthouse.protocols.ldap import ber, messages

MAX_MESSAGE_BYTES = 16 << 20
"""An entry of a group with a hundred thousand members."""
_LAST_NUMBER = 2**31 - 1


class ClientCore:
    """One connection. ``feed`` raises ber.Malformed; then the connection is of no more use."""

    def __init__(self, max_message_bytes: int = MAX_MESSAGE_BYTES) -> None:
        self._buffer = bytearray()
        self._number = 0
        self._max_message_bytes = max_message_bytes

    def next_number(self) -> int:
        """The number of the next request."""
        self._number = self._number % _LAST_NUMBER + 1
        return self._number

    @property
    def holds_more(self) -> bool:
        """Whether octets have come that no message is made of yet. Before TLS begins there must be none."""
        return bool(self._buffer)

    def feed(self, octets: bytes) -> list[messages.Message]:
        """The messages that are whole now."""
        self._buffer += octets
        found, at = [], 0
        while size := ber.whole(self._buffer, at, self._max_message_bytes):
            found.append(messages.read(bytes(self._buffer[at : at + size])))
            at += size
        if at < len(self._buffer) and self._buffer[at] != ber.SEQUENCE:
            raise ber.Malformed("no LDAP message")  # and it may never be whole
        del self._buffer[:at]
        return found
