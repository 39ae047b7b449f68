"""An LDAP server that does what a test says: answers from a table, or hangs, lies, floods, closes. Notes what it is asked."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType

from posthouse.protocols.ldap import ber

BIND, UNBIND, SEARCH, ABANDON, EXTENDED = 0x60, 0x42, 0x63, 0x50, 0x77
Attributes = Mapping[str, Sequence[bytes]]
Search = Callable[[bytes, bytes, list[str]], Sequence[tuple[bytes, Attributes]]]


def message(number: int, *operations: bytes) -> bytes:
    """An answer to the request of that number."""
    return ber.element(ber.SEQUENCE, ber.integer(number), *operations)


def result(tag: int, code: int = 0, text: str = "") -> bytes:
    """How a request ended."""
    return ber.element(tag, ber.integer(code, ber.ENUMERATED), ber.octets(b""), ber.octets(text.encode()))


def entry(dn: bytes, attributes: Attributes) -> bytes:
    """One that was found."""
    listed = [
        ber.element(ber.SEQUENCE, ber.octets(name.encode()), ber.element(ber.SET, *map(ber.octets, values)))
        for name, values in attributes.items()
    ]
    return ber.element(0x64, ber.octets(dn), ber.element(ber.SEQUENCE, *listed))


class ScriptedLdap:
    """Use as an asynchronous context manager. ``search`` gets base, encoded filter and attributes; ``instead`` gives octets in
    place of the usual answer to an operation's tag, None for that; ``hangs``: nothing is answered."""

    def __init__(self, search: Search | None = None, *, context: ssl.SSLContext | None = None) -> None:
        self.search: Search = search or (lambda base, encoded, names: [])
        self.instead: Callable[[int, int], bytes | None] = lambda tag, number: None
        self.hangs = False
        self.code = 0
        self.port = 0
        self.connections = 0
        self.heard: list[int] = []
        self.octets = b""
        self._context = context
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        return f"ldap://127.0.0.1:{self.port}"

    @property
    def searches(self) -> int:
        """How many there were."""
        return self.heard.count(SEARCH)

    def close_connections(self) -> None:
        """As a server does with those that said nothing for long."""
        for writer in list(self._writers):
            writer.close()

    async def __aenter__(self) -> ScriptedLdap:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, ssl=self._context)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        self.close_connections()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        buffer = bytearray()
        try:
            while octets := await reader.read(65_536):
                self.octets += octets
                buffer += octets
                while size := ber.whole(buffer, 0, 1 << 20):
                    [(_, content)] = ber.elements(bytes(buffer[:size]))
                    del buffer[:size]
                    self._answer(content, writer)
        except (ConnectionError, ssl.SSLError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    def _answer(self, content: bytes, writer: asyncio.StreamWriter) -> None:
        (_, count), (tag, body) = list(ber.elements(content))[:2]
        number = ber.number(count)
        self.heard.append(tag)
        if self.hangs or tag in (UNBIND, ABANDON):
            return
        if (octets := self.instead(tag, number)) is not None:
            writer.write(octets)
        elif tag == SEARCH:
            parts = list(ber.elements(body))
            names = [name.decode() for _, name in ber.elements(parts[7][1])]
            found = self.search(parts[0][1], parts[6][1], names)
            writer.write(b"".join(message(number, entry(dn, values)) for dn, values in found))
            writer.write(message(number, result(0x65, self.code)))
        else:
            writer.write(message(number, result(tag + 1, self.code)))
