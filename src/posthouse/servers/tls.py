"""TLS as a machine between two buffers: octets from the wire in, clear text out, and the other way round (TLS-1).

``Connection`` drives it; no socket is touched here, so STARTTLS, PROXY headers and certificate changes need nothing of
the event loop's own TLS. Contexts are made in ``tls_contexts``. RFC 8446, RFC 5246.
"""

from __future__ import annotations

import contextlib
import ssl

from posthouse.model.session import TlsFacts
from posthouse.servers.channel_bindings import bindings_of

RECORD_BYTES = 16_384


class NamedObject(ssl.SSLObject):
    """An SSL object that remembers the host name which the client asked for (RFC 6066 §3)."""

    requested_name = ""


class ServerContext(ssl.SSLContext):
    """A context that knows its certificate's ``tls-server-end-point``; of several, a connection has the one that it chose."""

    end_point = b""


class TlsLayer:
    """The server's side of one TLS connection."""

    __slots__ = ("_incoming", "_object", "_outgoing", "ended")

    def __init__(self, context: ssl.SSLContext) -> None:
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._object = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self.ended = False

    def handshake(self, data: bytes) -> bool:
        """Takes octets from the wire; True once the handshake is done. ``pending()`` must be sent in either case, also
        when this raises ``ssl.SSLError`` (it holds the alert)."""
        if data:
            self._incoming.write(data)
        try:
            self._object.do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return False
        return True

    def facts(self) -> TlsFacts:
        """What was agreed; for after the handshake."""
        cipher = self._object.cipher()
        name = self._object.requested_name if isinstance(self._object, NamedObject) else ""
        context = self._object.context
        bindings = bindings_of(self._object, context.end_point if isinstance(context, ServerContext) else b"")
        return TlsFacts(self._object.version() or "", cipher[0] if cipher else "", name, bindings)

    def decrypt(self, data: bytes) -> bytes:
        """Takes octets from the wire, gives the clear text that is complete. Sets ``ended`` at close_notify.
        Raises ssl.SSLError when the stream is broken."""
        if data:
            self._incoming.write(data)
        pieces = []
        try:
            while piece := self._object.read(RECORD_BYTES):
                pieces.append(piece)
            self.ended = True
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            pass
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            self.ended = True
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def encrypt(self, data: bytes) -> bytes:
        """The octets for the wire that carry ``data``. Raises ssl.SSLError."""
        view = memoryview(data)
        while view:
            view = view[self._object.write(view) :]
        return self._outgoing.read()

    def pending(self) -> bytes:
        """What TLS itself has to say: handshake, alerts, tickets."""
        return self._outgoing.read() if self._outgoing.pending else b""

    def close_notify(self) -> bytes:
        """The octets that end our direction (RFC 8446 §6.1)."""
        with contextlib.suppress(ssl.SSLError):
            self._object.unwrap()
        return self.pending()
