"""Making the stored forms of a new password: the argon2id hash and the SCRAM-SHA-256 keys (DIR-6, RFC 5803)."""

from __future__ import annotations

import asyncio
import base64
import os

from posthouse.base.errors import BadValue
from posthouse.directory.authenticate import LONGEST_PASSWORD, SCRAM_ITERATIONS
from posthouse.interfaces.hasher import Hasher
from posthouse.protocols.sasl import make_scram

SALT_BYTES = 16


async def hash_password(hasher: Hasher, password: str) -> tuple[str, str]:
    """``(secret, scram)`` as ``Account`` keeps them. ``scram`` is "" for a password that SASLprep (RFC 4013) rules out:
    such an account logs in by the other mechanisms. Raises BadValue for one that clients could not send; Temporary."""
    if not 1 <= len(password) <= LONGEST_PASSWORD:
        raise BadValue(f"a password has 1 to {LONGEST_PASSWORD} characters")
    if not all(char.isprintable() for char in password):
        raise BadValue("a password has no control characters")
    return await hasher.hash(password), await asyncio.to_thread(_scram, password)


def _scram(password: str) -> str:
    salt = os.urandom(SALT_BYTES)
    try:
        stored_key, server_key = make_scram(password, salt, SCRAM_ITERATIONS)
    except ValueError:
        return ""
    octets = (base64.b64encode(part).decode("ascii") for part in (salt, stored_key, server_key))
    salt_text, stored_text, server_text = octets
    return f"{salt_text}${SCRAM_ITERATIONS}${stored_text}${server_text}"
