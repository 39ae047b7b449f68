"""Virus engines played by a script on a real socket: a clamd whose patterns are old, an ICAP server that cleans."""

from __future__ import annotations

import socketserver
import threading
from types import TracebackType


class _Playing:
    """A server in a thread. Use as a context manager."""

    def __init__(self, handler: type[socketserver.StreamRequestHandler]) -> None:
        socketserver.ThreadingTCPServer.allow_reuse_address = True
        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]

    def __enter__(self) -> _Playing:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()


class _OldClamd(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        command = self.rfile.read(len(b"zVERSION\0"))
        if command == b"zVERSION\0":
            self.wfile.write(b"ClamAV 1.4.3/26000/Mon Oct 27 08:43:18 2025\0")


class _CleaningIcap(socketserver.StreamRequestHandler):
    """Takes the word ``virus`` out of what it is shown; whole objects, no preview."""

    def handle(self) -> None:
        while head := self._head():
            if head.startswith(b"OPTIONS"):
                self.wfile.write(b'ICAP/1.0 200 OK\r\nMethods: RESPMOD\r\nAllow: 204\r\nISTag: "7"\r\n\r\n')
                continue
            self._head()
            self._head()
            octets = self._body()
            if b"virus" not in octets:
                self.wfile.write(b"ICAP/1.0 204 No Content\r\n\r\n")
                continue
            http, clean = b"HTTP/1.1 200 OK\r\n\r\n", octets.replace(b"virus", b"")
            self.wfile.write(
                b"ICAP/1.0 200 OK\r\nX-Infection-Found: Type=0; Resolution=1; Threat=Mendable;\r\n"
                b"Encapsulated: res-hdr=0, res-body=%d\r\n\r\n%b%x\r\n%b\r\n0\r\n\r\n" % (len(http), http, len(clean), clean)
            )

    def _head(self) -> bytes:
        lines = []
        while (line := self.rfile.readline()) not in (b"\r\n", b""):
            lines.append(line)
        return b"".join(lines)

    def _body(self) -> bytes:
        out = b""
        while size := int(self.rfile.readline().partition(b";")[0] or b"0", 16):
            out += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return out


def old_clamd() -> _Playing:
    """Its patterns are of October 2025; it answers VERSION alone."""
    return _Playing(_OldClamd)


def cleaning_icap() -> _Playing:
    """Any service name will do."""
    return _Playing(_CleaningIcap)
