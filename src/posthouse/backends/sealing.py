"""Secrets of others that the node must keep for a while, so that a copy of a database alone does not tell them.

ChaCha20-Poly1305 (RFC 8439) under a key of the node's own in a file for its user only, made when it is first needed. Each
secret is bound to what it is for, so one cannot be put in another's place. Must not know what the secrets are.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from posthouse.base.errors import Temporary

KEY_BYTES = 32
_NONCE_BYTES = 12


class Seal:
    """``path`` is the key's file. Blocking, but for a small file once: callers are threads, or at a start."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._cipher: ChaCha20Poly1305 | None = None

    def closed(self, secret: str, purpose: str) -> bytes:
        """``secret`` as it may be kept. Raises Temporary when the key cannot be made or read."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._ready().encrypt(nonce, secret.encode("utf-8", "surrogatepass"), purpose.encode())

    def opened(self, sealed: bytes, purpose: str) -> str | None:
        """The secret again; None when it was sealed with another key (the database came from elsewhere), or changed."""
        if len(sealed) <= _NONCE_BYTES:
            return None
        try:
            octets = self._ready().decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], purpose.encode())
        except InvalidTag:
            return None
        return octets.decode("utf-8", "surrogatepass")

    def _ready(self) -> ChaCha20Poly1305:
        if self._cipher is None:
            try:
                self._cipher = ChaCha20Poly1305(_key(self._path))
            except OSError as error:
                raise Temporary("Temporary error, try again later", cause=f"{self._path}: {error}") from error
        return self._cipher


def _key(path: Path) -> bytes:
    """The file's key; one is made if there is none. Raises OSError."""
    key = _read(path)
    if key is None:
        # Linked into place when it is whole and synced: of two that make one at once, both get the first.
        fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(os.urandom(KEY_BYTES))
                file.flush()
                os.fsync(file.fileno())
            with contextlib.suppress(FileExistsError):
                os.link(fresh, path)
        finally:
            fresh.unlink(missing_ok=True)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        key = _read(path)
    if key is None or len(key) != KEY_BYTES:
        raise OSError("this is no key of the node")
    return key


def _read(path: Path) -> bytes | None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        return file.read(KEY_BYTES + 1)
