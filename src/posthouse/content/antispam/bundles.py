"""A bundle of rules: files, a manifest that names them with their digests, and one signature over that (CON-10).

``manifest`` is text:

    posthouse-rules 1
    version 2026112401
    0a1b…  default.toml
    2c3d…  samples/spam-1.eml

its lines after the second being what ``sha256sum`` prints. ``manifest.sig`` is the Ed25519 signature (RFC 8032) of its octets
in base64. Nothing of a bundle is looked at before its signature holds.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from posthouse.interfaces.bundle_source import BundleSource

MANIFEST, SIGNATURE = "manifest", "manifest.sig"
MAX_MANIFEST_BYTES = 128 << 10
MAX_FILES = 500
MAX_FILE_BYTES = 1 << 20
MAX_BUNDLE_BYTES = 16 << 20

_FIRST_LINE = "posthouse-rules 1"
_VERSION = re.compile(r"version ([1-9][0-9]{0,17})")
_ENTRY = re.compile(r"([0-9a-f]{64})  ((?:samples/)?[a-z0-9][a-z0-9.\-]{0,63})")


class BadBundle(ValueError):
    """Not signed by whom we trust, not whole, or not what it says it is."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """``files`` are SHA-256 digests in hexadecimal by name."""

    version: int
    files: Mapping[str, str]


def public_key(text: str) -> Ed25519PublicKey:
    """The key of 32 octets in base64. Raises BadBundle."""
    try:
        return Ed25519PublicKey.from_public_bytes(base64.b64decode(text, validate=True))
    except (ValueError, binascii.Error):
        raise BadBundle("the key is not 32 octets in base64") from None


def verified(manifest: bytes, signature: bytes, key: Ed25519PublicKey) -> Manifest:
    """The manifest, if the signature holds. Raises BadBundle."""
    try:
        key.verify(base64.b64decode(b"".join(signature.split()), validate=True), manifest)
    except (InvalidSignature, ValueError, binascii.Error):
        raise BadBundle("the signature does not hold") from None
    try:
        lines = manifest.decode("ascii").splitlines()
    except UnicodeDecodeError:
        raise BadBundle("the manifest is not ASCII") from None
    version = _VERSION.fullmatch(lines[1]) if len(lines) > 1 else None
    entries = [_ENTRY.fullmatch(line) for line in lines[2:]]
    if version is None or lines[0] != _FIRST_LINE or not entries or len(entries) > MAX_FILES or None in entries:
        raise BadBundle("the manifest is none of this version's")
    return Manifest(int(version[1]), {entry[2]: entry[1] for entry in entries if entry is not None})


async def fetch_manifest(source: BundleSource, key: Ed25519PublicKey) -> Manifest:
    """The verified manifest of a source. Raises BadBundle, Temporary."""
    manifest = await source.read(MANIFEST, limit_bytes=MAX_MANIFEST_BYTES)
    return verified(manifest, await source.read(SIGNATURE, limit_bytes=1_024), key)


async def fetch_files(source: BundleSource, manifest: Manifest) -> dict[str, bytes]:
    """All files, each as the manifest says. Raises BadBundle, Temporary."""
    files: dict[str, bytes] = {}
    left = MAX_BUNDLE_BYTES
    for name, digest in manifest.files.items():
        octets = await source.read(name, limit_bytes=min(MAX_FILE_BYTES, left))
        left -= len(octets)
        if hashlib.sha256(octets).hexdigest() != digest:
            raise BadBundle(f"{name} is not the file that was signed")
        files[name] = octets
    return files
